//! A room's whole history as a file: page by page, so that no length of history fills the memory.

mod html;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lanyard_proto::model::{PeerId, RoomId};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::api::{ApiError, ErrorCode, Export, ExportFormat, Message, Reply, Room, RoomKind};
use crate::engine::commands::To;
use crate::engine::run::{Report, Run};
use crate::files::Fresh;
use crate::says;
use crate::store::{Cursor, Store, Stretch};

/// What of a room is read, page after page.
struct Source {
    room: RoomId,
    store: Store,
    reports: mpsc::Sender<Report>,
    /// Where the last page ended.
    after: Cursor,
    /// How often messages had been moved when it began.
    moves: u64,
}

/// Some messages, and the names of everybody who reacted to them.
struct Batch {
    messages: Vec<Message>,
    names: BTreeMap<String, String>,
}

impl Run {
    /// Writes the file on a thread of its own, and answers once it has its name.
    pub fn export(&self, room: &str, format: ExportFormat, into: &str, answer: To) {
        let wanted = self.find_room(room).and_then(|room| Ok((room, self.folder(into)?)));
        let described = wanted.and_then(|(id, folder)| {
            let gone = || says!(ErrorCode::NoSuch, "This room is no longer there.");
            Ok((id, folder, self.room(id).ok_or_else(gone)?))
        });
        let (id, folder, room) = match described {
            Ok(described) => described,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let room = Room { last: None, draft: String::new(), ..room };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        let source = Source { room: id, store, reports, after: Cursor::START, moves: 0 };
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let written = write_whole(&folder, &room, format, source, &runtime);
            let _ = answer.send(written.map(Reply::Exported));
        });
    }
}

/// Begins anew where messages were moved meanwhile: pages would not join.
fn write_whole(
    folder: &Path,
    room: &Room,
    format: ExportFormat,
    mut source: Source,
    runtime: &Handle,
) -> Result<Export, ApiError> {
    loop {
        (source.after, source.moves) = (Cursor::START, source.store.moves());
        if let Some(export) = write(folder, room, format, &mut source, runtime)? {
            return Ok(export);
        }
    }
}

fn write(
    folder: &Path,
    room: &Room,
    format: ExportFormat,
    source: &mut Source,
    runtime: &Handle,
) -> Result<Option<Export>, ApiError> {
    let unwritten = |error: io::Error| unwritten(folder, &error);
    let mut file = Fresh::begin(folder).map_err(unwritten)?;
    let now = Timestamp::now();
    let mut count = 0u64;
    head(&mut file, room, format, now).map_err(unwritten)?;
    loop {
        let batch = runtime.block_on(source.next())?;
        if source.store.moves() != source.moves {
            return Ok(None);
        }
        if batch.messages.is_empty() {
            break;
        }
        for message in &batch.messages {
            one(&mut file, message, &batch.names, format, count == 0).map_err(unwritten)?;
            count += 1;
        }
    }
    let end = match format {
        ExportFormat::Html => html::END,
        ExportFormat::Json => "\n]}\n",
    };
    file.write_all(end.as_bytes()).map_err(unwritten)?;
    let file = file.finish(&file_name(room, format, now)).map_err(unwritten)?;
    Ok(Some(Export { file, messages: count }))
}

fn head(file: &mut Fresh, room: &Room, format: ExportFormat, now: Timestamp) -> io::Result<()> {
    match format {
        ExportFormat::Html => file.write_all(html::head(&title(room), &room.topic, now).as_bytes()),
        ExportFormat::Json => {
            let room = serde_json::to_string(room)?;
            write!(file, "{{\"exported\":{},\"room\":{room},\"messages\":[", now.as_millisecond())
        }
    }
}

fn one(
    file: &mut Fresh,
    message: &Message,
    names: &BTreeMap<String, String>,
    format: ExportFormat,
    first: bool,
) -> io::Result<()> {
    match format {
        ExportFormat::Html => file.write_all(html::message(message, names, &TimeZone::system()).as_bytes()),
        ExportFormat::Json => {
            file.write_all(if first { b"\n" } else { b",\n" })?;
            file.write_all(serde_json::to_string(message)?.as_bytes())
        }
    }
}

impl Source {
    /// The messages that come next; none at the end.
    async fn next(&mut self) -> Result<Batch, ApiError> {
        let part = self.store.part(self.room, Stretch::After(self.after), AT_ONCE).await?;
        let Some(last) = part.messages.last() else {
            return Ok(Batch { messages: Vec::new(), names: BTreeMap::new() });
        };
        self.after = last.cursor;
        let room = self.room;
        let (answer, answered) = oneshot::channel();
        let show = move |run: &Run| {
            let messages = run.messages(room, &part.messages);
            let reacted =
                messages.iter().flat_map(|message| &message.reactions).flat_map(|reaction| &reaction.by);
            let names =
                reacted.filter_map(|id| Some((id.clone(), run.known_as(PeerId::parse(id)?)))).collect();
            // An error only says that nobody waits for it.
            let _ = answer.send(Batch { messages, names });
        };
        let ended = || says!(ErrorCode::Internal, "Lanyard ended before the export was whole.");
        self.reports.send(Report::Read(Box::new(show))).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }
}

/// As people call the room, with whom it is where that is not plain.
fn title(room: &Room) -> String {
    match room.kind {
        RoomKind::Direct if room.alike => {
            let short: String = room.peer.iter().flat_map(|peer| peer.chars().take(SHORT)).collect();
            format!("@{} ({short})", room.name)
        }
        RoomKind::Direct => format!("@{}", room.name),
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => format!("#{}", room.name),
    }
}

fn file_name(room: &Room, format: ExportFormat, now: Timestamp) -> String {
    let day = now.to_zoned(TimeZone::system()).date();
    let ending = match format {
        ExportFormat::Html => "html",
        ExportFormat::Json => "json",
    };
    format!("Lanyard {} {day}.{ending}", room.name)
}

fn unwritten(folder: &Path, error: &io::Error) -> ApiError {
    says!(
        ErrorCode::Storage,
        "The history could not be written into {folder}: {error}. Choose another folder.",
        folder,
        error
    )
}

/// Characters of an id by which people tell devices apart.
const SHORT: usize = 8;
/// Messages that are in memory at the same time.
const AT_ONCE: u32 = 500;

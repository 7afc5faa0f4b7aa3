//! Starts the real program's store and engine on what a power loss left, and looks whether all that was told is true.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanyard_engine::api::{Command, Reply, Snapshot, TransferState as Shown};
use lanyard_engine::config::Multicast;
use lanyard_engine::files::{self, Dial, Dialled, Receiver, Shelf, Verdict, Wanted, Way};
use lanyard_engine::store::{Cursor, Store, profile};
use lanyard_engine::{Config, Engine};
use lanyard_proto::effects::{Loaded, TransferRecord};
use lanyard_proto::model::{EntryId, LogId, PeerId, RoomId, Seq, TransferId, UnixMillis};
use lanyard_proto::transfer::TransferState;
use lanyard_proto::wire::entry::{Unverified, log_id};
use lanyard_proto::wire::file::Source;
use rusqlite::{Connection, OpenFlags};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::record::{DOWNLOADS, NETWORK, PROFILE, Record, sums};
use super::told::What;

/// What was told before the power went.
struct Promises<'a> {
    all: Vec<&'a What>,
    /// Rooms that the node left sooner or later: what it wrote there may be gone.
    left: BTreeSet<RoomId>,
}

/// Which logs a node writes after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Those that it wrote before.
    GoOn,
    /// Others: it cannot be sure that its numbers are free.
    BeginAnew,
}

/// Looks at what lies in the home of a record's node, and starts it there. The power went after line `moment`.
///
/// # Errors
/// A sentence that says what is wrong.
pub async fn judge(record: &Record, moment: usize) -> Result<Logs, String> {
    let told = || record.told.iter().filter(|told| told.at <= moment).map(|told| &told.what);
    let ever_left = record.told.iter().filter_map(|told| match told.what {
        What::Left(room) => Some(room),
        _ => None,
    });
    let promises = Promises { all: told().collect(), left: ever_left.collect() };
    let names = names_at(record, moment);
    let (home, downloads) = (record.home(), record.home().join(DOWNLOADS));
    let profile = home.join(PROFILE);

    nothing_in_half(record, &downloads)?;
    let me = key(&profile)?;
    if !promises.all.is_empty() && me != record.me {
        return Err("the device has another key".to_owned());
    }
    let loaded = the_store_keeps_its_word(&profile, me, &promises).await?;
    for transfer in loaded.transfers.iter().filter(|transfer| is_accepted(transfer, me)) {
        let holder = Shelf::open(&record.holders_profile()).map_err(|error| error.to_string())?;
        fetch(holder, record.me, transfer, &downloads).await?;
    }
    for what in &promises.all {
        if let What::Offered(id) = what {
            still_offered(record, &loaded, *id, &profile).await?;
        }
    }
    let is_over = !loaded.transfers.iter().any(|transfer| is_accepted(transfer, me));
    the_engine_goes_on(record, &profile, &downloads, &promises, &names, is_over).await?;
    is_sound(&profile.join("lanyard.db"))?;
    nothing_in_half(record, &downloads)?;
    let goes_on = record
        .told
        .iter()
        .any(|told| matches!(told.what, What::Entry { room, nonce, .. } if own_nonce(&loaded, room) == Some(nonce)));
    Ok(if goes_on { Logs::GoOn } else { Logs::BeginAnew })
}

/// The names that the node may have: the last one that it told, and those that came later.
fn names_at(record: &Record, moment: usize) -> Option<BTreeSet<String>> {
    let names: Vec<(usize, &String)> = record
        .told
        .iter()
        .filter_map(|told| match &told.what {
            What::Name(name) => Some((told.at, name)),
            _ => None,
        })
        .collect();
    let last = names.iter().rposition(|(at, _)| *at <= moment)?;
    Some(names[last..].iter().map(|(_, name)| (*name).clone()).collect())
}

fn key(profile: &Path) -> Result<PeerId, String> {
    profile::prepare(profile).map_err(|error| error.message)?;
    Ok(profile::identity(profile).map_err(|error| error.message)?.peer_id())
}

/// Whatever has its final name in the download folder is as it was given.
fn nothing_in_half(record: &Record, downloads: &Path) -> Result<(), String> {
    let found = match sums(downloads) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let mut tops: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, sum) in &found {
        let top = path.iter().next().map(PathBuf::from).unwrap_or_default();
        if top == Path::new(PART) {
            continue;
        }
        match record.gifts.get(path) {
            None => return Err(format!("{} was never given", path.display())),
            Some(given) if given != sum => {
                return Err(format!("{} has its name and is not whole", path.display()));
            }
            Some(_) => drop(tops.insert(top)),
        }
    }
    let missing = record
        .gifts
        .keys()
        .find(|path| tops.iter().any(|top| path.starts_with(top)) && !found.contains_key(*path));
    missing.map_or(Ok(()), |path| Err(format!("{} is missing in a folder that has its name", path.display())))
}

/// Opens the database with a clock that knows nothing, as after a loss of power with an empty battery.
async fn the_store_keeps_its_word(
    profile: &Path,
    me: PeerId,
    promises: &Promises<'_>,
) -> Result<Loaded, String> {
    let path = profile.join("lanyard.db");
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, UnixMillis(1))).await;
    let (store, loaded) =
        opened.map_err(|error| error.to_string())?.map_err(|error| format!("the store: {error}"))?;
    let kept = match store.quick_check().await {
        Ok(()) => keeps(&store, &loaded, me, promises).await,
        Err(error) => Err(error.to_string()),
    };
    store.close().await.map_err(|error| error.to_string())?;
    kept.map(|()| loaded)
}

/// Names the log of this device in a room, if it is in it.
fn own_nonce(loaded: &Loaded, room: RoomId) -> Option<u64> {
    loaded.rooms.iter().find(|held| held.record.id == room).map(|held| held.record.nonce)
}

async fn keeps(store: &Store, loaded: &Loaded, me: PeerId, promises: &Promises<'_>) -> Result<(), String> {
    let (logs, held) = whole_logs(store, loaded).await?;
    for what in &promises.all {
        match what {
            What::Boot(boot) if loaded.boot <= *boot => {
                return Err(format!("run {} comes after run {boot}", loaded.boot));
            }
            What::Entry { room, id, nonce, seq, clock } => {
                let gone = promises.left.contains(room) && own_nonce(loaded, *room) != Some(*nonce);
                if !held.contains(id) && !gone {
                    return Err(format!("the acknowledged entry {id}, {} of its log, is lost", seq.0));
                }
                if loaded.clock < *clock && !gone {
                    return Err("the clock goes back".to_owned());
                }
            }
            What::Head { room, log, seq }
                if own_nonce(loaded, *room).is_some_and(|nonce| *log == log_id(me, nonce)) =>
            {
                let head = logs.get(&(*room, *log)).copied().unwrap_or_default();
                if head < *seq {
                    return Err(format!("its log was said to have {} entries, and has {}", seq.0, head.0));
                }
            }
            What::Joined(room) => {
                let is_in = loaded.rooms.iter().any(|loaded| loaded.record.id == *room);
                if !is_in && !promises.left.contains(room) {
                    return Err(format!("it is not in the room {room} any more"));
                }
            }
            What::Left(room) if loaded.rooms.iter().any(|loaded| loaded.record.id == *room) => {
                return Err(format!("it is in the room {room} again"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How far each log goes, and all entries.
type Held = (BTreeMap<(RoomId, LogId), Seq>, BTreeSet<EntryId>);

/// Every log is there from its first entry to its head, each entry with its bytes.
async fn whole_logs(store: &Store, loaded: &Loaded) -> Result<Held, String> {
    let mut held = BTreeSet::new();
    let mut heads = BTreeMap::new();
    for room in &loaded.rooms {
        for log in &room.logs {
            let (room, id) = (room.record.id, log_id(log.author, log.nonce));
            let (mut seq, mut prev) = (Seq(0), [0; 32]);
            let Some(top) = log.top() else { return Err("a log without an entry".to_owned()) };
            while seq < top.head {
                let next = store.entry_at(room, id, seq.next()).await.map_err(|error| error.to_string())?;
                let Some(entry) = next else {
                    return Err(format!(
                        "entry {} of a log that has {} is missing",
                        seq.next().0,
                        top.head.0
                    ));
                };
                let genuine = Unverified::decode(&entry.encode()).is_ok();
                if entry.header.seq != seq.next() || entry.header.prev != prev || !genuine {
                    return Err(format!("entry {} does not continue its log", entry.header.seq.0));
                }
                (seq, prev) = (entry.header.seq, entry.id().0);
                held.insert(entry.id());
            }
            if EntryId(prev) != top.head_id {
                return Err("a log has another head than its last entry".to_owned());
            }
            heads.insert((room, id), seq);
        }
    }
    Ok((heads, held))
}

fn is_accepted(transfer: &TransferRecord, me: PeerId) -> bool {
    transfer.from != me && matches!(transfer.state, TransferState::Waiting | TransferState::Running)
}

/// Fetches a transfer from the shelf of whoever offers it.
async fn fetch(shelf: Shelf, receiver: PeerId, transfer: &TransferRecord, into: &Path) -> Result<(), String> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let stop = CancellationToken::new;
    let receiver = Receiver { peer: receiver, addresses: Vec::new() };
    let lets = async |_| Verdict::MayFetch;
    let serving = tokio::spawn(files::serve(theirs, receiver, shelf, lets, (), |_, _| {}, stop()));
    let (author, offer) = (transfer.from, transfer.offer.clone());
    let into = into.to_owned();
    let wanted = Wanted { transfer: transfer.id, author, offer, into, only: None, gives_on: false };
    let sources = vec![Source { peer: author, addresses: Vec::new() }];
    let pipe = Pipe(Arc::new(Mutex::new(Some(ours))));
    // Whoever fetches has a shelf of its own: what is here of an offer is looked for there first.
    let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
    let own = Shelf::open(profile.path()).map_err(|error| error.to_string())?;
    let fetched = files::pull(wanted, sources, pipe, own, |_| {}, stop()).await;
    // How the other side sees it is another story.
    let _ = serving.await;
    let names = transfer.offer.names.join(", ");
    let fetched = fetched.map_err(|error| format!("{names} cannot be fetched any more: {error}"))?;
    match fetched.paths.iter().find(|path| !path.exists()) {
        Some(path) => Err(format!("{} was fetched, and is not there", path.display())),
        None => Ok(()),
    }
}

/// The one connection there is, for whoever is dialled first.
#[derive(Clone)]
struct Pipe(Arc<Mutex<Option<DuplexStream>>>);

impl Dial for Pipe {
    type Stream = DuplexStream;

    async fn dial(&self, _: Source) -> io::Result<Dialled<DuplexStream>> {
        let stream = self.0.lock().ok().and_then(|mut stream| stream.take());
        let stream = stream.ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Dialled { stream, near: true, way: Way::Direct })
    }
}

/// Whoever was told of an offer can fetch it.
async fn still_offered(
    record: &Record,
    loaded: &Loaded,
    id: TransferId,
    profile: &Path,
) -> Result<(), String> {
    let offer = loaded.transfers.iter().find(|transfer| transfer.id == id);
    let offer = offer.ok_or_else(|| format!("nothing is known of the offer {id}"))?;
    let shelf = Shelf::open(profile).map_err(|error| error.to_string())?;
    let into = tempfile::tempdir_in(&record.folder).map_err(|error| error.to_string())?;
    fetch(shelf, record.holder, offer, into.path()).await
}

/// The whole engine starts, knows what was told, and writes on without using a number twice.
async fn the_engine_goes_on(
    record: &Record,
    profile: &Path,
    downloads: &Path,
    promises: &Promises<'_>,
    names: &Option<BTreeSet<String>>,
    is_over: bool,
) -> Result<(), String> {
    let config = Config {
        downloads: Some(downloads.to_owned()),
        multicast: Multicast::Off,
        port: 0,
        network: NETWORK.to_owned(),
        ..Config::new(profile)
    };
    let engine = Engine::start(config).await.map_err(|error| format!("the engine: {error}"))?;
    let seen = look(record, &engine, downloads, promises, names, is_over).await;
    engine.handle().shutdown().await;
    engine.ended().await.map_err(|error| format!("the engine: {error}"))?;
    seen
}

async fn look(
    record: &Record,
    engine: &Engine,
    downloads: &Path,
    promises: &Promises<'_>,
    names: &Option<BTreeSet<String>>,
    is_over: bool,
) -> Result<(), String> {
    let handle = engine.handle();
    let snapshot = match handle.call(Command::Snapshot {}).await {
        Ok(Reply::Snapshot(snapshot)) => *snapshot,
        other => return Err(format!("no snapshot: {other:?}")),
    };
    if let Some(names) = names
        && !names.contains(&snapshot.me.name)
    {
        return Err(format!("its name is {}", snapshot.me.name));
    }
    for what in &promises.all {
        if let What::Received { transfer, name } = what {
            received(record, &snapshot, downloads, *transfer, name)?;
        }
    }
    if is_over {
        is_cleared_away(downloads).await?;
    }
    let said = match handle
        .call(Command::Say { to: "#lobby".to_owned(), text: "I am back".to_owned(), reply: None })
        .await
    {
        Ok(Reply::Message(message)) => Cursor::parse(&message.cursor).map_err(|error| error.to_string())?,
        other => return Err(format!("it cannot speak: {other:?}")),
    };
    let lobby = super::record::room("lobby");
    let twice = promises.all.iter().any(|what| {
        matches!(what, What::Entry { room, nonce, seq, .. } if *room == lobby && (*nonce, *seq) == (said.nonce, said.seq))
    });
    if twice { Err(format!("number {} of its log is used twice", said.seq.0)) } else { Ok(()) }
}

fn received(
    record: &Record,
    snapshot: &Snapshot,
    downloads: &Path,
    transfer: TransferId,
    name: &str,
) -> Result<(), String> {
    let id = transfer.to_string();
    let known = snapshot.transfers.iter().find(|known| known.id == id);
    if known.is_none_or(|known| known.state != Shown::Done) {
        return Err(format!("{name} was done, and is not known to be: {:?}", known.map(|known| known.state)));
    }
    // Whole it is if it is there at all: that is looked at elsewhere.
    let is_given = record.gifts.keys().any(|path| path.starts_with(name));
    if is_given && downloads.join(name).exists() {
        Ok(())
    } else {
        Err(format!("{name} was received, and is gone"))
    }
}

/// What was staged goes away once it is known to be over.
async fn is_cleared_away(downloads: &Path) -> Result<(), String> {
    let part = downloads.join(PART);
    let gone = async {
        while part.exists() {
            tokio::time::sleep(A_MOMENT).await;
        }
    };
    let gone = tokio::time::timeout(SOON, gone).await;
    gone.map_err(|_| format!("{} stays although all is over", part.display()))
}

/// What SQLite itself says of the database, once everything was closed.
fn is_sound(database: &Path) -> Result<(), String> {
    let check = || -> rusqlite::Result<(String, bool)> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let integrity = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
        let dangling = statement.exists([])?;
        Ok((integrity, dangling))
    };
    match check() {
        Ok((found, false)) if found == "ok" => Ok(()),
        Ok((found, dangling)) => Err(format!("the database: {found}, dangling references: {dangling}")),
        Err(error) => Err(format!("the database: {error}")),
    }
}

/// How long a start and all that follows from it may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// For what takes milliseconds on an idle machine, and how often to look.
const SOON: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(2);

/// Where transfers are staged.
const PART: &str = ".lanyard-part";

/// Bytes on their way between the two ends of a transfer.
const PIPE: usize = 1 << 18;

//! How fast a long history is written, paged through, searched and forgotten: `cargo run --release --example history -p
//! lanyard-engine -- FOLDER [MESSAGES]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use lanyard_engine::store::{Opened, Openings, Search, Store, Stretch};
use lanyard_proto::effects::{Record, RoomRecord};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Hlc, PeerId, RoomId, Seq, UnixMillis};
use lanyard_proto::rooms::{Content, RoomKind};
use lanyard_proto::wire::entry::{Entry, Header};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const ROOM: RoomId = RoomId([7; 32]);
const ROOMS: u8 = 50;
/// Two days.
const AHEAD_MS: u64 = 2 * 24 * 3_600_000;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?).join("lanyard-history");
    let messages: u64 = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&folder, messages).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &std::path::Path, messages: u64) -> Outcome {
    let database = folder.join("lanyard.db");
    let (store, _) = Store::open(&database, NOW)?;
    let room = RoomRecord {
        id: ROOM,
        kind: RoomKind::Open,
        name: "tea".to_owned(),
        joined: UnixMillis(0),
        nonce: 1,
    };
    store.commit(vec![Record::Room(room)]).await?.await?;
    let entries = written(messages);
    let start = Instant::now();
    for batch in entries.chunks(512) {
        let records = batch.iter().map(|(entry, _)| Record::Entry {
            room: ROOM,
            entry: entry.clone(),
            own: false,
            arrived: NOW,
            theirs: None,
        });
        let opened = |(entry, content): &(Arc<Entry>, Content)| {
            (entry.id(), Opened { content: content.clone(), moderates: false })
        };
        let of: BTreeMap<_, _> = batch.iter().map(opened).collect();
        store.commit_opened(records.collect(), Openings { me: PeerId([0; 32]), of }).await?.await?;
    }
    let took = start.elapsed();
    let size = std::fs::metadata(&database)?.len() / 1_000_000;
    println!(
        "written  {messages} messages in {took:?}, {:.0}/s, {size} MB",
        messages as f64 / took.as_secs_f64()
    );

    let middle = UnixMillis(NOW.0 - 60_000 * messages / 2);
    for (what, stretch) in [("newest", Stretch::Newest), ("middle", Stretch::At(middle))] {
        for limit in [50, 500] {
            let start = Instant::now();
            let part = store.part(ROOM, stretch, limit).await?;
            println!("page     {what} {limit}: {} messages in {:?}", part.messages.len(), start.elapsed());
        }
    }
    let start = Instant::now();
    let counts = store.counts(ROOM, PeerId([0; 32])).await?;
    println!("unread   {} in {:?}", counts.unread, start.elapsed());
    for words in
        ["message", "mess", "m", "会议", "会", "number 77777", "w42", "nothing", "message 会议室 reaches"]
    {
        let mut search = Search::of(words).ok_or("no word")?;
        search.room = Some(ROOM);
        let start = Instant::now();
        let (found, more) = store.search(search).await?;
        println!("search   {words}: {} and more: {more}, in {:?}", found.len(), start.elapsed());
    }
    let start = Instant::now();
    store.commit(vec![Record::RoomLeft(ROOM)]).await?.await?;
    println!("left     in {:?}", start.elapsed());
    set_back(&store, messages).await?;
    store.close().await?;
    Ok(())
}

/// As many messages in fifty rooms, said by one each while the clock was ahead, are moved when it is set right.
async fn set_back(store: &Store, messages: u64) -> Outcome {
    let author = Identity::from_seed(&[1; 32]);
    for number in 1..=ROOMS {
        let id = RoomId([number; 32]);
        let name = format!("room {number}");
        let record = RoomRecord { id, kind: RoomKind::Open, name, joined: UnixMillis(0), nonce: 1 };
        let (mut records, mut of) = (vec![Record::Room(record)], BTreeMap::new());
        let mut head = (Seq(0), [0; 32]);
        for n in 0..messages / u64::from(ROOMS) {
            let content = Content::Text(format!("message number {n} of room {number}").as_str().into());
            let arrived = UnixMillis(NOW.0 + AHEAD_MS + n * 1000);
            let header = Header {
                room: id,
                author: author.peer_id(),
                nonce: 1,
                epoch: 0,
                seq: head.0.next(),
                prev: head.1,
                hlc: Hlc::at(arrived),
                deps: Vec::new(),
                kind: content.kind(),
            };
            let entry = Arc::new(Entry::write(&author, header, content.encode("Ana")));
            head = (entry.header.seq, entry.id().0);
            of.insert(entry.id(), Opened { content, moderates: false });
            records.push(Record::Entry { room: id, entry, own: false, arrived, theirs: None });
        }
        store.commit_opened(records, Openings { me: PeerId([0; 32]), of }).await?.await?;
        if let Some(last) = store.last(id).await? {
            store.mark_read(id, last.cursor).await?.await?;
        }
    }
    let start = Instant::now();
    store.commit(vec![Record::ClockSetBack(NOW)]).await?.await?;
    let (mut longest, mut steps) = (start.elapsed(), 1);
    let mut more = store.retell(NOW, None).await?;
    while more.is_some() {
        let step = Instant::now();
        more = store.retell(NOW, more).await?;
        longest = longest.max(step.elapsed());
        steps += 1;
    }
    println!(
        "set back {messages} in {ROOMS} rooms, {steps} steps in {:?}, the longest {longest:?}",
        start.elapsed()
    );
    Ok(())
}

/// A day of sixty people, a message a minute, every hundredth a reaction.
fn written(messages: u64) -> Vec<(Arc<Entry>, Content)> {
    let authors: Vec<Identity> = (1..=60).map(|n| Identity::from_seed(&[n; 32])).collect();
    let mut heads = vec![(Seq(0), [0; 32]); authors.len()];
    let mut last = None;
    let mut entries = Vec::new();
    for n in 0..messages {
        let who = (n * 7 % 60) as usize;
        let content = match last {
            Some(target) if n % 100 == 0 => Content::Reaction { target, emoji: "👍".to_owned(), on: true },
            _ => Content::Text(
                format!("message number {n} reaches everybody, w{} 明天会议室见{}", n % 500, n % 97)
                    .as_str()
                    .into(),
            ),
        };
        let (seq, prev) = heads[who];
        let header = Header {
            room: ROOM,
            author: authors[who].peer_id(),
            nonce: 1,
            epoch: 0,
            seq: seq.next(),
            prev,
            hlc: Hlc::at(UnixMillis(NOW.0 - 60_000 * (messages - n))),
            deps: Vec::new(),
            kind: content.kind(),
        };
        let entry = Arc::new(Entry::write(&authors[who], header, content.encode("Ana")));
        heads[who] = (entry.header.seq, entry.id().0);
        if entry.header.kind == lanyard_proto::rooms::kind::TEXT {
            last = Some(entry.id());
        }
        entries.push((entry, content));
    }
    entries
}

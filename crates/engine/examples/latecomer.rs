//! How long somebody who comes late to a long conversation waits: `cargo run --release --example latecomer -p
//! lanyard-engine -- FOLDER [ENTRIES] [AUTHORS]`. Two nodes on loopback, each a process of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanyard_engine::api::{Command, Reply};
use lanyard_engine::config::Multicast;
use lanyard_engine::store::Store;
use lanyard_engine::{Config, Engine};
use lanyard_proto::effects::{Record, RoomRecord};
use lanyard_proto::identity::Identity;
use lanyard_proto::log::NO_ENTRY;
use lanyard_proto::model::{EntryId, Hlc, RoomId, Seq, UnixMillis};
use lanyard_proto::rooms::{Content, LOBBY, RoomKind, open_room_id};
use lanyard_proto::wire::entry::{Entry, Header};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["write", folder, entries, authors] => {
            write(Path::new(folder), entries.parse()?, authors.parse()?).await.map(drop)
        }
        ["keep", folder] => keep(Path::new(folder)).await,
        [folder, ref rest @ ..] => {
            let number = |at: usize, usual| rest.get(at).map_or(Ok(usual), |number| number.parse());
            measure(Path::new(folder), number(0, 10_000)?, number(1, 10)?).await
        }
        [] => Err("which folder?".into()),
    }
}

async fn measure(folder: &Path, entries: u64, authors: u64) -> Outcome {
    let keeper = folder.join("keeper");
    std::fs::create_dir_all(&keeper)?;
    let started = Instant::now();
    // What an earlier measurement wrote is as good, and a million takes minutes.
    let bytes = match known(&keeper, entries) {
        Some(bytes) => bytes,
        None => write(&keeper, entries, authors).await?,
    };
    println!("{entries} entries of {authors} authors, {bytes} bytes, written in {:.1?}", started.elapsed());
    let mut child = std::process::Command::new(std::env::current_exe()?).arg("keep").arg(&keeper).spawn()?;
    let measured = join(folder, child.id(), entries, bytes).await;
    child.kill()?;
    child.wait()?;
    measured
}

fn known(profile: &Path, entries: u64) -> Option<u64> {
    let database = rusqlite::Connection::open(profile.join("lanyard.db")).ok()?;
    let found = database.query_row("SELECT sum(head), sum(bytes) FROM log", [], |row| {
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
    });
    // On the wire the room is left out.
    found.ok().filter(|(heads, _)| *heads == entries).map(|(heads, bytes)| bytes - heads * 32)
}

/// A database in which much was said in the lobby, by several in turn.
async fn write(profile: &Path, entries: u64, authors: u64) -> Outcome<u64> {
    let start = 1_790_000_000_000;
    let (store, _) = Store::open(&profile.join("lanyard.db"), UnixMillis(start))?;
    let id = open_room_id("default", LOBBY);
    let joined = UnixMillis(start);
    let room = RoomRecord { id, kind: RoomKind::Open, name: LOBBY.to_owned(), joined, nonce: 1 };
    store.commit(vec![Record::Room(room)]).await?.await?;
    let mut pens: Vec<Pen> = (0..authors).map(Pen::new).collect();
    let mut bytes = 0;
    let mut batch = Vec::new();
    for n in 0..entries {
        let text = format!("This is message {n} of a long conversation about nothing in particular.");
        let entry = pens[(n % authors) as usize].say(id, &text, Hlc::at(UnixMillis(start + n * 50)));
        bytes += entry.len_in_room() as u64;
        let arrived = UnixMillis(start + n * 50);
        batch.push(Record::Entry { room: id, entry: Arc::new(entry), own: false, arrived, theirs: None });
        if batch.len() == 512 {
            store.commit(std::mem::take(&mut batch)).await?.await?;
        }
    }
    store.commit(batch).await?.await?;
    store.close().await?;
    Ok(bytes)
}

struct Pen {
    identity: Identity,
    seq: Seq,
    prev: EntryId,
}

impl Pen {
    fn new(number: u64) -> Pen {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        Pen { identity: Identity::from_seed(&seed), seq: Seq(0), prev: NO_ENTRY }
    }

    fn say(&mut self, room: RoomId, text: &str, hlc: Hlc) -> Entry {
        self.seq = self.seq.next();
        let content = Content::Text(text.into());
        let header = Header {
            room,
            author: self.identity.peer_id(),
            nonce: 1,
            epoch: 0,
            seq: self.seq,
            prev: self.prev.0,
            hlc,
            deps: Vec::new(),
            kind: content.kind(),
        };
        let entry = Entry::write(&self.identity, header, content.encode("Somebody"));
        self.prev = entry.id();
        entry
    }
}

fn config(profile: &Path, port: u16) -> Config {
    Config { multicast: Multicast::Off, port, ..Config::new(profile) }
}

async fn keep(profile: &Path) -> Outcome {
    let engine = Engine::start(config(profile, PORT)).await?;
    Ok(engine.ended().await?)
}

async fn join(folder: &Path, keeper: u32, entries: u64, bytes: u64) -> Outcome {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (memory_there, traffic) = (resident(keeper)?, loopback_bytes()?);
    let profile = folder.join("newcomer");
    let peers = vec![format!("127.0.0.1:{PORT}")];
    let engine = Engine::start(Config { peers, ..config(&profile, PORT + 1) }).await?;
    let (started, memory_here) = (Instant::now(), resident(std::process::id())?);
    let database = rusqlite::Connection::open(profile.join("lanyard.db"))?;
    let (mut peak_here, mut peak_there, mut visible) = (0, 0, None);
    loop {
        if visible.is_none() && newest(&engine).await? == 200 {
            visible = Some(started.elapsed());
        }
        let here: i64 =
            database.query_row("SELECT coalesce(sum(head - base), 0) FROM log", [], |row| row.get(0))?;
        peak_here = peak_here.max(resident(std::process::id())?);
        peak_there = peak_there.max(resident(keeper)?);
        if here as u64 == entries || started.elapsed() > Duration::from_secs(300) {
            println!("{here} entries are here");
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mebibytes = |now: u64, before: u64| now.saturating_sub(before) as f64 / 1024.0;
    let sent = loopback_bytes()? - traffic;
    println!("newest 200 visible after {:.2?}, all here after {:.2?}", visible, started.elapsed());
    println!("{sent} bytes on the wire, {:.3} of the entries'", sent as f64 / bytes as f64);
    println!(
        "memory: newcomer +{:.0} MiB, keeper +{:.0} MiB",
        mebibytes(peak_here, memory_here),
        mebibytes(peak_there, memory_there)
    );
    engine.handle().shutdown().await;
    Ok(())
}

async fn newest(engine: &Engine) -> Outcome<usize> {
    let (to, limit) = ("#lobby".to_owned(), 200);
    let command = Command::Log { to, before: None, after: None, at: None, around: None, until: None, limit };
    match engine.handle().call(command).await? {
        Reply::Page(page) => Ok(page.messages.len()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Kibibytes of memory that a process has.
fn resident(process: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no memory")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Bytes that were sent over loopback: all of them this program's, in a network namespace of its own (`unshare -rn`).
fn loopback_bytes() -> Outcome<u64> {
    let devices = std::fs::read_to_string("/proc/self/net/dev")?;
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).ok_or("no loopback")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}

const PORT: u16 = 24_517;

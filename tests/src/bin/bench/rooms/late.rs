//! Who comes late to a long history.

use std::time::{Duration, Instant};

use lanyard_tests::crowd::{Control, Crowd};
use lanyard_tests::history::History;
use lanyard_tests::hosts::Lan;
use lanyard_tests::process::{cpu_seconds, memory};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{Options, TEXT, Verdict, row, seconds_row};

/// R6 and R7: one holds the history, another comes; from the newcomer's being ready until it sees the newest and has all.
pub fn joiner(name: &str, entries: u64, options: &Options) -> Result<(), String> {
    let entries = options.entries.unwrap_or(entries);
    let small = entries <= 100_000;
    let history = History { entries, authors: 10, length: TEXT };
    let lan = Lan::new();
    let mut crowd = Crowd::new();
    for host in lan.hosts(["holder", "newcomer"], options.addresses()) {
        crowd.add(host, &[]);
    }
    let written = history.write(&crowd.profile(HOLDER))?;
    crowd.start(HOLDER)?;
    let holder = crowd.process(HOLDER).ok_or("the holder is gone")?;
    let holder_before = memory(holder, "VmRSS:");
    crowd.start(NEWCOMER)?;
    let newcomer = crowd.process(NEWCOMER).ok_or("the newcomer is gone")?;
    let newcomer_before = memory(newcomer, "VmRSS:");
    let ready = crowd.heard()[NEWCOMER].ready.ok_or("the newcomer is not ready")?;
    let shown = newest_shown(&mut crowd.control(NEWCOMER)?, &history, ready)?;
    let complete = complete(&crowd, entries, ready)?;
    let traffic = lan.traffic();
    let what = format!("{name} ({entries} entries of 10 authors)");
    seconds_row(
        &format!("{what}: the newest 200 shown"),
        Some(if small { 0.5 } else { 2.0 }),
        shown.as_secs_f64(),
    );
    seconds_row(&format!("{what}: complete"), small.then_some(3.0), complete.as_secs_f64());
    let wire = traffic[NEWCOMER].received.bytes + traffic[NEWCOMER].sent.bytes;
    let ratio = wire as f64 / written.payload as f64;
    row(
        &format!("{what}: bytes on the wire, of those of the entries"),
        if small { "<= 1.2" } else { "" },
        &format!("{ratio:.3} ({wire} of {})", written.payload),
        if small { Verdict::from(ratio <= 1.2) } else { Verdict::None },
    );
    for (who, process, before) in [("newcomer", newcomer, newcomer_before), ("holder", holder, holder_before)]
    {
        let work = format!("{:.2} CPU-s", cpu_seconds(process));
        row(&format!("{what}: work of the {who} since its start"), "", &work, Verdict::None);
        let most = memory(process, "VmHWM:");
        let more = most - before;
        row(
            &format!("{what}: memory of the {who}, at most"),
            if small { "" } else { "<= 105 MB more" },
            &format!("{most:.0} MB, {more:.0} MB more than before"),
            if small { Verdict::None } else { (more <= 105.0).into() },
        );
    }
    let log = crowd.control(NEWCOMER)?.log("#lobby")?;
    let in_order = log.len() as u64 == entries
        && log.iter().zip(0..).all(|(message, number)| message["text"] == history.text(number).as_str());
    row(
        &format!("{what}: log"),
        "all, in order",
        if in_order { "all, in order" } else { "not so" },
        in_order,
    );
    Ok(())
}

/// How long until a page of the newest messages is what it should be.
fn newest_shown(control: &mut Control, history: &History, ready: Instant) -> Result<Duration, String> {
    let wanted: Vec<Value> = (history.entries.saturating_sub(200)..history.entries)
        .map(|number| history.text(number).into())
        .collect();
    while ready.elapsed() < PATIENCE {
        let page = control.newest("#lobby", 200)?;
        if page.iter().map(|message| &message["text"]).eq(&wanted) {
            return Ok(ready.elapsed());
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Err(format!("the newest 200 were not there after {PATIENCE:?}"))
}

/// How long until all are in the database, which is read beside the node.
fn complete(crowd: &Crowd, entries: u64, ready: Instant) -> Result<Duration, String> {
    let database = crowd.profile(NEWCOMER).join("lanyard.db");
    let reading = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let reading = reading.map_err(|error| error.to_string())?;
    let mut there = 0;
    while ready.elapsed() < PATIENCE {
        let counted = reading.query_row("SELECT count(*) FROM entry", [], |row| row.get(0));
        there = counted.map_err(|error| error.to_string())?;
        if there >= entries as i64 {
            return Ok(ready.elapsed());
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Err(format!("after {PATIENCE:?} only {there} of {entries} entries were there"))
}

const HOLDER: usize = 0;
const NEWCOMER: usize = 1;

/// A fraction of what is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A million entries take minutes; beyond this it is a failure.
const PATIENCE: Duration = Duration::from_secs(1200);

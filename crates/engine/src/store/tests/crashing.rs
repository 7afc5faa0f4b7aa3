//! A program that is killed in the middle of anything has lost nothing that it was told is safe.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// Kills of one run of the test.
const ROUNDS: usize = 30;

/// What the test harness prints before it runs a test.
const LINES_BEFORE_THE_START: usize = 2;

/// Tells the test binary, started once more, to be the program that is killed.
const VICTIM: &str = "LANYARD_TEST_VICTIM_HOME";

#[tokio::test]
async fn whatever_was_acknowledged_survives_a_kill_and_no_number_is_used_twice() {
    let home = Home::new();
    drop(home.open());
    let mut acknowledged: BTreeMap<u64, EntryId> = BTreeMap::new();
    let mut last_boot = 0;
    for round in 0..ROUNDS {
        // Some die while they open the database, the others at whatever they do after so many lines.
        let lines = if round % 5 == 0 { LINES_BEFORE_THE_START } else { round * 7 % 40 };
        for (seq, id) in killed_after(lines, &home) {
            assert_eq!(acknowledged.insert(seq, id), None, "number {seq} was used twice");
        }
        let (store, loaded) = home.open();
        assert_eq!(store.quick_check().await, Ok(()));
        assert!(loaded.boot > last_boot);
        assert!(loaded.rooms.iter().all(|room| room.record.nonce == MINE), "a crash is not a copy");
        last_boot = loaded.boot;
        for (seq, id) in &acknowledged {
            let found = store.entry(*id).await.unwrap();
            assert_eq!(found.map(|shown| shown.entry.header.seq), Some(Seq(*seq)), "round {round}");
        }
        if round % 2 == 0 {
            store.close().await.unwrap();
        }
    }
    assert!(acknowledged.len() > ROUNDS, "the victims hardly wrote: {}", acknowledged.len());
}

/// Runs a victim until it has printed so many lines, kills it, and returns everything that it acknowledged.
fn killed_after(lines: usize, home: &Home) -> Vec<(u64, EntryId)> {
    let mut victim = start_victim(home.0.path());
    let mut output = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut printed: Vec<String> = output.by_ref().take(lines).collect();
    victim.kill().unwrap();
    printed.extend(output);
    victim.wait().unwrap();
    printed.iter().filter_map(|line| acknowledgement(line)).collect()
}

fn start_victim(home: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::tests::crashing::victim"])
        .env(VICTIM, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A line that was cut off by the kill acknowledges nothing.
fn acknowledgement(line: &str) -> Option<(u64, EntryId)> {
    let (seq, id) = line.strip_prefix("durable ")?.split_once(' ')?;
    Some((seq.parse().ok()?, EntryId::parse(id)?))
}

/// Not a story of its own: what the test above kills. It writes until then, and says what is durable.
#[tokio::test]
async fn victim() {
    let Some(home) = std::env::var_os(VICTIM) else { return };
    let (store, loaded) = Store::open(&Path::new(&home).join("lanyard.db"), NOW).unwrap();
    if loaded.rooms.is_empty() {
        write(&store, vec![tea_room()]).await.unwrap();
    }
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    for log in loaded.rooms.iter().flat_map(|room| &room.logs) {
        let pen = if log.author == me.peer() { &mut me } else { &mut bob };
        let top = log.top().unwrap();
        (pen.head, pen.head_id) = (top.head, top.head_id.0);
    }
    loop {
        let mine = me.say("tea?", at(1));
        let durable = store.commit(vec![own(&mine)]).await.unwrap();
        let hers = store.commit(vec![received(&bob.say("yes", at(2)))]).await.unwrap();
        durable.await.unwrap();
        // One write, so that a kill cuts at most the end of one line.
        let line = format!("durable {} {}\n", mine.header.seq.0, mine.id());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        hers.await.unwrap();
    }
}

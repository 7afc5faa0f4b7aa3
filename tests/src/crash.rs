//! Nodes that are killed at random moments while they talk, catch up and fetch files, and what must hold afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_proto::pacing::Dice;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::conversation::{dice, same_logs, text};
use crate::crowd::{Control, Crowd};
use crate::files::{sha256, write_random};
use crate::hosts::{Addresses, Lan};

/// What was survived.
#[derive(Debug)]
pub struct Survived {
    /// Messages that were acknowledged, all of which everybody has.
    pub messages: usize,
    /// Files that were acknowledged as received, all of which are whole.
    pub files: usize,
    /// From the start of each program after a kill until it was ready, in seconds and in order.
    pub restarts: Vec<f64>,
}

/// Four people talk and send each other files; in each round one of them, by chance, is killed at a moment of chance,
/// misses what the others say, and comes back.
///
/// # Errors
/// The first promise that is broken: an acknowledged message or file that is lost, a message that is there twice, two
/// entries in one place, a damaged database, or something that does not happen in time.
pub fn survive(lan: &Lan, rounds: usize, seed: u64) -> Result<Survived, String> {
    let mut people = People::gather(lan, seed)?;
    let mut restarts = Vec::new();
    for round in 0..rounds {
        let restart = people.round(round).map_err(|why| format!("round {round} of seed {seed}: {why}"))?;
        restarts.push(restart.as_secs_f64());
    }
    people.come_to_agree()?;
    people.files_arrive()?;
    people.no_log_was_forked()?;
    restarts.sort_by(f64::total_cmp);
    Ok(Survived { messages: people.said.len(), files: people.received.len(), restarts })
}

struct People {
    crowd: Crowd,
    seed: u64,
    /// Device ids, by node.
    ids: Vec<String>,
    /// What was acknowledged.
    said: Vec<String>,
    offered: BTreeMap<String, File>,
    /// Node and transfer: what was acknowledged as received, and found whole.
    received: BTreeSet<(usize, String)>,
}

/// What somebody offers to the lobby.
#[derive(Clone)]
struct File {
    by: usize,
    name: String,
    sum: String,
}

/// A log, and a number in it.
type Place = (Vec<u8>, i64);

/// What came of a round's talking.
#[derive(Default)]
struct Acknowledged {
    texts: Vec<String>,
    offer: Option<String>,
}

impl People {
    fn gather(lan: &Lan, seed: u64) -> Result<People, String> {
        let mut crowd = Crowd::new();
        for host in lan.hosts(["ann", "bob", "cyd", "dan"], Addresses::Both) {
            crowd.add(host, &["--accept", "any"]);
        }
        crowd.start_all()?;
        crowd.meet(EVENTUALLY)?;
        let mut ids = Vec::new();
        for node in 0..crowd.size() {
            let mut snapshot = crowd.control(node)?.call("snapshot", &json!({}))?;
            ids.push(snapshot["me"]["id"].take().as_str().unwrap_or_default().to_owned());
        }
        let (said, offered, received) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Ok(People { crowd, seed, ids, said, offered, received })
    }

    /// How long the one who was killed took to come back.
    fn round(&mut self, round: usize) -> Result<Duration, String> {
        let mut dice = dice(self.seed, round as u64);
        let victim = below(&mut dice, self.crowd.size() as u64) as usize;
        let mine = self.talk_until_one_dies(round, victim, &mut dice)?;
        self.database_is_sound(victim)?;
        // Every third time it is more than repair carries, and the one who comes back has to catch up.
        let missed = if round % 3 == 2 { MUCH } else { 1 };
        self.talk_without(round, victim, missed)?;
        let restart = self.crowd.start(victim)?;
        let log = self.crowd.control(victim)?.newest("#lobby", 500)?;
        if let Some(lost) =
            mine.texts.iter().find(|text| log.iter().all(|shown| shown["text"] != text.as_str()))
        {
            return Err(format!("{} had acknowledged {lost:?} and lost it", self.name(victim)));
        }
        for node in 0..self.crowd.size() {
            self.look_at_transfers(node)?;
        }
        Ok(restart)
    }

    /// Everybody talks and one sends a file, until one of them has been killed; what that one had acknowledged.
    fn talk_until_one_dies(
        &mut self,
        round: usize,
        victim: usize,
        dice: &mut Dice,
    ) -> Result<Acknowledged, String> {
        let sender = below(dice, self.crowd.size() as u64) as usize;
        let (file, path) = self.prepare_file(round, sender, dice)?;
        let mut controls = Vec::new();
        for node in 0..self.crowd.size() {
            controls.push(self.crowd.control(node)?);
        }
        let (seed, crowd) = (self.seed, &mut self.crowd);
        let last_event = crowd.heard()[victim].events + below(dice, EVENTS);
        let acknowledged = std::thread::scope(|scope| {
            let path = &path;
            let threads: Vec<_> = controls
                .into_iter()
                .enumerate()
                .map(|(node, control)| {
                    let path = (node == sender).then_some(path.as_path());
                    scope.spawn(move || speak(control, seed, node, round, path))
                })
                .collect();
            // It may have less to tell; then it dies in silence.
            let _ = crowd.wait("its hour", QUIET, |heard| (heard[victim].events >= last_event).then_some(()));
            let killed = crowd.kill(victim);
            let acknowledged: Vec<_> =
                threads.into_iter().map(|thread| thread.join().expect("a speaker does not panic")).collect();
            killed.map(|()| acknowledged)
        })?;
        let mut mine = Acknowledged::default();
        for (node, outcome) in acknowledged.into_iter().enumerate() {
            let (heard, error) = outcome;
            if let Some(error) = error.filter(|_| node != victim) {
                return Err(format!("{}: {error}", self.name(node)));
            }
            self.said.extend(heard.texts.iter().cloned());
            if let Some(transfer) = &heard.offer {
                self.offered.insert(transfer.clone(), file.clone());
            }
            if node == victim {
                mine = heard;
            }
        }
        Ok(mine)
    }

    fn prepare_file(&self, round: usize, sender: usize, dice: &mut Dice) -> Result<(File, PathBuf), String> {
        let name = format!("file {round}");
        let path = self.crowd.host(sender).folder().join(&name);
        write_random(&path, 1 + below(dice, LARGEST), self.seed + round as u64)
            .map_err(|error| error.to_string())?;
        let sum = sha256(&path).map_err(|error| error.to_string())?;
        Ok((File { by: sender, name, sum }, path))
    }

    fn talk_without(&mut self, round: usize, victim: usize, count: usize) -> Result<(), String> {
        for node in (0..self.crowd.size()).filter(|node| *node != victim) {
            let mut control = self.crowd.control(node)?;
            for number in 0..count {
                let text = text(self.seed, node, round * NUMBERS + SPOKEN + number, LENGTH);
                control.say("#lobby", &text)?;
                self.said.push(text);
            }
        }
        Ok(())
    }

    /// Looks at a copy, so that the node finds its database as the kill has left it.
    fn database_is_sound(&self, node: usize) -> Result<(), String> {
        let copy = Copy::of(&self.crowd.profile(node))?;
        let found: String = copy
            .connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .map_err(|error| error.to_string())?;
        if found == "ok" {
            Ok(())
        } else {
            Err(format!("the database of {} is damaged: {found}", self.name(node)))
        }
    }

    /// Whatever is called received must be whole, there and at whoever claims to have sent it.
    fn look_at_transfers(&mut self, node: usize) -> Result<(), String> {
        let transfers = self.crowd.control(node)?.call("transfers", &json!({}))?;
        for transfer in transfers.as_array().into_iter().flatten() {
            let id = transfer["id"].as_str().unwrap_or_default().to_owned();
            let Some(file) = self.offered.get(&id).cloned() else { continue };
            if transfer["state"] == "failed" {
                return Err(format!("{} failed at {}: {}", file.name, self.name(node), transfer["error"]));
            }
            let is_done = |at: &Value| at["state"] == "done";
            if file.by == node {
                for receiver in
                    transfer["receivers"].as_array().into_iter().flatten().filter(|one| is_done(one))
                {
                    let at = self.ids.iter().position(|known| receiver["peer"] == known.as_str());
                    self.is_whole(at.ok_or("a receiver that nobody knows")?, &id, &file)?;
                }
            } else if is_done(transfer) {
                self.is_whole(node, &id, &file)?;
            }
        }
        Ok(())
    }

    /// What a node says of a transfer, for whoever looks for the reason of a failure.
    fn told_of(&self, node: usize, transfer: &str) -> String {
        let listed = self.crowd.control(node).and_then(|mut control| control.call("transfers", &json!({})));
        let listed = listed.unwrap_or_default();
        let told = listed.as_array().into_iter().flatten().find(|listed| listed["id"] == transfer);
        told.map_or("unknown".to_owned(), |told| {
            format!("{} {} {}", told["state"], told["error"], told["receivers"])
        })
    }

    fn is_whole(&mut self, node: usize, transfer: &str, file: &File) -> Result<(), String> {
        if self.received.contains(&(node, transfer.to_owned())) {
            return Ok(());
        }
        let path = self.crowd.host(node).downloads().join(&file.name);
        let sum = sha256(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if sum != file.sum {
            return Err(format!("{} at {} is not what was sent", file.name, self.name(node)));
        }
        self.received.insert((node, transfer.to_owned()));
        Ok(())
    }

    /// Everybody comes to have everything that was acknowledged, once, and the same.
    fn come_to_agree(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + EVENTUALLY;
        loop {
            let Err(why) = same_logs(&self.crowd, &self.said) else { return Ok(()) };
            if Instant::now() >= deadline {
                return Err(format!("after {EVENTUALLY:?}: {why}"));
            }
            self.crowd.await_news(QUIET);
        }
    }

    /// Everybody comes to have every file that was offered.
    fn files_arrive(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + EVENTUALLY;
        loop {
            for node in 0..self.crowd.size() {
                self.look_at_transfers(node)?;
            }
            let due = self.offered.iter().flat_map(|(id, file)| {
                (0..self.ids.len()).filter(|node| *node != file.by).map(|node| (node, id.clone()))
            });
            let lacking: Vec<_> = due.filter(|one| !self.received.contains(one)).collect();
            let Some((node, transfer)) = lacking.first() else { return Ok(()) };
            if Instant::now() >= deadline {
                let (count, file) = (lacking.len(), &self.offered[transfer]);
                let (here, there) = (self.told_of(*node, transfer), self.told_of(file.by, transfer));
                return Err(format!(
                    "after {EVENTUALLY:?} {count} files are not where they belong; the first is {} at {}, where it is \
                     {here}, and at {} {there}",
                    file.name,
                    self.name(*node),
                    self.name(file.by)
                ));
            }
            self.crowd.await_news(QUIET);
        }
    }

    /// Nowhere are there two entries for one place in a log. All are killed for it: what is written to cannot be copied.
    fn no_log_was_forked(&mut self) -> Result<(), String> {
        for node in 0..self.crowd.size() {
            self.crowd.kill(node)?;
            self.database_is_sound(node)?;
        }
        let mut places: BTreeMap<Place, Vec<u8>> = BTreeMap::new();
        for node in 0..self.crowd.size() {
            let entries =
                Copy::of(&self.crowd.profile(node))?.entries().map_err(|error| error.to_string())?;
            for (place, entry) in entries {
                let number = place.1;
                if *places.entry(place).or_insert_with(|| entry.clone()) != entry {
                    let name = self.name(node);
                    return Err(format!("{name} has another entry {number} of a log than others"));
                }
            }
        }
        Ok(())
    }

    fn name(&self, node: usize) -> &str {
        self.crowd.host(node).name()
    }
}

/// Says some texts and offers a file between them; what was acknowledged, and why it was not all of it.
fn speak(
    mut control: Control,
    seed: u64,
    node: usize,
    round: usize,
    file: Option<&Path>,
) -> (Acknowledged, Option<String>) {
    let mut acknowledged = Acknowledged::default();
    let outcome = (|| {
        for number in 0..SPOKEN {
            let text = text(seed, node, round * NUMBERS + number, LENGTH);
            control.say("#lobby", &text)?;
            acknowledged.texts.push(text);
            if let Some(path) = file.filter(|_| number == 0) {
                let handles = control.call("admit", &json!({ "paths": [path] }))?;
                let handles = json!({ "to": "#lobby", "handles": [handles[0]["handle"]] });
                let transfer = control.call("offer", &handles)?;
                acknowledged.offer = transfer["id"].as_str().map(str::to_owned);
            }
        }
        Ok(())
    })();
    (acknowledged, outcome.err())
}

/// A copy of a database as it is on disk, with its write-ahead log.
struct Copy {
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl Copy {
    fn of(profile: &Path) -> Result<Copy, String> {
        let copy = || -> std::io::Result<tempfile::TempDir> {
            let folder = tempfile::tempdir()?;
            std::fs::copy(profile.join("lanyard.db"), folder.path().join("lanyard.db"))?;
            let log = profile.join("lanyard.db-wal");
            if log.exists() {
                std::fs::copy(log, folder.path().join("lanyard.db-wal"))?;
            }
            Ok(folder)
        };
        let folder = copy().map_err(|error| error.to_string())?;
        let connection =
            Connection::open(folder.path().join("lanyard.db")).map_err(|error| error.to_string())?;
        Ok(Copy { connection, _folder: folder })
    }

    /// Where each entry is, and its id.
    fn entries(&self) -> rusqlite::Result<Vec<(Place, Vec<u8>)>> {
        let mut query = self
            .connection
            .prepare("SELECT log.log, entry.seq, entry.entry FROM entry JOIN log ON log.id = entry.log")?;
        let rows = query.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        rows.collect()
    }
}

fn below(dice: &mut Dice, end: u64) -> u64 {
    (dice.fraction() * end as f64) as u64
}

/// What each says while somebody is about to be killed.
const SPOKEN: usize = 4;

/// What the others say meanwhile, where it is much: together more than repair asks for one by one.
const MUCH: usize = 25;

/// Numbers for the texts of one round.
const NUMBERS: usize = 100;

const LENGTH: usize = 60;

/// Bytes of the largest file.
const LARGEST: u64 = 4 << 20;

/// A node tells more than this in a round, so that it can die anywhere in it.
const EVENTS: u64 = 60;

/// When nothing is told for so long, nothing is going on.
const QUIET: Duration = Duration::from_secs(1);

/// For what needs repair, catching up or another try.
const EVENTUALLY: Duration = Duration::from_secs(120);

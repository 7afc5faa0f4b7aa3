//! Random walks of people on a simulated network, against a model that knows what everybody said to whom.
//!
//! `LANYARD_SEED` is the first walk, `LANYARD_WALKS` how many; with a seed alone just that one is walked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use lanyard_proto::model::{RoomId, Seq, TransferId};
use lanyard_proto::pacing::Dice;
use lanyard_proto::rooms::Content;
use lanyard_proto::transfer::TransferState;
use lanyard_tests::sim::{Lan, Who};

#[test]
fn whatever_people_do_everybody_reads_the_same_in_the_end() {
    let given = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = given("LANYARD_SEED");
    let count = given("LANYARD_WALKS").unwrap_or(if first.is_some() { 1 } else { WALKS });
    let mut failed = Vec::new();
    for seed in (first.unwrap_or(0)..).take(count as usize) {
        if walk(seed, usize::MAX).is_err() {
            let steps = (0..MOST_STEPS).find(|steps| walk(seed, *steps).is_err());
            let (story, what) = walk(seed, steps.unwrap_or(MOST_STEPS)).unwrap_err();
            println!("LANYARD_SEED={seed}\n{story}{what}\n");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{} of {count} walks failed: LANYARD_SEED={failed:?}", failed.len());
}

/// Walks at most so many steps, then heals everything and looks at what is left. The story, and what is wrong.
fn walk(seed: u64, steps: usize) -> Result<(), (String, String)> {
    let mut story = String::new();
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let mut walk = Walk::begin(seed, &mut story);
        let steps = walk.below(MOST_STEPS).min(steps);
        for _ in 0..steps {
            walk.step();
            walk.check_delivered(&Delivered::Truly);
        }
        walk.end();
    }));
    walked.map_err(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
        (story, what.unwrap_or_default())
    })
}

struct Walk<'a> {
    lan: Lan,
    dice: Dice,
    people: Vec<Who>,
    away: BTreeSet<Who>,
    /// Who is in which room; a direct conversation once somebody began it.
    rooms: BTreeMap<RoomId, Room>,
    said: Vec<(Who, RoomId, String)>,
    /// What receivers said of offers that they saw, and who made each.
    decided: BTreeMap<(TransferId, Who), TransferState>,
    story: &'a mut String,
}

struct Room {
    name: String,
    members: BTreeSet<Who>,
}

/// What is asked of what a device says of its own messages.
enum Delivered {
    /// Nobody is named who does not have it.
    Truly,
    /// And everybody who has it is named.
    Wholly,
}

impl Walk<'_> {
    fn begin(seed: u64, story: &mut String) -> Walk<'_> {
        let mut bytes = [0xAA; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let mut dice = Dice::seeded(bytes);
        let mut below = |most: usize| (dice.fraction() * most as f64) as usize;
        let (count, loss, slowest) = (2 + below(11), below(41) as u32, 1 + below(30) as u64);
        let mut lan = Lan::seeded(seed).loss_percent(loss).latency_ms(0..slowest);
        let skews: Vec<i64> = (0..count).map(|_| [0, 0, 1_500, -1_500, 60_000, -60_000][below(6)]).collect();
        let people: Vec<Who> =
            skews.iter().enumerate().map(|(n, skew)| lan.join_one(&name(n), *skew)).collect();
        let _ =
            writeln!(story, "{count} people, {loss} % loss, latency below {slowest} ms, clocks {skews:?}");
        let lobby = Room { name: "lobby".to_owned(), members: people.iter().copied().collect() };
        let rooms = BTreeMap::from([(lan.lobby(), lobby)]);
        let (away, said, decided) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Walk { lan, dice, people, away, rooms, said, decided, story }
    }

    fn below(&mut self, most: usize) -> usize {
        (self.dice.fraction() * most as f64) as usize
    }

    fn tell(&mut self, what: String) {
        self.story.push_str(&what);
        self.story.push('\n');
    }

    fn name(&self, who: Who) -> String {
        name(self.people.iter().position(|one| *one == who).unwrap_or(usize::MAX))
    }

    fn step(&mut self) {
        let at = self.below(self.people.len());
        let who = self.people[at];
        let what = self.below(20);
        if !self.lan.is_running(who) {
            if what < 12 {
                self.tell(format!("{} starts", self.name(who)));
                self.lan.start(who);
            } else {
                self.wait();
            }
            return;
        }
        match what {
            0..=5 => self.say(who),
            6 => self.say_to_somebody(who),
            7 => self.join(who),
            8 => self.offer(who),
            9 | 10 => self.decide(who),
            11 => {
                self.tell(format!("{} is killed", self.name(who)));
                self.lan.kill(who);
            }
            12 => {
                self.tell(format!("{} quits", self.name(who)));
                self.lan.quit(who);
            }
            13 | 14 => self.part(who),
            _ => self.wait(),
        }
    }

    fn wait(&mut self) {
        let span = [1, 20, 100, 500, 2_000, 10_000, 60_000, 700_000][self.below(8)];
        self.tell(format!("{span} ms pass"));
        self.lan.run_for(Duration::from_millis(span));
    }

    fn say(&mut self, who: Who) {
        let in_it: Vec<RoomId> =
            self.rooms.iter().filter(|(_, room)| room.members.contains(&who)).map(|(id, _)| *id).collect();
        let room = in_it[self.below(in_it.len())];
        let times = [1, 1, 1, 3, 30][self.below(5)];
        let padding = if self.below(20) == 0 { " long".repeat(500) } else { String::new() };
        let place = self.rooms[&room].name.clone();
        self.tell(format!("{} says {times} × {} bytes in {place}", self.name(who), padding.len() + 10));
        for _ in 0..times {
            let text = format!("message {}{padding}", self.said.len());
            // In a direct conversation that the other side began, and of which nothing has come yet.
            if self.lan.node(who).room(room).is_none() {
                let other = self.rooms[&room].members.iter().find(|one| **one != who).copied();
                self.lan.converse(who, other.expect("a direct conversation has two"));
            }
            self.lan.say_in(who, room, &text);
            self.said.push((who, room, text));
        }
    }

    fn other(&mut self, who: Who) -> Who {
        let others: Vec<Who> = self.people.iter().copied().filter(|one| *one != who).collect();
        others[self.below(others.len())]
    }

    fn converse(&mut self, who: Who) -> RoomId {
        let other = self.other(who);
        let room = self.lan.converse(who, other);
        let name = format!("{} with {}", self.name(who), self.name(other));
        self.rooms.entry(room).or_insert(Room { name, members: BTreeSet::from([who, other]) });
        room
    }

    fn say_to_somebody(&mut self, who: Who) {
        let room = self.converse(who);
        let text = format!("message {}", self.said.len());
        self.tell(format!("{} says something in {}", self.name(who), self.rooms[&room].name));
        self.lan.say_in(who, room, &text);
        self.said.push((who, room, text));
    }

    fn join(&mut self, who: Who) {
        let name = ["design", "设计"][self.below(2)];
        self.tell(format!("{} joins {name}", self.name(who)));
        let room = self.lan.join_room(who, name);
        let made = Room { name: name.to_owned(), members: BTreeSet::new() };
        self.rooms.entry(room).or_insert(made).members.insert(who);
    }

    fn offer(&mut self, who: Who) {
        let room = if self.below(3) == 0 { self.lan.lobby() } else { self.converse(who) };
        self.tell(format!("{} offers a file in {}", self.name(who), self.rooms[&room].name));
        self.lan.offer_in(who, room, "plan.pdf");
    }

    fn decide(&mut self, who: Who) {
        let me = self.lan.id(who);
        let offered: Vec<TransferId> = (self.lan.node(who).transfers())
            .filter(|record| record.from != me && record.state == TransferState::Offered)
            .map(|record| record.id)
            .collect();
        if offered.is_empty() {
            return;
        }
        let transfer = offered[self.below(offered.len())];
        let (verb, state) =
            [("accepts", TransferState::Done), ("declines", TransferState::Declined)][self.below(2)];
        self.tell(format!("{} {verb} a file", self.name(who)));
        self.lan.command(who, |node, now| {
            let done = if state == TransferState::Done {
                node.accept(transfer, now)
            } else {
                node.decline(transfer, now)
            };
            done.expect("what is offered can be decided")
        });
        self.decided.insert((transfer, who), state);
    }

    fn part(&mut self, who: Who) {
        if self.away.remove(&who) {
            self.tell(format!("{} is connected again", self.name(who)));
            self.lan.reconnect(who);
        } else {
            self.tell(format!("{} is cut off", self.name(who)));
            self.lan.cut_off(who);
            self.away.insert(who);
        }
    }

    fn end(&mut self) {
        for who in self.people.clone() {
            if !self.lan.is_running(who) {
                self.lan.start(who);
            }
            if self.away.remove(&who) {
                self.lan.reconnect(who);
            }
        }
        self.lan.settle();
        self.lan.settle();
        for (room, Room { name, members }) in &self.rooms {
            self.check_room(*room, name, members);
        }
        self.check_delivered(&Delivered::Truly);
        self.check_delivered(&Delivered::Wholly);
        self.check_transfers();
        assert_eq!(self.lan.connections(), 0, "connections without a use are open");
    }

    fn check_room(&self, room: RoomId, place: &str, members: &BTreeSet<Who>) {
        let mut shown: Option<(Who, Vec<_>)> = None;
        for who in &self.people {
            let ids: Vec<_> = self.lan.entries_in(*who, room).iter().map(|entry| entry.id()).collect();
            if !members.contains(who) {
                assert!(ids.is_empty(), "{} has what was said in {place}", self.name(*who));
                continue;
            }
            let (first, expected) = shown.get_or_insert_with(|| (*who, ids.clone()));
            assert!(
                ids == *expected,
                "in {place} {} has {} entries and {} has {}, or in another order",
                self.name(*first),
                expected.len(),
                self.name(*who),
                ids.len()
            );
        }
        let Some(reader) = members.first().filter(|who| self.lan.node(**who).room(room).is_some()) else {
            return;
        };
        for author in &self.people {
            let said: Vec<&str> = (self.said.iter())
                .filter(|(who, place, _)| who == author && *place == room)
                .map(|(.., text)| text.as_str())
                .collect();
            assert_eq!(self.read(*reader, room, *author), said, "{} in {place}", self.name(*author));
        }
    }

    /// What a host shows of what somebody said in a room.
    fn read(&self, who: Who, room: RoomId, author: Who) -> Vec<String> {
        let Some(held) = self.lan.node(who).room(room) else { return Vec::new() };
        let by_author = self
            .lan
            .entries_in(who, room)
            .into_iter()
            .filter(|entry| entry.header.author == self.lan.id(author));
        by_author
            .filter_map(|entry| match held.read(&entry) {
                Content::Text(text) => Some(text.text),
                _ => None,
            })
            .collect()
    }

    fn check_delivered(&self, how: &Delivered) {
        for (room, Room { name: place, members }) in &self.rooms {
            let running = members.iter().filter(|who| self.lan.is_running(**who));
            for (author, held) in running.filter_map(|who| Some((who, self.lan.node(*who).room(*room)?))) {
                let log = held.own_log();
                for reader in members.iter().filter(|reader| *reader != author) {
                    let places = |who| -> BTreeSet<Seq> {
                        let entries = self.lan.entries_in(who, *room);
                        entries
                            .iter()
                            .filter(|entry| entry.log() == log)
                            .map(|entry| entry.header.seq)
                            .collect()
                    };
                    let (written, has) = (places(*author), places(*reader));
                    let reader_id = self.lan.id(*reader);
                    let holds = |seq: &Seq| held.holders_of(log, *seq).contains(&reader_id);
                    let said: BTreeSet<Seq> = written.into_iter().filter(holds).collect();
                    let right = match how {
                        Delivered::Truly => said.is_subset(&has),
                        Delivered::Wholly => said == has,
                    };
                    assert!(
                        right,
                        "{} believes that {} has {said:?} of its entries in {place}, and it has {has:?}",
                        self.name(*author),
                        self.name(*reader)
                    );
                }
            }
        }
    }

    fn check_transfers(&self) {
        for ((transfer, who), state) in &self.decided {
            let found = self.lan.transfer_state(*who, *transfer);
            assert_eq!(found, Some(*state), "what {} decided", self.name(*who));
        }
    }
}

fn name(number: usize) -> String {
    ["ann", "bob", "cyd", "dan", "eve", "fay", "gil", "hal", "ivy", "jon", "kim", "lea"][number].to_owned()
}

/// As many as take about twenty seconds.
const WALKS: u64 = 12;
const MOST_STEPS: usize = 60;

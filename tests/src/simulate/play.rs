//! One run: people come, talk and meet trouble; in the end everybody must have the same.

use std::collections::BTreeMap;
use std::time::Duration;

use lanyard_proto::model::{EntryId, Instant};
use lanyard_proto::pacing::Dice;

use super::rooms::{Book, Place};
use super::{Score, Setting, thousands};
use crate::sim::{Lan, Who};
use crate::simulate::scenarios::Trouble;

/// Plays a setting. The same setting and seed give the same score.
pub fn play(setting: &Setting, seed: u64) -> Score {
    let mut bytes = [0x51; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut dice = Dice::seeded(bytes);
    let setting =
        if setting.trouble == Trouble::Anything { anything(setting, &mut dice) } else { setting.clone() };
    if setting.trouble == Trouble::Thousands {
        return thousands::watch(&setting, seed, dice);
    }
    let mut run = Run::begin(&setting, seed, dice);
    if setting.trouble == Trouble::Silence {
        return run.watch_presence();
    }
    run.talk();
    run.finish();
    run.judge()
}

/// A setting by chance.
fn anything(setting: &Setting, dice: &mut Dice) -> Setting {
    let mut setting = setting.clone();
    // Small ones are likelier: there are more of them.
    setting.nodes = (2.0 * 100f64.powf(dice.fraction())) as usize;
    setting.talkers = 1 + (dice.fraction() * setting.nodes.min(20) as f64) as usize;
    setting.rate = 0.2 + 2.0 * dice.fraction();
    // On the way from one to another; where more is lost no stream comes up, and nobody gets into a private room.
    let arrives: f64 = 1.0 - 0.5 * dice.fraction();
    let on_the_way_out = dice.fraction();
    setting.air.loss_out = 1.0 - arrives.powf(on_the_way_out);
    setting.air.loss_in = 1.0 - arrives.powf(1.0 - on_the_way_out);
    setting.air.bursts = dice.fraction() < 0.2;
    setting.air.doubled = 0.1 * dice.fraction();
    setting.patience = Duration::from_secs(900);
    setting
}

pub(super) struct Run<'a> {
    pub(super) setting: &'a Setting,
    pub(super) lan: Lan,
    pub(super) dice: Dice,
    pub(super) people: Vec<Who>,
    /// The lobby first.
    pub(super) places: Vec<Place>,
    pub(super) book: Book,
    skews: Vec<i64>,
    /// When each host was started again.
    starts: BTreeMap<Who, Vec<Instant>>,
    /// Who was apart from whom, from when to when.
    parts: Vec<Part>,
    began: Instant,
    fell_silent: Instant,
}

struct Part {
    from: Instant,
    to: Instant,
    away: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Say(usize),
    SayMuch(usize),
    Kill(usize),
    Start(usize),
    Part,
    Heal,
}

impl<'a> Run<'a> {
    /// Everybody comes, and finds each other.
    fn begin(setting: &'a Setting, seed: u64, dice: Dice) -> Run<'a> {
        let lan = Lan::seeded(seed).over(setting.air.clone());
        let mut run = Run {
            setting,
            lan,
            dice,
            people: Vec::new(),
            places: Vec::new(),
            book: Book::default(),
            skews: Vec::new(),
            starts: BTreeMap::new(),
            parts: Vec::new(),
            began: Instant(0),
            fell_silent: Instant(0),
        };
        let mut pauses: Vec<Duration> =
            (0..setting.nodes).map(|_| run.dice.span(Duration::ZERO..setting.starting)).collect();
        pauses.sort();
        let mut last = Duration::ZERO;
        for (n, at) in pauses.into_iter().enumerate() {
            run.lan.run_for(at - last);
            last = at;
            let skew = if setting.trouble == Trouble::Clocks { SKEWS_MS[n % SKEWS_MS.len()] } else { 0 };
            let who = run.lan.join_one(&format!("p{n}"), skew);
            run.people.push(who);
            run.skews.push(skew);
        }
        run.lan.run_for(setting.starting - last);
        if setting.trouble == Trouble::Links {
            for n in 0..setting.nodes {
                for step in [1, 2, 5] {
                    run.lan.link(run.people[n], run.people[(n + step) % setting.nodes]);
                }
            }
        }
        if setting.trouble != Trouble::Silence {
            run.lan.run_for(setting.starting + ACQUAINTANCE);
        }
        run.open_places();
        run
    }

    /// Everybody says what they have to say, whatever happens meanwhile.
    fn talk(&mut self) {
        let acts = self.script();
        self.began = self.lan.now();
        self.lan.ledger.open = true;
        self.lan.spent = Default::default();
        for (after, act) in acts {
            let at = self.began + after;
            self.lan.run_for(at.since(self.lan.now()));
            self.act(act);
        }
        self.fell_silent = self.lan.now();
        self.heal();
        for who in self.people.clone() {
            if !self.lan.is_running(who) {
                self.start(who);
            }
        }
    }

    /// What happens when, from the first word to the last.
    fn script(&mut self) -> Vec<(Duration, Act)> {
        let setting = self.setting;
        let mut acts = Vec::new();
        let mut next: Vec<f64> = (0..setting.talkers).map(|_| self.pause()).collect();
        for _ in 0..setting.messages {
            let (talker, at) = (next.iter().copied().enumerate())
                .min_by(|one, other| one.1.total_cmp(&other.1))
                .unwrap_or((0, 0.0));
            acts.push((Duration::from_secs_f64(at), Act::Say(talker * setting.nodes / setting.talkers)));
            next[talker] += self.pause();
        }
        let end = acts.last().map_or(Duration::ZERO, |(at, _)| *at);
        if setting.trouble == Trouble::Halves {
            acts.push((Duration::ZERO, Act::Part));
        }
        if setting.trouble == Trouble::Anything && self.dice.fraction() < 0.5 {
            let from = self.dice.span(Duration::ZERO..end);
            acts.push((from, Act::Part));
            acts.push((from + self.dice.span(Duration::ZERO..Duration::from_secs(120)), Act::Heal));
        }
        if matches!(setting.trouble, Trouble::Crashes | Trouble::Anything) {
            let mut at = self.dice.span(Duration::ZERO..MOST_BETWEEN_CRASHES);
            while at < end {
                let victim = (self.dice.fraction() * setting.nodes as f64) as usize;
                acts.push((at, Act::Kill(victim)));
                acts.push((at + self.dice.span(Duration::ZERO..LONGEST_AWAY), Act::Start(victim)));
                at += self.dice.span(Duration::ZERO..MOST_BETWEEN_CRASHES);
            }
        }
        if setting.trouble.is_rough() {
            acts.extend(self.backlogs(end));
        }
        acts.sort();
        acts
    }

    /// Seconds until somebody says the next thing.
    fn pause(&mut self) -> f64 {
        -(1.0 - self.dice.fraction()).ln() / self.setting.rate
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Say(n) => self.say_somewhere(n),
            Act::SayMuch(n) => self.say_much(n),
            Act::Kill(n) if self.lan.is_running(self.people[n]) => self.lan.kill(self.people[n]),
            Act::Start(n) if !self.lan.is_running(self.people[n]) => self.start(self.people[n]),
            Act::Kill(_) | Act::Start(_) => {}
            Act::Part => {
                let away: Vec<bool> = (0..self.people.len())
                    .map(|n| match self.setting.trouble {
                        Trouble::Halves => n % 2 == 1,
                        _ => self.dice.fraction() < 0.5,
                    })
                    .collect();
                let gone: Vec<Who> =
                    (self.people.iter().zip(&away)).filter(|(_, away)| **away).map(|(who, _)| *who).collect();
                self.lan.part(&gone, 1);
                self.parts.push(Part { from: self.lan.now(), to: Instant(u64::MAX), away });
            }
            Act::Heal => self.heal(),
        }
    }

    fn start(&mut self, who: Who) {
        self.lan.start(who);
        self.starts.entry(who).or_default().push(self.lan.now());
    }

    fn heal(&mut self) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.to == Instant(u64::MAX)) {
            part.to = self.lan.now();
            self.lan.part(&self.people.clone(), 0);
        }
    }

    /// Waits until everybody has everything, or patience ends, and a while longer.
    fn finish(&mut self) {
        let end = self.lan.now() + self.setting.patience;
        let mut missing = self.missing();
        while !missing.is_empty() && self.lan.now() < end {
            self.lan.run_for(Duration::from_millis(100));
            missing.retain(|(who, said)| !self.lan.has(*who, &self.lan.ledger.said[*said]));
        }
        self.lan.run_for(AFTERWARDS);
    }

    /// Who has not got what: older entries are told of all together, so it is looked for on their disks.
    fn missing(&self) -> Vec<(Who, usize)> {
        let mut missing = Vec::new();
        for (n, said) in self.lan.ledger.said.iter().enumerate() {
            let place = self.places.iter().find(|place| place.room == said.room);
            let readers = place.into_iter().flat_map(|place| &place.readers);
            missing.extend(readers.filter(|who| !self.lan.has(**who, said)).map(|who| (*who, n)));
        }
        missing
    }

    fn judge(&self) -> Score {
        let said = self.lan.ledger.said.len() as f64;
        let undelivered = self.missing().len() as u64;
        let (mut times, mut healed) = (Vec::new(), 0.0f64);
        for said in &self.lan.ledger.said {
            let told = self.lan.ledger.told.get(&said.id).map_or(&[][..], Vec::as_slice);
            let taken = told.iter().map(|(who, at)| {
                let (from, apart) = self.could_know(said.author, *who, said.at, *at);
                let taken = at.since(from).as_secs_f64();
                healed = healed.max(if apart { taken } else { 0.0 });
                taken
            });
            times.push(taken.fold(0.0, f64::max));
        }
        times.sort_by(f64::total_cmp);
        let part =
            |part: f64| times.get(((times.len().max(1) - 1) as f64 * part) as usize).copied().unwrap_or(0.0);
        let each = |(count, bytes): (u64, u64)| (count as f64 / said, bytes as f64 / said);
        let spent = &self.lan.spent;
        let (datagrams, bytes) = each(spent.of(ROOM_KINDS));
        let talked: u64 = spent.bytes_between(self.began, self.fell_silent);
        Score {
            messages: said as u64,
            undelivered,
            duplicates: self.lan.ledger.doubled,
            misordered: self.places.iter().map(|place| self.misordered(place)).sum(),
            p50: part(0.5),
            p99: part(0.99),
            worst: part(1.0),
            healed,
            datagrams,
            bytes,
            data: each(spent.of(16..=16)).0,
            heads: each(spent.of(17..=17)).0,
            nacks: each(spent.of(18..=18)).0,
            bytes_per_second: talked as f64 / self.fell_silent.since(self.began).as_secs_f64().max(1.0),
            dials: self.lan.dials as f64,
            streamed: spent.streamed as f64 / said,
            ..Score::default()
        }
    }

    /// Since when a host could have had a message: it must run, and be connected to whoever has it. And whether it was
    /// not, at first.
    fn could_know(&self, author: Who, reader: Who, said: Instant, told: Instant) -> (Instant, bool) {
        let started = self.starts.get(&reader).into_iter().flatten().filter(|at| **at <= told).max().copied();
        let healed = (self.parts.iter())
            .filter(|part| part.from < told && said < part.to && part.to <= told)
            .filter(|part| part.is_away(author) != part.is_away(reader))
            .map(|part| part.to)
            .max();
        let from = said.max(started.unwrap_or_default()).max(healed.unwrap_or_default());
        (from, healed.is_some())
    }

    /// Hosts that show something else, or in another order, than the first. Those whose clocks are hopeless may show
    /// another order, and so may everybody of what their owners said.
    fn misordered(&self, place: &Place) -> u64 {
        let room = place.room;
        let right = |who: Who| self.skews[self.position(who)].abs() <= FOLLOWED_SKEW_MS;
        let trusted: std::collections::HashMap<EntryId, bool> =
            self.lan.ledger.said.iter().map(|said| (said.id, right(said.author))).collect();
        let shown = |who: Who| -> Vec<EntryId> {
            let ids = self.lan.entries_in(who, room).into_iter().map(|entry| entry.id());
            ids.filter(|id| trusted.get(id) != Some(&false)).collect()
        };
        let mut readers = place.readers.iter().copied().filter(|who| right(*who));
        let Some(first) = readers.next() else { return 0 };
        let expected = shown(first);
        let different = readers.filter(|who| shown(*who) != expected).count() as u64;
        different + place.readers.iter().filter(|who| !self.reads_what_was_said(**who, room)).count() as u64
    }

    fn position(&self, who: Who) -> usize {
        self.people.iter().position(|one| *one == who).unwrap_or_default()
    }

    /// How soon everybody knows everybody, and what that costs.
    fn watch_presence(&mut self) -> Score {
        let start = self.lan.now();
        let pairs = self.people.len() * (self.people.len() - 1);
        let mut known = PRESENCE_WATCHED.as_secs_f64();
        while self.lan.now().since(start) < PRESENCE_WATCHED {
            self.lan.run_for(Duration::from_millis(250));
            let sum: usize =
                self.people.iter().map(|who| self.lan.node(*who).presence().online_count()).sum();
            if sum * 100 >= pairs * 99 {
                known = self.lan.now().since(start).as_secs_f64();
                break;
            }
        }
        let left = PRESENCE_WATCHED.saturating_sub(self.lan.now().since(start));
        self.lan.run_for(left);
        let from = self.lan.now() - PRESENCE_STEADY;
        let spent = &self.lan.spent;
        Score {
            known,
            peak: spent.most_announcements_in_a_second() as f64,
            steady: spent.announced_bytes_between(from, self.lan.now()) as f64
                / PRESENCE_STEADY.as_secs_f64(),
            bytes_per_second: spent.bytes_between(from, self.lan.now()) as f64
                / PRESENCE_STEADY.as_secs_f64(),
            ..Score::default()
        }
    }
}

impl Part {
    fn is_away(&self, who: Who) -> bool {
        self.away.get(who.number()).copied().unwrap_or_default()
    }
}

/// Kinds of datagrams that speak of rooms.
const ROOM_KINDS: std::ops::RangeInclusive<u8> = 16..=255;
const ACQUAINTANCE: Duration = Duration::from_secs(15);
const AFTERWARDS: Duration = Duration::from_secs(30);
const MOST_BETWEEN_CRASHES: Duration = Duration::from_secs(6);
const LONGEST_AWAY: Duration = Duration::from_secs(20);
pub(super) const PRESENCE_WATCHED: Duration = Duration::from_secs(160);
pub(super) const PRESENCE_STEADY: Duration = Duration::from_secs(80);
/// Up to this, order is promised (PROTOCOL.md, "Order shown").
const FOLLOWED_SKEW_MS: i64 = 300_000;
const YEAR_MS: i64 = 365 * 24 * 3_600_000;
/// Right, a little wrong, wrong, hopeless.
const SKEWS_MS: [i64; 9] =
    [0, 1_500, -1_500, 60_000, -240_000, 3_600_000, -3_600_000, 10 * YEAR_MS, -10 * YEAR_MS];

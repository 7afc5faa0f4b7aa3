//! One room as this device holds it: its logs, what to say about them, and who else takes part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::effects::LoadedRoom;
use crate::identity::Verifier;
use crate::log::logs::{Accepted, Logs, may_write};
use crate::log::repair::{Company, Priority, Repair};
use crate::model::{EntryId, Instant, LogId, PeerId, RoomId, Seq};
use crate::pacing::{Dice, earliest};
use crate::wire::datagram::{Heads, RoomPacket};
use crate::wire::entry::{Entry, Unverified};

pub struct Replica {
    room: RoomId,
    own: LogId,
    /// The two of a direct conversation; in open rooms everybody may write.
    only: Option<(PeerId, PeerId)>,
    /// Bytes that sealing adds to a datagram.
    overhead: usize,
    logs: Logs,
    repair: Repair,
    members: BTreeMap<PeerId, Member>,
    /// How many of them are here.
    here: usize,
    pull: Pull,
}

/// Somebody else who was heard in this room.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    here: bool,
    /// How far of this device's log it has signed to hold.
    covered: Seq,
    /// Whether its last digest was this device's.
    in_step: bool,
}

/// Catching up over TCP: at most one at a time for each room.
#[derive(Default)]
struct Pull {
    at: Option<Instant>,
    from: Option<PeerId>,
    running: Option<Running>,
    /// In a row: each lets the next one wait longer.
    failures: u32,
    /// Those who could not help are asked last.
    tried: BTreeSet<PeerId>,
    /// Not before this, whatever anybody says.
    not_before: Instant,
    /// Not before this, for reasons that nobody can explain.
    rested_at: Instant,
}

#[derive(Clone, Copy)]
struct Running {
    from: PeerId,
    /// When it last brought something, or began.
    alive: Instant,
    brought: bool,
}

/// What came of a packet or of entries.
#[derive(Debug, Default)]
pub struct Received {
    /// In the order in which they are to be committed.
    pub appended: Vec<Arc<Entry>>,
    /// The sender has signed to hold this device's log up to here; more than before.
    pub covered: Option<Seq>,
    /// Entries that were not genuine or contradicted their log.
    pub refused: u32,
}

impl Replica {
    pub fn new(
        room: RoomId,
        me: PeerId,
        own: LogId,
        only: Option<(PeerId, PeerId)>,
        overhead: usize,
    ) -> Replica {
        Replica {
            room,
            own,
            only,
            overhead,
            logs: Logs::default(),
            repair: Repair::new(me),
            members: BTreeMap::new(),
            here: 0,
            pull: Pull::default(),
        }
    }

    pub fn verified_by(&mut self, verifier: Verifier) {
        self.logs.verified_by(verifier);
    }

    pub fn load(&mut self, loaded: &LoadedRoom) {
        for log in &loaded.logs {
            self.logs.load(log);
        }
        for entry in &loaded.recent {
            self.repair.remember(entry.clone());
        }
        for (peer, covered) in &loaded.covered {
            self.members.insert(*peer, Member { covered: *covered, ..Member::default() });
        }
    }

    /// Place and predecessor of the next own entry.
    pub fn next_own(&self) -> (Seq, EntryId) {
        (self.logs.head(self.own).next(), self.logs.head_id(self.own))
    }

    /// Adds an entry that this device wrote, and gets it on its way.
    pub fn wrote(&mut self, entry: Entry, now: Instant) -> Vec<Arc<Entry>> {
        let appended = self.logs.append(entry);
        for entry in &appended {
            self.repair.wrote(entry, self.overhead, now);
        }
        appended
    }

    /// A packet that was heard in this room.
    /// `present` senders take part; what others send is only read.
    pub fn packet(
        &mut self,
        sender: PeerId,
        present: bool,
        packet: RoomPacket,
        now: Instant,
        dice: &mut Dice,
    ) -> Received {
        if present {
            self.join(sender);
        }
        let mut received = Received::default();
        match packet {
            RoomPacket::Data { entries, heads } => {
                received = self.entries(&entries, Heard::ByMulticast, now);
                self.logs.learn(&heads);
            }
            RoomPacket::Heads(heads) => received.covered = self.heads(sender, &heads, now, dice),
            RoomPacket::Nack { wanted } => self.repair.nacked(&wanted, &mut self.logs, now, dice),
        }
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Entries that came over TCP.
    pub fn fetched(&mut self, from: PeerId, entries: &[Vec<u8>], now: Instant, dice: &mut Dice) -> Received {
        let received = self.entries(entries, Heard::ByTcp, now);
        if let Some(running) = self.pull.running.as_mut().filter(|running| running.from == from)
            && !received.appended.is_empty()
        {
            running.alive = now;
            running.brought = true;
        }
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Somebody came who may take part: tell what is here, unless others do.
    pub fn somebody_came(&mut self, company: usize, now: Instant, dice: &mut Dice) {
        let spread = (Duration::from_millis(100) * company as u32).min(MAX_GREETING);
        self.repair.want_heads(now + dice.span(MIN_GREETING..MIN_GREETING + spread));
        self.repair.say_again_soon(now + spread, dice);
    }

    pub fn somebody_left(&mut self, peer: PeerId) {
        if let Some(member) = self.members.get_mut(&peer).filter(|member| member.here) {
            member.here = false;
            self.here -= 1;
            if member.covered == Seq(0) {
                self.members.remove(&peer);
            }
        }
    }

    /// `strangers`: how many devices are here that may take part, heard in this room or not.
    pub fn timer(&mut self, strangers: usize, now: Instant, dice: &mut Dice) {
        let company = match (self.here, strangers) {
            (0, 0) => Company::Nobody,
            (0, _) => Company::Strangers,
            _ => Company::Members(self.group()),
        };
        if self.repair.is_reminding(now) && self.everybody_covers() {
            self.repair.covered();
        }
        self.repair.timer(company, now, dice);
        if let Some(running) = self.pull.running.filter(|running| now.since(running.alive) >= PULL_STALLED) {
            self.pull_ended(running.from, false, now, dice);
        }
        let idle = self.pull.running.is_none() && self.pull.at.is_none();
        if idle && self.repair.wants_pull(&self.logs, now) {
            self.pull.at = Some(self.pull.not_before.max(now + dice.span(Duration::ZERO..PULL_SPREAD)));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let pull = match (self.pull.running, self.pull.at) {
            (Some(running), _) => Some(running.alive + PULL_STALLED),
            (None, Some(at)) => Some(at),
            (None, None) => self.repair.pull_deadline(),
        };
        earliest(self.repair.deadline(), pull)
    }

    pub fn next_packet_at(&self) -> Option<Instant> {
        self.repair.next_packet_at()
    }

    /// Builds the packet of this priority, if one is due.
    pub fn next_packet(&mut self, priority: Priority, now: Instant, dice: &mut Dice) -> Option<RoomPacket> {
        let group = self.group();
        self.repair.packet(priority, &mut self.logs, self.overhead, group, now, dice)
    }

    /// From whom to catch up now, best first; empty if there is no reason to.
    pub fn pull_candidates(&self, now: Instant) -> Vec<PeerId> {
        if self.pull.running.is_some() || self.pull.at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let here = |in_step: bool| {
            self.members
                .iter()
                .filter(move |(_, member)| member.here && member.in_step == in_step)
                .map(|(peer, _)| *peer)
        };
        let mut candidates: Vec<PeerId> =
            self.pull.from.into_iter().chain(here(false)).chain(here(true)).collect();
        candidates.sort_by_key(|peer| self.pull.tried.contains(peer));
        candidates
    }

    /// Whether there is a reason to catch up, and nobody to ask.
    pub fn is_pull_overdue(&self, now: Instant) -> bool {
        self.pull.running.is_none() && self.pull.at.is_some_and(|at| at <= now)
    }

    pub fn pull_started(&mut self, from: PeerId, now: Instant) {
        self.pull.running = Some(Running { from, alive: now, brought: false });
        self.pull.at = None;
        self.pull.from = None;
    }

    /// Nobody could be asked: try again later.
    pub fn pull_postponed(&mut self, now: Instant) {
        self.pull.failures = (self.pull.failures + 1).min(MAX_PULL_FAILURES);
        self.pull.not_before = now + PULL_RETRY * 2u32.pow(self.pull.failures);
        self.pull.at = Some(self.pull.not_before);
    }

    /// Catching up with `from` came to its end, or to none.
    pub fn pull_ended(&mut self, from: PeerId, success: bool, now: Instant, dice: &mut Dice) {
        let Some(running) = self.pull.running.filter(|running| running.from == from) else { return };
        self.pull.running = None;
        if running.brought {
            self.pull.failures = 0;
            self.pull.tried.clear();
        } else {
            self.pull.tried.insert(from);
        }
        if success {
            if !running.brought {
                self.pull.failures = (self.pull.failures + 1).min(MAX_PULL_FAILURES);
            }
            self.pull.not_before = now + PULL_RETRY * 2u32.pow(self.pull.failures);
            // Whatever it did not have is asked for again when somebody speaks of it again.
            self.logs.forget_claims();
            self.repair.begin_anew();
            let group = self.group();
            self.repair.check_gaps(&self.logs, group, now, dice);
            self.repair.want_heads(now);
        } else {
            self.pull_postponed(now);
        }
    }

    /// Everything that is here, for a `Have`.
    pub fn have(&self) -> Vec<(LogId, Seq)> {
        self.logs.all_heads().collect()
    }

    /// What is here beyond what somebody else has.
    pub fn beyond(&self, theirs: &[(LogId, Seq)]) -> Vec<(LogId, std::ops::RangeInclusive<u64>)> {
        let theirs: BTreeMap<LogId, Seq> = theirs.iter().copied().collect();
        let ahead = self.logs.all_heads().filter_map(|(log, head)| {
            let from = theirs.get(&log).copied().unwrap_or_default().next();
            (from <= head).then_some((log, from.0..=head.0))
        });
        ahead.collect()
    }

    /// Whether somebody has what is not here.
    pub fn is_behind(&self, theirs: &[(LogId, Seq)]) -> bool {
        theirs.iter().any(|(log, seq)| *seq > self.logs.head(*log))
    }

    /// What somebody has said over TCP to hold of this device's log, if it is more than before.
    pub fn covered_by(&mut self, peer: PeerId, present: bool, theirs: &[(LogId, Seq)]) -> Option<Seq> {
        if present {
            self.join(peer);
        }
        let covered = theirs.iter().find(|(log, _)| *log == self.own).map(|(_, seq)| *seq)?;
        self.cover(peer, covered)
    }

    /// Devices other than this one that were heard in the room or hold entries of it.
    pub fn members(&self) -> impl Iterator<Item = PeerId> {
        self.members.keys().copied()
    }

    /// Devices that have signed to hold this device's log up to `seq`.
    pub fn holders(&self, seq: Seq) -> impl Iterator<Item = PeerId> {
        self.members.iter().filter(move |(_, member)| member.covered >= seq).map(|(peer, _)| *peer)
    }

    pub fn own_log(&self) -> LogId {
        self.own
    }

    fn entries(&mut self, entries: &[Vec<u8>], heard: Heard, now: Instant) -> Received {
        let mut received = Received::default();
        for bytes in entries {
            let Ok(entry) = Unverified::decode_in_room(self.room, bytes) else {
                received.refused += 1;
                continue;
            };
            let (log, seq, id) = (entry.log(), entry.header().seq, entry.id());
            if !may_write(entry.header().author, self.only) {
                received.refused += 1;
                continue;
            }
            match self.logs.accept(entry) {
                Accepted::Known => {}
                Accepted::Held => continue,
                Accepted::Appended(appended) => {
                    self.repair.appended(&appended);
                    received.appended.extend(appended);
                }
                Accepted::Refused | Accepted::Forged => {
                    received.refused += 1;
                    continue;
                }
            }
            if heard == Heard::ByMulticast {
                self.repair.heard(log, seq, id, now);
            }
        }
        received
    }

    fn heads(&mut self, sender: PeerId, said: &Heads, now: Instant, dice: &mut Dice) -> Option<Seq> {
        let in_step = said.digest == self.logs.digest();
        if let Some(member) = self.members.get_mut(&sender) {
            member.in_step = in_step;
        }
        let own_head = self.logs.head(self.own);
        if in_step {
            self.repair.heads_said();
            return self.cover(sender, own_head);
        }
        let behind = self.logs.learn(&said.heads);
        let ahead =
            said.heads.iter().any(|(log, seq)| self.logs.head(*log) > *seq) || self.logs.count() > said.logs;
        if ahead {
            let group = self.group() as f64;
            self.repair.want_heads(now + dice.back_off(ANSWER_BACK_OFF, group));
        }
        let unexplained = !behind && !ahead && now >= self.pull.rested_at;
        if said.fetch || unexplained || (!behind && said.logs > self.logs.count()) {
            self.pull.rested_at = now + UNEXPLAINED_REST;
            self.pull.from = Some(sender);
            let spread = PULL_SPREAD.mul_f64((self.group() as f64 / 20.0).min(1.0));
            let at = self.pull.not_before.max(now + dice.span(Duration::ZERO..spread));
            self.pull.at = earliest(self.pull.at, Some(at));
        } else if behind {
            self.pull.from = Some(sender);
        }
        let covered = said.heads.iter().find(|(log, _)| *log == self.own).map(|(_, seq)| *seq)?;
        self.cover(sender, covered.min(own_head))
    }

    fn cover(&mut self, peer: PeerId, seq: Seq) -> Option<Seq> {
        let seq = seq.min(self.logs.head(self.own));
        let member = self.members.get_mut(&peer)?;
        (seq > member.covered).then(|| {
            member.covered = seq;
            seq
        })
    }

    fn everybody_covers(&self) -> bool {
        let head = self.logs.head(self.own);
        self.here > 0 && self.members.values().all(|member| !member.here || member.covered >= head)
    }

    /// Devices in the room right now, this one included.
    fn group(&self) -> usize {
        1 + self.here
    }

    fn join(&mut self, peer: PeerId) {
        if self.members.len() < MAX_MEMBERS || self.members.contains_key(&peer) {
            let member = self.members.entry(peer).or_default();
            self.here += usize::from(!member.here);
            member.here = true;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    ByMulticast,
    ByTcp,
}

/// A newcomer is told what is here after this and up to a tenth of a second for each device,
const MIN_GREETING: Duration = Duration::from_millis(50);
/// at the most so long after.
const MAX_GREETING: Duration = Duration::from_secs(5);
const ANSWER_BACK_OFF: Duration = Duration::from_millis(200);
/// Pulls of a whole room do not all start at once.
const PULL_SPREAD: Duration = Duration::from_millis(500);
const PULL_RETRY: Duration = Duration::from_millis(500);
const MAX_PULL_FAILURES: u32 = 6;
/// A partner that brings nothing new for so long is given up.
const PULL_STALLED: Duration = Duration::from_secs(20);
/// Devices remembered of one room.
const MAX_MEMBERS: usize = 4096;
/// Digests that differ although nobody is ahead (a forked log) are not looked into more often than this.
const UNEXPLAINED_REST: Duration = Duration::from_secs(30);

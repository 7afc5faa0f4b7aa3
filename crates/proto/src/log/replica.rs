//! One room as this device holds it: its logs, what to say about them, and who else takes part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::effects::LoadedRoom;
use crate::log::logs::{Accepted, Logs, may_write};
use crate::log::repair::{Priority, Repair};
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
    running: Option<PeerId>,
    failures: u32,
    /// Not before this, for reasons that nobody can explain.
    rested_at: Instant,
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
            pull: Pull::default(),
        }
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
    pub fn packet(&mut self, sender: PeerId, packet: RoomPacket, now: Instant, dice: &mut Dice) -> Received {
        self.members.entry(sender).or_default().here = true;
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
        self.repair.set_company(group, now, dice);
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Entries that came over TCP.
    pub fn fetched(&mut self, entries: &[Vec<u8>], now: Instant, dice: &mut Dice) -> Received {
        let received = self.entries(entries, Heard::ByTcp, now);
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Somebody came who may take part: tell what is here, unless others do.
    pub fn somebody_came(&mut self, company: usize, now: Instant, dice: &mut Dice) {
        let spread = (Duration::from_millis(100) * company as u32).min(MAX_GREETING);
        self.repair.want_heads(now + dice.span(MIN_GREETING..MIN_GREETING + spread));
        self.set_company(company, now, dice);
    }

    pub fn somebody_left(&mut self, peer: PeerId, company: usize, now: Instant, dice: &mut Dice) {
        if let Some(member) = self.members.get_mut(&peer) {
            member.here = false;
        }
        self.set_company(company, now, dice);
    }

    /// `company` counts the devices on the network that may take part, heard in the room or not.
    fn set_company(&mut self, company: usize, now: Instant, dice: &mut Dice) {
        let hears = company > 0 || self.group() > 1;
        self.repair.set_company(if hears { self.group() } else { 0 }, now, dice);
    }

    pub fn timer(&mut self, now: Instant, dice: &mut Dice) {
        let group = self.group();
        if self.everybody_covers() {
            self.repair.covered();
        }
        self.repair.timer(group, now, dice);
        let idle = self.pull.running.is_none() && self.pull.at.is_none();
        if idle && self.repair.wants_pull(&self.logs, now) {
            self.pull.at = Some(now + dice.span(Duration::ZERO..PULL_SPREAD));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let pull = match (self.pull.running, self.pull.at) {
            (Some(_), _) => None,
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
        self.pull.from.into_iter().chain(here(false)).chain(here(true)).collect()
    }

    /// Whether there is a reason to catch up, and nobody to ask.
    pub fn is_pull_overdue(&self, now: Instant) -> bool {
        self.pull.running.is_none() && self.pull.at.is_some_and(|at| at <= now)
    }

    pub fn pull_started(&mut self, from: PeerId) {
        self.pull.running = Some(from);
        self.pull.at = None;
        self.pull.from = None;
    }

    /// Nobody could be asked: try again later.
    pub fn pull_postponed(&mut self, now: Instant) {
        self.pull.failures = (self.pull.failures + 1).min(6);
        self.pull.at = Some(now + PULL_RETRY * 2u32.pow(self.pull.failures));
    }

    /// Catching up with `from` came to its end, or to none.
    pub fn pull_ended(&mut self, from: PeerId, success: bool, now: Instant, dice: &mut Dice) {
        if self.pull.running != Some(from) {
            return;
        }
        self.pull.running = None;
        if !success {
            return self.pull_postponed(now);
        }
        // Whatever it did not have is asked for again when somebody speaks of it again.
        self.logs.forget_claims();
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        self.repair.want_heads(now);
        if self.logs.is_missing() {
            // What waits beyond a gap shows that there is more, but whoever was asked misses it too.
            self.pull_postponed(now);
        } else {
            self.pull.failures = 0;
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
    pub fn covered_by(&mut self, peer: PeerId, theirs: &[(LogId, Seq)]) -> Option<Seq> {
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
            let (log, seq) = (entry.log(), entry.header().seq);
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
                self.repair.heard(log, seq, now);
            }
        }
        received
    }

    fn heads(&mut self, sender: PeerId, said: &Heads, now: Instant, dice: &mut Dice) -> Option<Seq> {
        let in_step = said.digest == self.logs.digest();
        self.members.entry(sender).or_default().in_step = in_step;
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
            self.pull.at = earliest(self.pull.at, Some(now + dice.span(Duration::ZERO..spread)));
        } else if behind {
            self.pull.from = Some(sender);
        }
        let covered = said.heads.iter().find(|(log, _)| *log == self.own).map(|(_, seq)| *seq)?;
        self.cover(sender, covered.min(own_head))
    }

    fn cover(&mut self, peer: PeerId, seq: Seq) -> Option<Seq> {
        let seq = seq.min(self.logs.head(self.own));
        let member = self.members.entry(peer).or_default();
        (seq > member.covered).then(|| {
            member.covered = seq;
            seq
        })
    }

    fn everybody_covers(&self) -> bool {
        let head = self.logs.head(self.own);
        let mut here = self.members.values().filter(|member| member.here).peekable();
        here.peek().is_some() && here.all(|member| member.covered >= head)
    }

    /// Devices in the room right now, this one included.
    fn group(&self) -> usize {
        1 + self.members.values().filter(|member| member.here).count()
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
/// Digests that differ although nobody is ahead (a forked log) are not looked into more often than this.
const UNEXPLAINED_REST: Duration = Duration::from_secs(30);

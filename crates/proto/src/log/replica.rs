//! One room as this device holds it: its logs, what to say about them, and who else takes part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::effects::{Fork, LoadedRoom, Place};
use crate::identity::Verifier;
use crate::log::logs::{Accepted, Contradicting, Holes, Logs, Run, may_write};
use crate::log::pull::Pull;
use crate::log::repair::{Company, Priority, Repair};
use crate::model::{EntryId, Instant, LogId, PeerId, RoomId, Seq, Span};
use crate::pacing::{Conditions, Dice, earliest};
use crate::wire::codec::DecodeError;
use crate::wire::compact;
use crate::wire::datagram::{Head, Heads, RoomPacket};
use crate::wire::entry::{Entry, Unverified};

pub struct Replica {
    pub(super) room: RoomId,
    own: LogId,
    /// The two of a direct conversation; in open rooms everybody may write.
    only: Option<(PeerId, PeerId)>,
    /// Those who may write in a private room; elsewhere nobody is named.
    named: Option<BTreeSet<PeerId>>,
    pub(super) logs: Logs,
    pub(super) repair: Repair,
    pub(super) members: BTreeMap<PeerId, Member>,
    /// How many of them are here.
    here: usize,
    pub(super) pull: Pull,
    insists: bool,
}

/// Somebody else who was heard in this room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Member {
    pub(super) here: bool,
    /// What of this device's log it has signed to hold.
    covered: Span,
    /// Whether its last digest was this device's.
    pub(super) in_step: bool,
    /// Whether it last spoke of something that is not here.
    pub(super) ahead: bool,
    /// Whether it holds less than everything up to its heads.
    pub(super) partial: bool,
}

/// What came of a packet or of entries.
#[derive(Debug, Default)]
pub struct Received {
    /// In the order in which they are to be committed.
    pub runs: Vec<Heard>,
    /// The sender has signed to hold this of this device's log; more than before.
    pub covered: Option<Span>,
    /// Entries that were not genuine or contradicted their log.
    pub refused: u32,
    /// Entries of authors that are not known to have been let in.
    pub strange: Vec<Unverified>,
    /// Genuine ones among them, which cannot be in one log with what is here.
    pub contradicting: Vec<Contradicting>,
}

/// Consecutive entries that are new here.
#[derive(Debug)]
pub struct Heard {
    pub run: Run,
    /// Whether people are to be told of each, or only that there is more history.
    pub news: bool,
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
            named: None,
            logs: Logs::default(),
            repair: Repair::new(me, overhead),
            members: BTreeMap::new(),
            here: 0,
            pull: Pull::default(),
            insists: false,
        }
    }

    /// From now on only those may write who are named: in private rooms.
    pub fn admit_only_named(&mut self) {
        self.named.get_or_insert_default();
    }

    /// Names somebody who may write.
    pub fn name(&mut self, author: PeerId) {
        if let Some(named) = &mut self.named {
            named.insert(author);
        }
    }

    pub fn names(&self, author: PeerId) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(&author))
    }

    /// Entries that had waited for their author to be named.
    pub fn waited(&mut self, entries: Vec<Unverified>, now: Instant, dice: &mut Dice) -> Received {
        let received = self.entries(entries.into_iter().map(Ok).collect(), Way::Multicast, now);
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    pub fn verified_by(&mut self, verifier: Verifier) {
        self.logs.verified_by(verifier);
    }

    pub fn load(&mut self, loaded: &LoadedRoom) {
        for log in &loaded.logs {
            self.logs.load(log);
        }
        for fork in &loaded.forked {
            self.logs.fork(*fork);
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
            self.repair.wrote(entry, now);
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
                let entries = compact::unpack(self.room, sender, &entries);
                received = self.entries(entries, Way::Multicast, now);
                self.logs.learn(&heads);
            }
            RoomPacket::Heads(heads) => received.covered = self.heads(sender, &heads, now, dice),
            RoomPacket::Nack { wanted, pieces } => {
                let group = self.group();
                self.repair.nacked(&wanted, &pieces, &self.logs, group, now, dice);
            }
            RoomPacket::Fragment(piece) => {
                self.logs.learn(&[(piece.log, piece.seq)]);
                if let Some(whole) = self.repair.piece(sender, piece, &self.logs, now) {
                    let read = vec![Unverified::decode_in_room(self.room, &whole)];
                    received = self.entries(read, Way::Multicast, now);
                }
            }
            // The node hears it.
            RoomPacket::Typing => {}
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
            if member.covered.is_empty() {
                self.members.remove(&peer);
            }
            self.pull.exhausted.remove(&peer);
        }
    }

    /// `strangers`: how many devices are here that may take part, heard in this room or not.
    pub fn timer(&mut self, strangers: usize, air: Conditions, now: Instant, dice: &mut Dice) {
        let company = match (self.here, strangers) {
            (0, 0) => Company::Nobody,
            (0, _) => Company::Strangers,
            _ => Company::Members(self.group()),
        };
        if self.repair.is_reminding(now) && self.everybody_covers() {
            self.repair.covered();
        }
        self.repair.timer(company, air, now, dice);
        let stalled = self.pull.running.as_ref().filter(|running| now.since(running.alive) >= PULL_STALLED);
        if let Some(from) = stalled.map(|running| running.from) {
            self.pull_ended(from, false, now, dice);
        }
        let idle = self.pull.running.is_none() && self.pull.at.is_none();
        let news = self.repair.wants_pull(&self.logs, now);
        if idle && (news || (self.here > 0 && self.logs.has_holes() && !self.pull.resting)) {
            self.pull.news = news;
            self.pull.at = Some(self.pull.not_before.max(now + dice.span(Duration::ZERO..PULL_SPREAD)));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let pull = match (&self.pull.running, self.pull.at) {
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
    pub fn next_packet(
        &mut self,
        priority: Priority,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<RoomPacket> {
        let group = self.group();
        self.repair.packet(priority, &mut self.logs, group, air, now, dice)
    }

    /// What is here of the logs that changed since the activity was this, for a `Have`; of all of them since 0.
    pub fn have_since(&self, activity: u64) -> Vec<Head> {
        self.logs.heads_since(activity).collect()
    }

    /// A count that grows with every change of the logs.
    pub fn activity(&self) -> u64 {
        self.logs.activity()
    }

    pub fn digest(&mut self) -> [u8; 16] {
        self.logs.digest()
    }

    /// Whether a difference that nobody explains may be looked into now; if so, not again for a while.
    pub fn may_wonder(&mut self, now: Instant) -> bool {
        let may = now >= self.pull.rested_at;
        if may {
            self.pull.rested_at = now + UNEXPLAINED_REST;
        }
        may
    }

    /// Whether somebody has what is not here.
    pub fn is_behind(&self, theirs: &[Head]) -> bool {
        theirs.iter().any(|head| !self.logs.lacking(head).is_empty())
    }

    /// Whether this device holds less of some log than from its first entry to its head.
    pub fn is_partial(&self) -> bool {
        self.logs.is_partial()
    }

    /// What is here of a log up to this place was given up.
    pub fn forget(&mut self, log: LogId, to: Seq, to_id: EntryId) {
        self.logs.forget(log, to, to_id);
    }

    /// What somebody has said over TCP to hold of this device's log, if it is more than before.
    pub fn covered_by(&mut self, peer: PeerId, present: bool, theirs: &[Head]) -> Option<Span> {
        if present {
            self.join(peer);
        }
        let theirs = theirs.iter().find(|head| head.log == self.own)?;
        // Another entry of the same name is none of this device's.
        if self.logs.differs(theirs) { None } else { self.cover(peer, theirs.span()) }
    }

    /// What somebody has signed to hold of this device's log, passed on by others, if it is more than before.
    pub fn covered_by_receipt(&mut self, peer: PeerId, held: Span) -> Option<Span> {
        if self.members.len() < MAX_MEMBERS {
            self.members.entry(peer).or_default();
        }
        self.cover(peer, held)
    }

    /// What of this device's log a device has not said to hold.
    pub fn uncovered(&self, peer: PeerId) -> Span {
        let after = self.members.get(&peer).map_or(Seq(0), |member| member.covered.to);
        Span { after, to: self.logs.head(self.own) }
    }

    /// What of these places of a log is not here and wanted, the lowest first.
    pub fn lacking(&self, log: LogId, span: Span) -> Vec<Span> {
        self.logs.lacking(&Head { log, seq: span.to, base: span.after, check: None })
    }

    /// Whether all of these places of a log are here.
    pub fn holds(&self, log: LogId, span: Span) -> bool {
        self.logs.holds(log, span)
    }

    /// How far logs are here, those of one author before others, the most recently active ones first.
    pub fn heads_for_removal(&self, author: PeerId, most: usize) -> Vec<(LogId, Seq)> {
        let mut heads: Vec<(LogId, Seq)> = self.logs.heads_of(author).collect();
        let others =
            self.logs.heads(most).into_iter().filter(|(log, _)| heads.iter().all(|(own, _)| own != log));
        let others: Vec<_> = others.collect();
        heads.extend(others);
        heads.truncate(most);
        heads
    }

    /// Devices other than this one that were heard in the room or hold entries of it.
    pub fn members(&self) -> impl Iterator<Item = PeerId> {
        self.members.keys().copied()
    }

    /// Devices that have signed to hold the entry of this device's log at `seq`.
    pub fn holders(&self, seq: Seq) -> impl Iterator<Item = PeerId> {
        self.members.iter().filter(move |(_, member)| member.covered.contains(seq)).map(|(peer, _)| *peer)
    }

    pub fn own_log(&self) -> LogId {
        self.own
    }

    pub(super) fn entries(
        &mut self,
        entries: Vec<Result<Unverified, DecodeError>>,
        way: Way,
        now: Instant,
    ) -> Received {
        let mut received = Received::default();
        for run in self.runs(entries, &mut received.refused, &mut received.strange) {
            let Some(last) = run.last() else { continue };
            let (log, seq, id, count) = (last.log(), last.header().seq, last.id(), run.len() as u32);
            let plan = match way {
                Way::Tcp(from) => self.pull.running_from(from).and_then(|running| running.plan.as_ref()),
                Way::Multicast | Way::Mail => None,
            };
            // Whoever kept something has only the end of a log. One hole is all that comes of it.
            let kept = way == Way::Mail && !self.logs.is_holed(log);
            let planned = plan.is_some_and(|plan| plan.covers(log));
            let holes = if kept || planned { Holes::Allowed } else { Holes::Not };
            match self.logs.accept(run, holes) {
                Accepted::Known => {}
                Accepted::Held => continue,
                Accepted::Added(run) => {
                    let first = run.entries.first().map_or(Seq(0), |first| first.header.seq);
                    let news = run.place != Place::Below || plan.is_some_and(|plan| plan.is_news(log, first));
                    if run.place != Place::Below {
                        self.repair.appended(&run.entries);
                        for entry in &run.entries {
                            // What it speaks about exists: whoever lacks it may ask for it.
                            self.logs.learn(&entry.header.deps);
                        }
                    }
                    received.runs.push(Heard { run, news });
                }
                Accepted::Refused | Accepted::Forged => {
                    received.refused += count;
                    continue;
                }
            }
            if way == Way::Multicast {
                self.repair.heard(log, seq, id, now);
            }
        }
        received.contradicting = self.logs.take_contradictions();
        received
    }

    /// It is proven that a log contradicts itself. Whether that is news.
    pub fn fork(&mut self, fork: Fork) -> bool {
        self.logs.fork(fork)
    }

    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.logs.forks()
    }

    /// Whether others may have another entry in the place of this one.
    pub fn is_disputed(&self, entry: &Entry) -> bool {
        self.logs.is_disputed(entry.log(), entry.header.seq)
    }

    pub fn is_forked(&self, log: LogId) -> bool {
        self.logs.is_forked(log)
    }

    /// The id of the newest entry of a log, zeros if there is none.
    pub fn head_id(&self, log: LogId) -> EntryId {
        self.logs.head_id(log)
    }

    /// From now on this device writes into another log.
    pub fn begin_log(&mut self, own: LogId) {
        self.own = own;
        for member in self.members.values_mut() {
            member.covered = Span::default();
        }
    }

    /// Another device speaks under this one's name, and others may hear only one of the two: whoever lacks something is
    /// to be told over TCP.
    pub fn insist(&mut self) {
        self.insists = true;
    }

    /// Well-formed entries of those who may write here, those that follow each other together.
    fn runs(
        &self,
        entries: Vec<Result<Unverified, DecodeError>>,
        refused: &mut u32,
        strange: &mut Vec<Unverified>,
    ) -> Vec<Vec<Unverified>> {
        let mut runs: Vec<Vec<Unverified>> = Vec::new();
        for entry in entries {
            let Some(entry) = entry.ok().filter(|entry| may_write(entry.header().author, self.only)) else {
                *refused += 1;
                continue;
            };
            if !self.names(entry.header().author) {
                strange.push(entry);
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| last.precedes(&entry)) => run.push(entry),
                _ => runs.push(vec![entry]),
            }
        }
        runs
    }

    fn heads(&mut self, sender: PeerId, said: &Heads, now: Instant, dice: &mut Dice) -> Option<Span> {
        let in_step = said.digest == self.logs.digest();
        let listed: Vec<(LogId, Seq)> = said.heads.iter().map(|head| (head.log, head.seq)).collect();
        let own = said.heads.iter().find(|head| head.log == self.own).map(Head::span);
        let filled = self.members.get(&sender).is_some_and(|member| member.partial && !said.partial);
        if let Some(member) = self.members.get_mut(&sender) {
            (member.in_step, member.partial) = (in_step, said.partial);
        }
        if filled {
            self.pull.hope(sender);
        }
        let own_head = self.logs.head(self.own);
        if in_step {
            self.repair.heads_said();
            // Whoever has holes holds only what it says.
            let all = Span { after: Seq(0), to: own_head };
            return self.cover(sender, if said.partial { own? } else { all });
        }
        let behind = self.logs.learn(&listed);
        let ahead =
            listed.iter().any(|(log, seq)| self.logs.head(*log) > *seq) || self.logs.count() > said.logs;
        if ahead {
            let group = self.group() as f64;
            self.repair.want_heads(now + dice.back_off(ANSWER_BACK_OFF, group));
        } else {
            // Whoever says more says all that this device would.
            self.repair.heads_said();
        }
        let more = !behind && said.logs > self.logs.count();
        if let Some(member) = self.members.get_mut(&sender) {
            member.ahead = behind || more || said.fetch;
        }
        let unexplained = !behind && (!ahead || self.insists) && now >= self.pull.rested_at;
        if said.fetch || unexplained || more {
            self.pull.rested_at = now + UNEXPLAINED_REST;
            (self.pull.from, self.pull.news) = (Some(sender), true);
            let spread = PULL_SPREAD.mul_f64((self.group() as f64 / 20.0).min(1.0));
            let at = self.pull.not_before.max(now + dice.span(Duration::ZERO..spread));
            self.pull.at = earliest(self.pull.at, Some(at));
        } else if behind {
            self.pull.from = Some(sender);
        }
        self.cover(sender, own?)
    }

    fn cover(&mut self, peer: PeerId, said: Span) -> Option<Span> {
        let said = Span { to: said.to.min(self.logs.head(self.own)), ..said };
        let member = self.members.get_mut(&peer)?;
        let covered = member.covered.joined(said);
        (covered != member.covered).then(|| {
            member.covered = covered;
            covered
        })
    }

    fn everybody_covers(&self) -> bool {
        let head = self.logs.head(self.own);
        self.here > 0 && self.members.values().all(|member| !member.here || member.covered.to >= head)
    }

    /// Devices in the room right now, this one included.
    pub(super) fn group(&self) -> usize {
        1 + self.here
    }

    fn join(&mut self, peer: PeerId) {
        if self.members.len() < MAX_MEMBERS || self.members.contains_key(&peer) {
            let member = self.members.entry(peer).or_default();
            let came = !member.here;
            member.here = true;
            if came {
                self.here += 1;
                self.pull.hope(peer);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Multicast,
    Tcp(PeerId),
    /// Others kept it for this device, which asked them for it.
    Mail,
}

/// A newcomer is told what is here after this and up to a tenth of a second for each device,
const MIN_GREETING: Duration = Duration::from_millis(50);
/// at the most so long after.
const MAX_GREETING: Duration = Duration::from_secs(5);
const ANSWER_BACK_OFF: Duration = Duration::from_millis(200);
/// Pulls of a whole room do not all start at once.
pub(super) const PULL_SPREAD: Duration = Duration::from_millis(500);
/// A partner that brings nothing new for so long is given up.
const PULL_STALLED: Duration = Duration::from_secs(20);
/// Devices remembered of one room.
const MAX_MEMBERS: usize = 4096;
/// Digests that differ although nobody is ahead (a forked log) are not looked into more often than this.
const UNEXPLAINED_REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_crowd_so_many_are_counted_and_no_more() {
        let me = PeerId([1; 32]);
        let mut replica = Replica::new(RoomId([2; 32]), me, LogId([3; 8]), None, 0);
        let mut dice = Dice::seeded([1; 32]);
        let peer = |n: usize| {
            let mut id = [9; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            PeerId(id)
        };
        for n in 0..MAX_MEMBERS + 5 {
            replica.packet(peer(n), true, RoomPacket::Typing, Instant(1_000_000), &mut dice);
        }
        assert_eq!((replica.members().count(), replica.here), (MAX_MEMBERS, MAX_MEMBERS));
        replica.somebody_left(peer(0));
        replica.packet(peer(MAX_MEMBERS), true, RoomPacket::Typing, Instant(1_000_000), &mut dice);
        assert_eq!((replica.members().count(), replica.here), (MAX_MEMBERS, MAX_MEMBERS));
        assert!(replica.members().any(|member| member == peer(MAX_MEMBERS)));
    }
}

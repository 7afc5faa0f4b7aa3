//! One room as this device holds it: its logs, what to say about them, and who else takes part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::effects::{Fork, LoadedLog, LoadedRoom, Place};
use crate::identity::Verifier;
use crate::log::company::Company;
use crate::log::coverage::Covered;
use crate::log::logs::{Accepted, Contradicting, Holes, Logs, Run, may_write};
use crate::log::pull::Pull;
use crate::log::receipts::Receipts;
use crate::log::repair::Repair;
use crate::model::{EntryId, Instant, LogId, PeerId, RoomId, Seq, Span};
use crate::pacing::{Conditions, Dice, earliest};
use crate::wire::codec::DecodeError;
use crate::wire::compact;
use crate::wire::datagram::{Head, Heads, RoomPacket};
use crate::wire::entry::{Entry, Unverified};

pub struct Replica {
    pub(super) room: RoomId,
    pub(super) me: PeerId,
    own: LogId,
    /// The two of a direct conversation; in open rooms everybody may write.
    only: Option<(PeerId, PeerId)>,
    /// Those who may write in a private room; elsewhere nobody is named.
    named: Option<BTreeSet<PeerId>>,
    pub(super) logs: Logs,
    pub(super) repair: Repair,
    pub(super) members: BTreeMap<PeerId, Member>,
    /// How many of them are here.
    pub(super) here: usize,
    pub(super) pull: Pull,
    pub(super) receipts: Receipts,
    insists: bool,
    /// Not before this are those looked for whose logs go last.
    esteem_at: Instant,
}

/// Somebody else who was heard in this room.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) here: bool,
    /// What of this device's logs it has signed to hold.
    pub(super) covered: Covered,
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
    /// The sender has signed to hold this of this device's logs; more than before.
    pub covered: Vec<(LogId, Span)>,
    /// Entries that were not genuine or contradicted their log.
    pub refused: u32,
    /// Genuine ones for which there was no room.
    pub unplaced: u32,
    /// Entries of authors that are not known to have been let in.
    pub strange: Vec<Unverified>,
    /// Genuine ones among them, which cannot be in one log with what is here.
    pub contradicting: Vec<Contradicting>,
    /// Somebody asked for this, which has to be read from the store first.
    pub absent: Vec<(LogId, Span)>,
}

impl Received {
    /// Whether nothing of it was genuine.
    pub fn is_forged(&self) -> bool {
        let genuine = !self.runs.is_empty()
            || !self.strange.is_empty()
            || !self.contradicting.is_empty()
            || self.unplaced > 0;
        self.refused > 0 && !genuine
    }
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
        let mut logs = Logs::default();
        logs.is_written_here(own);
        Replica {
            room,
            me,
            own,
            only,
            named: None,
            logs,
            repair: Repair::new(me, overhead),
            members: BTreeMap::new(),
            here: 0,
            pull: Pull::default(),
            receipts: Receipts::default(),
            insists: false,
            esteem_at: Instant::default(),
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
        // The most recently active last.
        let mut logs: Vec<&LoadedLog> = loaded.logs.iter().collect();
        logs.sort_by_key(|log| log.newest);
        for log in logs {
            self.logs.load(log);
        }
        for fork in &loaded.forked {
            self.logs.fork(*fork);
        }
        for entry in &loaded.recent {
            self.repair.remember(entry.clone());
        }
        for (peer, log, covered) in &loaded.covered {
            self.members.entry(*peer).or_default().covered.insert(*log, *covered);
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
        self.receipts.wrote();
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
                if present {
                    self.logs.learn(sender, &heads);
                }
            }
            // What a stranger claims is no reason to do anything.
            RoomPacket::Heads(_) if !present => {}
            RoomPacket::Heads(heads) => received.covered = self.heads(sender, &heads, now, dice),
            RoomPacket::Nack { wanted, pieces } => {
                let group = self.group();
                self.repair.nacked(&wanted, &pieces, &self.logs, group, now, dice);
                received.absent = self.repair.absent.take(now);
            }
            RoomPacket::Fragment(piece) => {
                if present {
                    self.logs.learn(sender, &[(piece.log, piece.seq)]);
                }
                if let Some(whole) = self.repair.piece(sender, piece, &self.logs, now) {
                    let read = vec![Unverified::decode_in_room(self.room, &whole)];
                    received = self.entries(read, Way::Multicast, now);
                }
            }
            // The node hears it.
            RoomPacket::Typing | RoomPacket::Call(_) => {}
        }
        let group = self.group();
        let newest = received.runs.iter().rfind(|heard| heard.news);
        if let Some(last) = newest.and_then(|heard| heard.run.entries.last()) {
            self.receipts.came(last.header.author, group, now, dice);
        }
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Entries that others asked for were read from the store.
    pub fn retrieved(&mut self, entries: Vec<Arc<Entry>>, now: Instant, dice: &mut Dice) {
        let group = self.group();
        self.repair.retrieved(entries, group, now, dice);
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
    /// `others_wait`: other rooms cannot catch up because so many do.
    pub fn timer(
        &mut self,
        strangers: usize,
        others_wait: bool,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) {
        let company = match (self.here, strangers) {
            (0, 0) => Company::Nobody,
            (0, _) => Company::Strangers,
            _ => Company::Members(self.group()),
        };
        if self.repair.is_reminding(now) && self.everybody_covers() {
            self.repair.covered();
        }
        self.repair.timer(company, air, now, dice);
        self.end_slow_pull(others_wait, now, dice);
        let idle = self.pull.running.is_none() && self.pull.at.is_none();
        let news = self.repair.wants_pull(&self.logs, now);
        if idle && (news || (self.here > 0 && self.logs.has_holes() && !self.pull.resting)) {
            self.pull.news = news;
            self.pull.at = Some(self.pull.not_before.max(now + dice.span(Duration::ZERO..PULL_SPREAD)));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let pull = match (&self.pull.running, self.pull.at) {
            (Some(running), _) => Some(running.looked_at()),
            (None, Some(at)) => Some(at),
            (None, None) => self.repair.pull_deadline(),
        };
        earliest(earliest(self.repair.deadline(), self.receipts.deadline()), pull)
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
            let rest = if self.logs.settled() == 0 { UNEXPLAINED_REST } else { EXPLAINED_REST };
            self.pull.rested_at = now + rest;
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
                    if run.place == Place::Ahead {
                        self.pull.hole_opened();
                    }
                    if run.place != Place::Below {
                        self.repair.appended(&run.entries);
                        for entry in &run.entries {
                            // What it speaks about exists: whoever lacks it may ask for it.
                            self.logs.learn(entry.header.author, &entry.header.deps);
                        }
                    }
                    received.runs.push(Heard { run, news });
                }
                Accepted::NoRoom => {
                    received.unplaced += count;
                    continue;
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
        self.logs.is_written_here(own);
    }

    /// Logs that gave way when this device wrote.
    pub fn take_closed(&mut self) -> Vec<LogId> {
        self.logs.take_closed()
    }

    /// Where there are more logs than room: whose logs go last, to be looked up once in a while. Those who are here, and
    /// of all authors those of whom the answer says so.
    pub fn esteem(&mut self, now: Instant, is_known: impl Fn(PeerId) -> bool) {
        if self.logs.is_full() && now >= self.esteem_at {
            self.esteem_at = now + ESTEEM;
            let here = self.members.iter().filter(|(_, member)| member.here).map(|(peer, _)| *peer);
            let known = self.logs.authors().filter(|author| *author == self.me || is_known(*author));
            let people = here.chain(known).collect();
            self.logs.esteem(people);
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

    fn heads(&mut self, sender: PeerId, said: &Heads, now: Instant, dice: &mut Dice) -> Vec<(LogId, Span)> {
        let in_step = said.digest == self.logs.digest();
        let listed: Vec<(LogId, Seq)> = said.heads.iter().map(|head| (head.log, head.seq)).collect();
        let own = self.said_of_own(&said.heads);
        let filled = self.members.get(&sender).is_some_and(|member| member.partial && !said.partial);
        if let Some(member) = self.members.get_mut(&sender) {
            (member.in_step, member.partial) = (in_step, said.partial);
        }
        if filled {
            self.pull.hope(sender);
        }
        if in_step {
            self.repair.heads_said();
            let group = self.group();
            self.receipts.in_step(sender, group, now, dice);
            // Whoever has holes holds only what it says.
            let held = if said.partial { own } else { self.all_own() };
            return self.cover(sender, held);
        }
        let behind = self.logs.learn(sender, &listed);
        let ahead =
            listed.iter().any(|(log, seq)| self.logs.head(*log) > *seq) || self.logs.count() > said.logs;
        if ahead {
            let group = self.group() as f64;
            self.repair.want_heads(now + dice.back_off(ANSWER_BACK_OFF, group));
        } else {
            // Whoever says more says all that this device would.
            self.repair.heads_said();
        }
        // Logs for which there is no room here are no reason, nor is a digest that has them in it.
        let settled = self.logs.settled();
        let more = !behind && said.logs as usize > self.logs.count() as usize + settled;
        let rest = if settled == 0 { UNEXPLAINED_REST } else { EXPLAINED_REST };
        if let Some(member) = self.members.get_mut(&sender) {
            member.ahead = behind || more || said.fetch;
        }
        let unexplained = !behind && (!ahead || self.insists) && now >= self.pull.rested_at;
        if said.fetch || unexplained || more {
            self.pull.rested_at = now + rest;
            (self.pull.from, self.pull.news) = (Some(sender), true);
            let spread = PULL_SPREAD.mul_f64((self.group() as f64 / 20.0).min(1.0));
            let at = self.pull.not_before.max(now + dice.span(Duration::ZERO..spread));
            self.pull.at = earliest(self.pull.at, Some(at));
        } else if behind {
            self.pull.from = Some(sender);
        }
        self.cover(sender, own)
    }

    /// Devices in the room right now, this one included.
    pub(super) fn group(&self) -> usize {
        1 + self.here
    }

    /// Remembers somebody, here or not.
    pub(super) fn know(&mut self, peer: PeerId) {
        if self.members.len() < MAX_MEMBERS {
            self.members.entry(peer).or_default();
        }
    }

    pub(super) fn join(&mut self, peer: PeerId) {
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
/// Devices remembered of one room.
const MAX_MEMBERS: usize = 4096;
/// Digests that differ although nobody is ahead (a forked log) are not looked into more often than this.
const UNEXPLAINED_REST: Duration = Duration::from_secs(30);
/// Where logs for which there is no room may be the reason.
const EXPLAINED_REST: Duration = Duration::from_secs(600);
/// How often it is looked up whose logs go last.
const ESTEEM: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;

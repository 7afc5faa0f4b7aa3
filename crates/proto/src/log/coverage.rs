//! What others have signed to hold of this device's logs: of each log apart, since the same place of another log is another
//! entry.

use std::collections::BTreeMap;

use crate::log::company::{Company, MIN_DIGEST_INTERVAL};
use crate::log::replica::{Received, Replica};
use crate::model::{Instant, LogId, PeerId, Seq, Span};
use crate::pacing::Dice;
use crate::wire::datagram::{Head, RoomPacket};

/// What one device holds of the logs of this one.
pub(super) type Covered = BTreeMap<LogId, Span>;

impl Replica {
    /// What somebody has said over TCP to hold of this device's logs, where it is more than before.
    pub fn covered_by(&mut self, peer: PeerId, present: bool, theirs: &[Head]) -> Vec<(LogId, Span)> {
        if present {
            self.join(peer);
        }
        let said = self.said_of_own(theirs);
        self.cover(peer, said)
    }

    /// What somebody has signed to hold of a log of this device, passed on by others, if it is more than before.
    pub fn covered_by_receipt(&mut self, peer: PeerId, log: LogId, held: Span) -> Option<Span> {
        self.know(peer);
        self.cover(peer, vec![(log, held)]).pop().map(|(_, held)| held)
    }

    /// Whether somebody who was heard in the room is here.
    pub fn is_anybody_here(&self) -> bool {
        self.here > 0
    }

    /// What of the log that this device writes now a device has not said to hold.
    pub fn uncovered(&self, peer: PeerId) -> Span {
        let own = self.own_log();
        let covered = self.members.get(&peer).and_then(|member| member.covered.get(&own));
        Span { after: covered.map_or(Seq(0), |covered| covered.to), to: self.logs.head(own) }
    }

    /// Something came, and some hear of it over links only: what is here is said soon, where few are here, else in turn.
    pub fn say_soon(&mut self, now: Instant, dice: &mut Dice) {
        let turn = Company::Members(self.group()).digest_interval();
        self.repair.say_again_soon(now + turn.saturating_sub(MIN_DIGEST_INTERVAL), dice);
    }

    /// Heads that came another way than by their sender's multicast, and late: neither an answer is due to them, nor do
    /// they say what this device was about to.
    pub fn heads_passed(
        &mut self,
        sender: PeerId,
        present: bool,
        packet: RoomPacket,
        now: Instant,
        dice: &mut Dice,
    ) -> Received {
        let due = (self.repair.heads_at, self.receipts);
        let received = self.packet(sender, present, packet, now, dice);
        (self.repair.heads_at, self.receipts) = due;
        received
    }

    /// Devices that have signed to hold an entry of this device.
    pub fn holders(&self, log: LogId, seq: Seq) -> impl Iterator<Item = PeerId> {
        let holds = move |covered: &Covered| covered.get(&log).is_some_and(|covered| covered.contains(seq));
        self.members.iter().filter(move |(_, member)| holds(&member.covered)).map(|(peer, _)| *peer)
    }

    /// A log of this device contradicts itself from a place on: whoever holds it from there may hold the other branch.
    /// What they hold for certain, where it is less than before.
    pub fn uncover(&mut self, log: LogId, from: Seq) -> Vec<(PeerId, Span)> {
        let certain = Seq(from.0.saturating_sub(1));
        let mut less = Vec::new();
        for (peer, member) in &mut self.members {
            if let Some(covered) = member.covered.get_mut(&log).filter(|covered| covered.to > certain) {
                covered.to = certain;
                less.push((*peer, *covered));
            }
        }
        less
    }

    /// What these heads say of this device's logs. Another entry of the same name is none of its own.
    pub(super) fn said_of_own(&self, heads: &[Head]) -> Vec<(LogId, Span)> {
        let own = heads.iter().filter(|head| self.logs.author(head.log) == Some(self.me));
        let sound = own.filter(|head| !self.logs.is_forked(head.log) && !self.logs.differs(head));
        sound.map(|head| (head.log, head.span())).collect()
    }

    /// All that is here of this device's logs.
    pub(super) fn all_own(&self) -> Vec<(LogId, Span)> {
        let sound = self.logs.heads_of(self.me).filter(|(log, _)| !self.logs.is_forked(*log));
        sound.map(|(log, head)| (log, Span { after: Seq(0), to: head })).collect()
    }

    pub(super) fn cover(&mut self, peer: PeerId, said: Vec<(LogId, Span)>) -> Vec<(LogId, Span)> {
        let Some(member) = self.members.get_mut(&peer) else { return Vec::new() };
        let mut more = Vec::new();
        for (log, span) in said {
            let span = Span { to: span.to.min(self.logs.head(log)), ..span };
            let before = member.covered.get(&log).copied().unwrap_or_default();
            let covered = before.joined(span);
            if covered != before {
                member.covered.insert(log, covered);
                more.push((log, covered));
            }
        }
        more
    }

    pub(super) fn everybody_covers(&self) -> bool {
        let (own, head) = (self.own_log(), self.logs.head(self.own_log()));
        let covers = |covered: &Covered| covered.get(&own).map_or(Seq(0), |covered| covered.to) >= head;
        self.here > 0 && self.members.values().all(|member| !member.here || covers(&member.covered))
    }
}

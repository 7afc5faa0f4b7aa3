//! What a person decides about others: whom to believe, whom to block, what to fetch without asking; and who has somebody's
//! name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lanyard_proto::effects::{Effects, TransferRecord, Trust as NodeTrust};
use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::presence::MAX_PEERS;
use lanyard_proto::rooms::RoomKind;
use lanyard_proto::trust::{BadLink, link, read_link, safety_number};
use tokio::sync::oneshot;

use crate::api::{ApiError, ErrorCode, Event, Keys, Locked, Reply, Trust, TrustAct};
use crate::config::AcceptRule;
use crate::engine::alike::{Alike, MAX_ALIKE};
use crate::engine::commands::{Outcome, invalid, refused};
use crate::engine::gate::{Answer, Answering};
use crate::engine::queue::is_within;
use crate::engine::run::{Report, Run};
use crate::engine::warnings::Warnings;
use crate::saying;
use crate::says;
use crate::store::{Acquaintance, StoreError};

/// What is known of people that the node does not keep.
pub struct Trusting {
    known: BTreeMap<PeerId, Acquaintance>,
    alike: Alike,
    /// With how many names it is looked for those of devices that the node forgot meanwhile.
    sweep_at: usize,
    /// Of whom something was learned that is not written down yet.
    unkept: BTreeSet<PeerId>,
    pub(super) warnings: Warnings,
}

impl Trusting {
    /// As the last run left it.
    pub fn new<'a>(known: Vec<Acquaintance>, names: impl Iterator<Item = (PeerId, &'a str)>) -> Trusting {
        let mut alike = Alike::default();
        for (peer, name) in names {
            alike.call(peer, name);
        }
        for known in &known {
            alike.verify(known.peer, known.verified_as.as_deref());
        }
        let known = known.into_iter().map(|known| (known.peer, known)).collect();
        let sweep_at = alike.named().max(MAX_PEERS) + FORGOTTEN;
        Trusting { known, alike, sweep_at, unkept: BTreeSet::new(), warnings: Warnings::default() }
    }

    /// A device is called so. Whose warnings are others because of that. The node says of nobody that it forgot them, only
    /// whom it knows.
    fn call(&mut self, peer: PeerId, name: &str, is_known: impl Fn(PeerId) -> bool) -> Vec<PeerId> {
        let warned = self.alike.call(peer, name);
        if self.alike.named() > self.sweep_at {
            self.alike.retain(&is_known);
            self.warnings.retain(is_known);
            self.sweep_at = self.alike.named() + FORGOTTEN;
        }
        warned
    }

    /// Something was learned of somebody. Whether somebody is to be told to write it down soon, or was already.
    fn learn(&mut self, known: Acquaintance) -> bool {
        self.alike.verify(known.peer, known.verified_as.as_deref());
        let peer = known.peer;
        self.known.insert(peer, known);
        self.unkept.insert(peer)
    }

    /// What is to be written down of somebody: as it is by now, whatever was learned and decided in between.
    fn unkept(&mut self, peer: PeerId) -> Option<Acquaintance> {
        self.unkept.take(&peer).and_then(|peer| self.known.get(&peer)).cloned()
    }

    fn of(&self, peer: PeerId) -> Acquaintance {
        self.known.get(&peer).cloned().unwrap_or_else(|| Acquaintance::new(peer))
    }
}

impl Run {
    /// How far a device is believed, and whether it has the name of one that is.
    pub fn trust_of(&self, peer: PeerId) -> Trust {
        let record = self.node.presence().peer(peer);
        let is_apart = || {
            let apart = self.trusting.known.get(&peer).and_then(|known| known.apart_as.as_deref());
            apart.is_some() && apart == record.map(|record| record.name.as_str())
        };
        match record.map_or(NodeTrust::Unknown, |record| record.trust) {
            NodeTrust::Verified => Trust::Verified,
            NodeTrust::Blocked => Trust::Blocked,
            _ if self.trusting.alike.takes_verified_name(peer) && !is_apart() => Trust::Changed,
            NodeTrust::Pinned => Trust::Pinned,
            NodeTrust::Unknown => Trust::Unknown,
        }
    }

    /// Others whose names look like that of a device.
    pub fn alike(&self, peer: PeerId) -> Vec<String> {
        self.trusting.alike.others(peer, MAX_ALIKE).iter().map(ToString::to_string).collect()
    }

    /// Up to how many bytes an offer of a device is fetched without asking.
    pub fn accept_bytes(&self, peer: PeerId) -> Option<u64> {
        self.trusting.known.get(&peer)?.accept_bytes
    }

    /// What a person is called where somebody else's name looks like it: with the short id behind it.
    pub fn known_as(&self, peer: PeerId) -> String {
        let name = self.name_of(peer);
        let is_shared = peer != self.node.me() && !self.trusting.alike.others(peer, 1).is_empty();
        if is_shared { format!("{name} ({})", peer.short()) } else { name }
    }

    /// The name that somebody claims who never announced itself, with its short id where another one has that name.
    pub fn claimed_by(&self, peer: PeerId, name: String) -> String {
        if self.trusting.alike.has_another(&name, peer) { format!("{name} ({})", peer.short()) } else { name }
    }

    /// Whether somebody's words are shown.
    pub fn hides(&self, author: PeerId) -> bool {
        self.node.presence().is_blocked(author)
    }

    /// Whether anything may be written in a room: in a direct conversation not to somebody who is blocked, nor to whom a
    /// person has to look at first.
    pub fn check_writing(&self, room: RoomId) -> Result<(), ApiError> {
        let kind = self.node.room(room).map(|held| held.record().kind);
        let Some(RoomKind::Direct(peer)) = kind else { return Ok(()) };
        let (name, short) = (self.name_of(peer), peer.short());
        match self.trust_of(peer) {
            Trust::Blocked => Err(says!(
                ErrorCode::Refused,
                "You blocked {name}. To write to each other again: lanyard unblock @{short}",
                name,
                short
            )),
            Trust::Changed => Err(says!(
                ErrorCode::Refused,
                "Nothing was sent: this device ({short}) is called {name} like somebody you verified, but has another key. \
                 Compare it, or say that it is somebody else: lanyard verify @{short}",
                name,
                short
            )),
            Trust::Unknown | Trust::Pinned | Trust::Verified => Ok(()),
        }
    }

    /// Whether an offer is fetched without asking a person.
    pub fn accepts_unasked(&self, record: &TransferRecord) -> bool {
        let trust = self.trust_of(record.from);
        let by_rule = match self.config.accept {
            AcceptRule::Never => false,
            AcceptRule::Verified => trust == Trust::Verified,
            AcceptRule::Any => !matches!(trust, Trust::Changed | Trust::Blocked),
        };
        let may = self.config.policy.accept_at_most != Some(AcceptRule::Never);
        let always = self.accept_bytes(record.from).filter(|_| may && trust == Trust::Verified);
        (by_rule && is_within(&record.offer, self.config.accept_limit))
            || always.is_some_and(|limit| is_within(&record.offer, Some(limit)))
    }

    /// A device was heard: it may be called otherwise than before.
    pub fn heard_of(&mut self, peer: PeerId) {
        let Some(name) = self.node.presence().peer(peer).map(|record| record.name.clone()) else { return };
        let warned = self.now_called(peer, &name);
        // Whoever is verified may call itself otherwise, and is known by that; but not by a name that others have.
        let known = self.trusting.of(peer);
        if known.verified_as.as_ref().is_some_and(|verified| *verified != name)
            && !name.is_empty()
            && !self.trusting.alike.has_another(&name, peer)
        {
            self.keep_known(Acquaintance { verified_as: Some(name), ..known });
        }
        self.warn_of(warned);
    }

    /// This device is called so: others may look like it.
    pub fn called_myself(&mut self) {
        let (me, name) = (self.node.me(), self.node.profile().name.clone());
        let warned = self.now_called(me, &name);
        self.warn_of(warned);
    }

    fn now_called(&mut self, peer: PeerId, name: &str) -> Vec<PeerId> {
        let (me, presence) = (self.node.me(), self.node.presence());
        self.trusting.call(peer, name, |peer| peer == me || presence.peer(peer).is_some())
    }

    pub async fn trust(&mut self, peer: &str, act: TrustAct) -> Result<Outcome, ApiError> {
        let peer = self.find_person(peer)?;
        if peer == self.node.me() {
            return Err(refused(lanyard_proto::node::Refusal::Yourself));
        }
        let unasked = matches!(act, TrustAct::AlwaysAccept { bytes: Some(_) });
        self.config.policy.check([(Locked::Accept, unasked)])?;
        match act {
            TrustAct::Show {} => Ok(Outcome::Now(Reply::Keys(self.keys(peer)))),
            TrustAct::Compare {} => self.compare(peer),
            TrustAct::Compared { same } => self.compared(peer, same).await,
            TrustAct::CancelComparison {} => self.cancel_comparison(peer),
            TrustAct::Verify {} | TrustAct::VerifyLink { .. } if self.hides(peer) => Err(self.blocked(peer)),
            TrustAct::VerifyLink { link } => {
                self.check_link(peer, &link)?;
                self.decide(peer, TrustAct::Verify {}).await
            }
            TrustAct::AlwaysAccept { bytes: Some(_) } if self.trust_of(peer) != Trust::Verified => {
                let name = self.name_of(peer);
                Err(says!(
                    ErrorCode::Refused,
                    "Verify {name} first: what somebody offers is fetched without asking only if it is known who that is.",
                    name
                ))
            }
            act => self.decide(peer, act).await,
        }
    }

    /// Both people saw the same emoji.
    pub async fn matched(&mut self, peer: PeerId) -> Result<(), StoreError> {
        let decided = self.decide(peer, TrustAct::Verify {}).await;
        match decided {
            Ok(Outcome::After(effects, with)) => {
                // Nobody waits for it: whoever compared is told by an event.
                let to = oneshot::channel().0;
                self.enter(effects, Some(Answer { to, with })).await
            }
            Ok(Outcome::Now(_)) | Err(_) => Ok(()),
        }
    }

    async fn decide(&mut self, peer: PeerId, act: TrustAct) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        let record = self.node.presence().peer(peer);
        let trust = record.map_or(NodeTrust::Unknown, |record| record.trust);
        let name = record.map(|record| record.name.clone()).unwrap_or_default();
        let mut known = self.trusting.of(peer);
        let becomes = match act {
            TrustAct::Verify {} => {
                known.verified_as = Some(name);
                (known.before_block, known.apart_as) = (None, None);
                Some(NodeTrust::Verified)
            }
            TrustAct::Unverify {} => {
                (known.verified_as, known.accept_bytes) = (None, None);
                // Nor is it again once it is not blocked any more.
                known.before_block = known.before_block.map(|before| before.min(NodeTrust::Pinned));
                (trust == NodeTrust::Verified).then_some(NodeTrust::Pinned)
            }
            TrustAct::Block {} => {
                known.before_block.get_or_insert(trust);
                Some(NodeTrust::Blocked)
            }
            TrustAct::Unblock {} => {
                let before = known.before_block.take().unwrap_or(NodeTrust::Unknown);
                (trust == NodeTrust::Blocked).then_some(before)
            }
            TrustAct::Apart {} => {
                known.apart_as = Some(name);
                None
            }
            TrustAct::AlwaysAccept { bytes } => {
                known.accept_bytes = bytes;
                None
            }
            _ => None,
        };
        if becomes == Some(NodeTrust::Blocked) {
            self.cut_off(peer);
        }
        if becomes.is_some_and(|trust| trust != NodeTrust::Blocked) {
            self.shunned.shun(peer, false);
        }
        let effects = match becomes {
            Some(trust) => self.node.set_trust(peer, trust, now).map_err(refused)?,
            None => Effects::default(),
        };
        self.trusting.alike.verify(peer, known.verified_as.as_deref());
        let kept = self.store.acquaint(known.clone()).await?;
        self.trusting.known.insert(peer, known);
        self.gate.wait_for(kept);
        Ok(Outcome::After(effects, Answering::Trusted(peer)))
    }

    /// Whatever somebody who is blocked now is doing here ends.
    fn cut_off(&mut self, peer: PeerId) {
        // Relays, what comes from it or through it, and dials.
        self.shunned.shun(peer, true);
        let serves = self.serves.values();
        let with_it = serves.filter(|serving| serving.peer == peer || serving.through == Some(peer));
        with_it.for_each(|serving| serving.stop.cancel());
        self.cut_comparison(peer);
    }

    /// A decision about somebody is written down: all that follows from it is told.
    pub fn tell_of_trust(&mut self, peer: PeerId) -> Result<Reply, ApiError> {
        let rooms: Vec<RoomId> = self.node.rooms().map(|room| room.record().id).collect();
        for room in rooms {
            // What somebody wrote is seen, or not, from now on.
            self.tell(Event::History { room: room.to_string() });
            self.tell_of_room(room);
            self.recount(room);
        }
        let offered = self.node.transfers().filter(|record| record.from == peer).map(|record| record.id);
        for transfer in offered.collect::<Vec<_>>() {
            match self.transfer(transfer).filter(|_| !self.hides(peer)) {
                Some(transfer) => self.tell(Event::TransferChanged { transfer }),
                None => self.tell(Event::TransferForgotten { transfer: transfer.to_string() }),
            }
        }
        // All of that name are believed more, or less, from now on.
        self.warn_of(self.trusting.alike.all_others(peer));
        self.tell_if_matched(peer);
        let gone = || says!(ErrorCode::NotFound, "It is no longer there.");
        self.peer(peer).map(Reply::Peer).ok_or_else(gone)
    }

    /// Whoever is blocked is not compared with, nor verified by the way.
    pub(super) fn blocked(&self, peer: PeerId) -> ApiError {
        let name = self.name_of(peer);
        says!(ErrorCode::Refused, "You blocked {name}. Unblock first, then compare.", name)
    }

    fn keys(&self, peer: PeerId) -> Keys {
        let me = self.node.me();
        Keys { number: safety_number(me, peer), link: link(peer), mine: link(me) }
    }

    fn check_link(&self, peer: PeerId, text: &str) -> Result<(), ApiError> {
        let name = self.name_of(peer);
        match read_link(text) {
            Ok(key) if key == peer => Ok(()),
            Ok(key) if key == self.node.me() => Err(invalid(saying!(
                "This is the link of your own device. Take the one that {name} sees.",
                name
            ))),
            Ok(key) => Err(says!(
                ErrorCode::Refused,
                "This is the link of another device ({other}) than the one here that is called {name} ({short}). If {name} gave \
                 it to you, the one here is somebody else: write nothing to it.",
                other = key.short(),
                name,
                short = peer.short()
            )),
            Err(BadLink::NoLink) => {
                Err(invalid(saying!("The link of a device begins with lanyard:v1:id: and is shown by it.")))
            }
            Err(BadLink::Damaged) => {
                Err(invalid(saying!("This link is not complete, or mistyped. Copy it again.")))
            }
        }
    }

    /// Keeps what was learned of somebody, for which nobody waits; not at once, so that whoever calls itself otherwise all the
    /// time is written down once in a while.
    fn keep_known(&mut self, known: Acquaintance) {
        let peer = known.peer;
        if self.trusting.learn(known) {
            let reports = self.reports.clone();
            tokio::spawn(async move {
                tokio::time::sleep(KEEP_AFTER).await;
                // The engine's task may have ended.
                let _ = reports.send(Report::Learned(peer)).await;
            });
        }
    }

    /// It is time to write down what was learned of somebody: here, where decisions are, so that none is overtaken.
    pub async fn learned(&mut self, peer: PeerId) -> Result<(), StoreError> {
        if let Some(known) = self.trusting.unkept(peer) {
            let kept = self.store.acquaint(known).await?;
            self.gate.wait_for(kept);
        }
        Ok(())
    }

    pub(super) fn tell_changed(&self, peer: PeerId) {
        if let Some(peer) = self.peer(peer) {
            self.tell(Event::PeerChanged { peer });
        }
    }
}

/// Names of devices that the node may have forgotten: looking for them goes through all.
const FORGOTTEN: usize = MAX_PEERS / 4;

/// Between what is learned of somebody and its being written down.
const KEEP_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_is_written_down_once_as_it_is_by_then() {
        let mut trusting = Trusting::new(Vec::new(), std::iter::empty());
        let peer = PeerId([1; 32]);
        let called =
            |name: &str| Acquaintance { verified_as: Some(name.to_owned()), ..Acquaintance::new(peer) };
        assert!(trusting.learn(called("Ana")));
        assert!(!trusting.learn(called("Anna")), "it is written down soon");
        // A person decides otherwise in the meantime.
        trusting.known.insert(peer, Acquaintance::new(peer));
        assert_eq!(trusting.unkept(peer), Some(Acquaintance::new(peer)), "and not what was learned before");
        assert_eq!(trusting.unkept(peer), None);
        assert!(trusting.learn(called("Ana")));
    }

    #[test]
    fn what_strangers_were_called_is_forgotten_as_they_are() {
        let mut trusting = Trusting::new(Vec::new(), std::iter::empty());
        let peer = |number: u32| {
            let mut id = [1; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            PeerId(id)
        };
        for number in 0..3 * MAX_PEERS as u32 {
            trusting.call(peer(number), "Ana", |known| known == peer(0) || known == peer(number));
            assert!(trusting.alike.named() <= MAX_PEERS + FORGOTTEN);
        }
        assert!(trusting.alike.others(peer(1), MAX_ALIKE).len() <= MAX_ALIKE);
    }
}

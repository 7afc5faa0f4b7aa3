//! Coming into a private room: by an invite, by being let in, and by getting the keys that one lacks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::effects::{Effects, Event, Record, Transmit};
use crate::model::{ConnId, Instant, InviteId, Now, PeerId, RoomId};
use crate::node::errands::Errand;
use crate::node::membership::Membership;
use crate::node::retry::Retry;
use crate::node::{MAX_ROOMS, Node, Refusal, Room};
use crate::pacing::earliest;
use crate::rooms::{
    self, Giver, Invite, MAX_MEMBERS_BY_INVITES, PLAIN_IS_MUCH, RoomKind, Sort, Standing, What, Why,
    join_proof, refusal_proof, welcome_proof,
};
use crate::wire::door::{Door, MAX_WRITERS, Welcome};
use crate::wire::frame::Frame;

/// How often each device knocked lately.
#[derive(Default)]
pub(super) struct Knocks {
    counts: BTreeMap<PeerId, (Instant, u32)>,
}

impl Knocks {
    /// Whether a device may try once more.
    fn allow(&mut self, peer: PeerId, now: Instant) -> bool {
        self.counts.retain(|_, (since, _)| now.since(*since) < KNOCK_SPAN);
        if self.counts.len() >= MAX_KNOCKERS && !self.counts.contains_key(&peer) {
            // Nobody keeps others out by knocking under many names.
            let longest = self.counts.iter().min_by_key(|(_, (since, _))| *since).map(|(peer, _)| *peer);
            longest.map(|peer| self.counts.remove(&peer));
        }
        let (_, count) = self.counts.entry(peer).or_insert((now, 0));
        *count += 1;
        *count <= MAX_KNOCKS
    }
}

impl Node {
    /// Asks to be let into the room of an invite, now and until it is answered.
    ///
    /// # Errors
    /// If there are too many rooms.
    pub fn join_by_invite(&mut self, invite: Invite, now: Now) -> Result<(RoomId, Effects), Refusal> {
        let id = invite.room;
        let mut effects = Effects::default();
        if self.rooms.get(&id).is_some_and(Room::is_leaving) {
            effects.extend(self.forget_room(id));
        }
        match self.rooms.get(&id).map(Room::membership) {
            Some(Membership::Member) => return Ok((id, effects)),
            Some(_) => {}
            None if self.rooms.len() >= MAX_ROOMS => return Err(Refusal::TooManyRooms),
            None => effects.extend(self.add_room(id, RoomKind::Private, "", now)),
        }
        effects.extend(self.stand(id, Standing::Joining(invite), now));
        effects.extend(self.advance(now));
        Ok((id, effects))
    }

    /// Looks for somebody who lets this device in: whoever made the invite first, then everybody who is here.
    pub(super) fn tend_joining(&mut self, id: RoomId, now: Now) -> Effects {
        let Some(private) = self.rooms.get(&id).and_then(|room| room.private.as_ref()) else {
            return Effects::default();
        };
        let Standing::Joining(invite) = &private.standing else { return Effects::default() };
        if now.unix.0 > invite.expires.0.saturating_add(EXPIRY_GRACE_MS) {
            return self.stand(id, Standing::Refused(Why::Expired), now);
        }
        let mut effects = Effects::default();
        let (inviter, mut retry, mut asked) = (invite.inviter, private.join, private.asked.clone());
        if retry.is_due(now.instant) {
            let others = self.presence.peers().map(|peer| peer.id).filter(|peer| *peer != inviter);
            let candidates: Vec<PeerId> =
                [inviter].into_iter().chain(others).filter(|peer| !asked.contains(peer)).collect();
            let gone =
                candidates.into_iter().find_map(|peer| Some((peer, self.go(peer, Errand::Join(id), now)?)));
            match gone {
                Some((peer, said)) if asked.len() < MAX_ASKED => {
                    asked.insert(peer);
                    effects.extend(said);
                    retry.wait(JOIN_PATIENCE, now.instant);
                }
                _ => {
                    // Everybody was asked. Whoever comes is asked at once.
                    asked.clear();
                    retry.rest(JOIN_RETRY, MAX_JOIN_RETRY, now.instant);
                }
            }
        }
        if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
            private.join = retry;
            private.asked = asked;
            private.due = earliest(private.due, retry.at());
        }
        effects
    }

    pub(super) fn ask_to_join(&mut self, conn: ConnId, id: RoomId) -> Effects {
        let private = self.rooms.get(&id).and_then(|room| room.private.as_ref());
        let Some(Standing::Joining(invite)) = private.map(|private| &private.standing) else {
            return Effects::default();
        };
        let Some(exporter) = self.errands.exporter(conn) else { return Effects::default() };
        let proof = join_proof(&invite.secret, &exporter, self.me, id);
        say(conn, Door::Join { invite: invite.id(), proof })
    }

    pub(super) fn ask_for_keys(&mut self, conn: ConnId, id: RoomId) -> Effects {
        let wanted = self.rooms.get(&id).map(Room::wanted_epochs).unwrap_or_default();
        if wanted.is_empty() {
            return Effects::default();
        }
        say(conn, Door::Keys { room: id, epochs: wanted })
    }

    /// Tells a device that it was let in, and asks what it has: then it asks, too.
    pub(super) fn welcome_unasked(&mut self, conn: ConnId, peer: PeerId, id: RoomId) -> Effects {
        if !self.rooms.get(&id).is_some_and(|room| room.is_open_to(peer)) {
            return Effects::default();
        }
        let mut effects = self.welcome(conn, id, None);
        effects.extend(self.ask(conn, id));
        effects
    }

    pub(super) fn door(&mut self, conn: ConnId, peer: PeerId, said: Door, now: Now) -> Effects {
        match said {
            Door::Join { invite, proof } => self.knocked(conn, peer, invite, &proof, now),
            Door::Welcome(welcome) => self.welcomed(conn, peer, &welcome, now),
            Door::Refused { invite, why, proof } => self.was_refused(conn, invite, why, proof, now),
            Door::Keys { room, epochs } => match self.rooms.get(&room).filter(|room| room.is_open_to(peer)) {
                Some(held) => {
                    let keys = held.keys.epochs().map(|keys| keys.copies(&epochs)).unwrap_or_default();
                    say(conn, Door::Given { room, keys })
                }
                None => say(conn, Door::Given { room, keys: Vec::new() }),
            },
            Door::Given { room, keys } => {
                let asked = self.errands.done(conn, Errand::Keys(room));
                let mut effects = match self.rooms.get(&room).filter(|room| asked && room.is_open_to(peer)) {
                    Some(_) => self.take_keys(room, &keys, now),
                    None => Effects::default(),
                };
                effects.extend(self.settle_private(room, now));
                effects.extend(self.hang_up_if_idle(conn));
                effects
            }
        }
    }

    /// Somebody wants to be let in. Whatever is wrong, the answer tells strangers nothing.
    fn knocked(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        invite: InviteId,
        proof: &[u8; 32],
        now: Now,
    ) -> Effects {
        let nothing = Door::Refused { invite, why: Why::Unknown as u8, proof: None };
        let allowed = self.knocks.allow(peer, now.instant);
        let (Some(exporter), true) = (self.errands.exporter(conn), allowed) else {
            return say(conn, nothing);
        };
        let known = self.rooms.iter().find_map(|(id, room)| {
            let private = room.private.as_ref()?;
            let known = private.fold.invites.get(&invite)?;
            (private.membership(self.me) == Membership::Member && room.keys.epochs()?.current().is_some())
                .then_some((*id, private, known))
        });
        let Some((id, private, known)) = known else { return say(conn, nothing) };
        let secret = known.secret;
        if !same(&join_proof(&secret, &exporter, peer, id), proof) {
            return say(conn, nothing);
        }
        let why = match (private.fold.open_invite(invite, now.unix), private.fold.is_revoked(invite)) {
            (Some(_), _) => None,
            (None, true) => Some(Why::Revoked),
            (None, false) => Some(Why::Expired),
        };
        if let Some(why) = why {
            let proof = Some(refusal_proof(&secret, &exporter, peer, id, why));
            return say(conn, Door::Refused { invite, why: why as u8, proof });
        }
        let mut effects = Effects::default();
        if private.fold.role(peer).is_none() {
            let full = private.fold.members.len() >= MAX_MEMBERS_BY_INVITES;
            if full
                || private.deeds.is_flooding(peer)
                || private.deeds.written(self.me, Sort::Plain) >= PLAIN_IS_MUCH
            {
                return say(conn, nothing);
            }
            let name = self.presence.peer(peer).map(|peer| peer.name.clone()).unwrap_or_default();
            let after = private.fold.removals_of(peer);
            let what = What::Add { device: peer, admin: false, invite: Some(invite), after, name };
            let Ok(added) = self.do_deed(id, what, now) else { return say(conn, nothing) };
            effects.extend(added);
        }
        // The room may be full.
        if !self.rooms.get(&id).is_some_and(|room| room.is_open_to(peer)) {
            effects.extend(say(conn, nothing));
            return effects;
        }
        effects.extend(self.welcome(conn, id, Some(welcome_proof(&secret, &exporter, peer, id))));
        effects
    }

    fn welcome(&self, conn: ConnId, id: RoomId, proof: Option<[u8; 32]>) -> Effects {
        let Some(Room { record, keys, private: Some(private), .. }) = self.rooms.get(&id) else {
            return Effects::default();
        };
        let keys = keys.epochs().map(|keys| keys.copies(&[])).unwrap_or_default();
        let writers = private.deeds.named().take(MAX_WRITERS).collect();
        let name = record.name.clone();
        say(conn, Door::Welcome(Box::new(Welcome { room: id, name, keys, writers, proof })))
    }

    fn welcomed(&mut self, conn: ConnId, peer: PeerId, welcome: &Welcome, now: Now) -> Effects {
        let id = welcome.room;
        let mut effects = Effects::default();
        let room = self.rooms.get(&id);
        let giver = self.believes(conn, peer, welcome);
        self.errands.done(conn, Errand::Join(id));
        let Some(giver) = giver.filter(|_| !welcome.keys.is_empty()) else {
            effects.extend(self.hang_up_if_idle(conn));
            return effects;
        };
        let name = rooms::private_name(&welcome.name).unwrap_or_default();
        if room.is_none() {
            effects.extend(self.add_room(id, RoomKind::Private, &name, now));
        }
        if let Some(held) = self.rooms.get_mut(&id)
            && let Some(private) = &mut held.private
        {
            let writers = private.note_writers([peer].into_iter().chain(welcome.writers.iter().copied()));
            writers.into_iter().for_each(|writer| held.replica.name(writer));
            if held.record.name.is_empty() && !name.is_empty() {
                held.record.name = name;
                effects.commit.push(Record::Room(held.record.clone()));
            }
        }
        effects.extend(self.stand(id, Standing::Inside, now));
        effects.extend(self.keep_keys(id, giver, &welcome.keys, now));
        effects.extend(self.ask(conn, id));
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// Whether somebody's word is taken that this device is in, and how far.
    fn believes(&self, conn: ConnId, peer: PeerId, welcome: &Welcome) -> Option<Giver> {
        let id = welcome.room;
        let room = self.rooms.get(&id);
        let Some(private) = room.and_then(|room| room.private.as_ref()) else {
            // Somebody lets this device in of his own accord. Strangers cannot fill all places with rooms of theirs.
            return (room.is_none() && self.rooms.len() < MAX_ROOMS / 2).then_some(Giver::Word(peer));
        };
        match &private.standing {
            Standing::Joining(invite) => {
                let proof = welcome_proof(&invite.secret, &self.errands.exporter(conn)?, self.me, id);
                welcome.proof.is_some_and(|said| same(&said, &proof)).then_some(Giver::Proven)
            }
            // Whoever is in has what it needs, and can ask for what it lacks: nobody plants anything here.
            Standing::Inside if private.fold.members.contains_key(&self.me) => None,
            // Somebody who was in when this device was put out lets it in again.
            Standing::Inside | Standing::Refused(_) => {
                let known = private.fold.creator.is_none() || private.fold.members.contains_key(&peer);
                known.then_some(Giver::Word(peer))
            }
            Standing::Leaving => None,
        }
    }

    fn was_refused(
        &mut self,
        conn: ConnId,
        invite: InviteId,
        why: u8,
        proof: Option<[u8; 32]>,
        now: Now,
    ) -> Effects {
        let joining = self.rooms.iter().find_map(|(id, room)| match &room.private.as_ref()?.standing {
            Standing::Joining(known) if known.id() == invite => Some((*id, known.secret)),
            _ => None,
        });
        let Some((id, secret)) = joining else { return self.hang_up_if_idle(conn) };
        let mut effects = Effects::default();
        if self.errands.done(conn, Errand::Join(id)) {
            let why = [Why::Expired, Why::Revoked].into_iter().find(|reason| *reason as u8 == why);
            let exporter = self.errands.exporter(conn);
            let proven = why.zip(exporter).filter(|(why, exporter)| {
                let proof_of_it = refusal_proof(&secret, exporter, self.me, id, *why);
                proof.is_some_and(|said| same(&said, &proof_of_it))
            });
            match proven {
                Some((why, _)) => effects.extend(self.stand(id, Standing::Refused(why), now)),
                // Not by this one: the next, at once.
                None => {
                    if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
                        private.join.wait(Duration::ZERO, now.instant);
                    }
                    self.wake_private(id, now);
                }
            }
        }
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// This device stands differently to a room from now on.
    fn stand(&mut self, id: RoomId, standing: Standing, now: Now) -> Effects {
        let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else {
            return Effects::default();
        };
        private.standing = standing.clone();
        private.join = Retry::default();
        private.asked.clear();
        private.due = Some(now.instant);
        self.tags.forget();
        Effects {
            commit: vec![Record::Standing { room: id, standing }],
            tell: vec![Event::Members(id)],
            ..Effects::default()
        }
    }
}

fn say(conn: ConnId, door: Door) -> Effects {
    Effects { send: vec![Transmit::Frame { conn, bytes: Frame::Door(door).encode() }], ..Effects::default() }
}

/// Compares without telling by the time it takes where the difference is.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// A device may try to come in this often in a minute; with 128 bits of secret this only saves work.
const MAX_KNOCKS: u32 = 10;
const KNOCK_SPAN: Duration = Duration::from_secs(60);
/// Devices whose tries are counted at a time.
const MAX_KNOCKERS: usize = 1024;
/// How long a device that was asked has to answer before the next one is.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);
/// When all who are here were asked in vain, they are asked again after this, and then after longer and longer.
const JOIN_RETRY: Duration = Duration::from_secs(5);
const MAX_JOIN_RETRY: Duration = Duration::from_secs(300);
/// Devices asked between two rests.
const MAX_ASKED: usize = 64;
/// Whoever lets others in goes by his own clock: this one may be ahead.
const EXPIRY_GRACE_MS: u64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knocks_too_often_waits_for_a_minute() {
        let mut knocks = Knocks::default();
        let [eve, bob] = [1, 2].map(|n| PeerId([n; 32]));
        let start = Instant(1_000_000);
        for _ in 0..MAX_KNOCKS {
            assert!(knocks.allow(eve, start));
        }
        assert!(!knocks.allow(eve, start) && knocks.allow(bob, start));
        assert!(knocks.allow(eve, start + KNOCK_SPAN));
    }

    #[test]
    fn the_table_of_those_who_knock_has_an_end_and_keeps_nobody_out() {
        let mut knocks = Knocks::default();
        for n in 0..=MAX_KNOCKERS as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            assert!(knocks.allow(PeerId(id), Instant(n)));
        }
        assert_eq!(knocks.counts.len(), MAX_KNOCKERS);
        assert!(!knocks.counts.contains_key(&PeerId([0; 32])), "who knocked first makes place");
    }
}

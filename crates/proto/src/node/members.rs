//! What people do in private rooms: begin them, let others in and put them out, invite, renew keys, leave.

use std::time::Duration;

use crate::effects::{Effects, Event, Job, Record};
use crate::model::{InviteId, LogId, Now, PeerId, RoomId, SecretKey, Seq, UnixMillis};
use crate::node::errands::Errand;
use crate::node::membership::Membership;
use crate::node::private::Private;
use crate::node::retry::Retry;
use crate::node::{MAX_ROOMS, Node, Refusal, Room};
use crate::rooms::{
    self, Content, Deed, Invite, KnownInvite, MAX_BOXES, MAX_MEMBERS, MAX_NAMED_HEADS, Role, RoomKind, Sort,
    Standing, What, grant_box,
};

impl Node {
    /// Begins a private room, with nobody else in it.
    ///
    /// # Errors
    /// If the name is empty, or there are too many rooms.
    pub fn create_room(&mut self, name: &str, now: Now) -> Result<(RoomId, Effects), Refusal> {
        let name = rooms::private_name(name).ok_or(Refusal::NoName)?;
        if self.rooms.len() >= MAX_ROOMS {
            return Err(Refusal::TooManyRooms);
        }
        let salt = self.dice.bytes();
        let id = rooms::private_room_id(self.me, &salt);
        let mut effects = self.add_room(id, RoomKind::Private, &name, now);
        let key: [u8; 32] = self.dice.bytes();
        effects.commit.push(Record::Standing { room: id, standing: Standing::Inside });
        effects.extend(self.begin_keys(id, key));
        let genesis = What::Genesis { salt, name, key: rooms::key_id(&key) };
        effects.extend(self.do_deed(id, genesis, now)?);
        effects.extend(self.advance(now));
        Ok((id, effects))
    }

    /// Lets a device in.
    ///
    /// # Errors
    /// If that is not this device's to do, or the device is in.
    pub fn add_member(&mut self, room: RoomId, peer: PeerId, now: Now) -> Result<Effects, Refusal> {
        let private = self.as_admin(room)?;
        if private.fold.role(peer).is_some() {
            return Err(Refusal::AlreadyMember);
        }
        if private.fold.members.len() >= MAX_MEMBERS {
            return Err(Refusal::TooManyMembers);
        }
        if private.deeds.is_flooding(peer) {
            return Err(Refusal::Flooding);
        }
        let after = private.fold.removals_of(peer);
        self.identity.agree(peer).ok_or(Refusal::BadKey)?;
        let name = self.presence.peer(peer).map(|peer| peer.name.clone()).unwrap_or_default();
        let what = What::Add { device: peer, admin: false, invite: None, after, name };
        let mut effects = self.do_deed(room, what, now)?;
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Puts a device out, and renews the keys so that it reads nothing that is written from now on.
    ///
    /// # Errors
    /// If that is not this device's to do, or the device is not in.
    pub fn remove_member(&mut self, room: RoomId, peer: PeerId, now: Now) -> Result<Effects, Refusal> {
        let me = self.me;
        let private = self.as_admin(room)?;
        let (mine, theirs) = (private.fold.role(me), private.fold.role(peer).ok_or(Refusal::NoMember)?);
        // Whoever leaves asks for that: a slip must not cost the room.
        if peer == me {
            return Err(Refusal::Yourself);
        }
        if Some(theirs) >= mine {
            return Err(Refusal::NotCreator);
        }
        let mut effects = self.put_out(room, peer, now)?;
        effects.extend(self.renew(room, now));
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Makes a member an admin, or an admin a member.
    ///
    /// # Errors
    /// If this device did not begin the room, or the device is not in.
    pub fn appoint(&mut self, room: RoomId, peer: PeerId, admin: bool, now: Now) -> Result<Effects, Refusal> {
        let me = self.me;
        let private = self.as_member(room)?;
        if private.fold.role(me) != Some(Role::Creator) {
            return Err(Refusal::NotCreator);
        }
        let theirs = private.fold.role(peer).ok_or(Refusal::NoMember)?;
        if theirs == Role::Creator {
            return Err(Refusal::Yourself);
        }
        if (theirs == Role::Admin) == admin {
            return Ok(Effects::default());
        }
        let mut effects = self.do_deed(room, What::Appoint { device: peer, admin }, now)?;
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Makes a new key for all who are in.
    ///
    /// # Errors
    /// If that is not this device's to do.
    pub fn renew_keys(&mut self, room: RoomId, now: Now) -> Result<Effects, Refusal> {
        self.as_admin(room)?;
        let mut effects = self.do_deed(room, What::Renewed, now)?;
        effects.extend(self.renew(room, now));
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Makes an invite that holds for so long.
    ///
    /// # Errors
    /// If that is not this device's to do, or there are too many.
    pub fn invite(&mut self, room: RoomId, span: Duration, now: Now) -> Result<(Invite, Effects), Refusal> {
        self.as_admin(room)?;
        if self.invites(room, now.unix).len() >= MAX_INVITES {
            return Err(Refusal::TooManyInvites);
        }
        let millis = u64::try_from(span.min(MAX_INVITE).as_millis()).unwrap_or(u64::MAX);
        let expires = UnixMillis(now.unix.0.saturating_add(millis));
        let invite = Invite { room, secret: self.dice.bytes(), inviter: self.me, expires };
        let mut effects = self.do_deed(room, What::Invite { secret: invite.secret, expires }, now)?;
        effects.extend(self.advance(now));
        Ok((invite, effects))
    }

    /// The invites of a room that hold now.
    pub fn invites(&self, room: RoomId, at: UnixMillis) -> Vec<(InviteId, KnownInvite)> {
        let Some(private) = self.rooms.get(&room).and_then(|room| room.private.as_ref()) else {
            return Vec::new();
        };
        let fold = &private.fold;
        let open = fold.invites.keys().filter_map(|id| Some((*id, fold.open_invite(*id, at)?.clone())));
        open.collect()
    }

    /// # Errors
    /// If that is not this device's to do, or there is no such invite.
    pub fn revoke_invite(&mut self, room: RoomId, invite: InviteId, now: Now) -> Result<Effects, Refusal> {
        let private = self.as_admin(room)?;
        if !private.fold.invites.contains_key(&invite) {
            return Err(Refusal::NoInvite);
        }
        let mut effects = self.do_deed(room, What::Revoke { invite }, now)?;
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Says that this device leaves. What it wrote is kept until somebody has it, and with it the word that it leaves; the rest
    /// of the room is given up at once.
    pub(super) fn leave_private(&mut self, room: RoomId, now: Now) -> Effects {
        let (me, standing) = (self.me, Standing::Leaving);
        let mut effects = self.put_out(room, me, now).unwrap_or_default();
        let Some(private) = self.rooms.get_mut(&room).and_then(|room| room.private.as_mut()) else {
            return effects;
        };
        private.standing = standing.clone();
        private.leaving_since = Some(now.instant);
        private.wake(now.instant);
        effects.commit.push(Record::Standing { room, standing });
        effects.extend(self.give_up_others(room));
        effects.extend(self.leave_no_more_than(MAX_LEAVING));
        effects.tell.push(Event::RoomLeft(room));
        effects.run.push(Job::Recheck { room });
        effects.extend(self.advance(now));
        effects
    }

    pub(super) fn tend_leaving(&mut self, id: RoomId, now: Now) -> Effects {
        let Some(Room { private: Some(private), replica, active, .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        if private.standing != Standing::Leaving {
            return Effects::default();
        }
        let (said, _) = replica.next_own();
        let heard = said.0 > 1 && replica.holders(replica.own_log(), Seq(said.0 - 1)).next().is_some();
        let nobody = private.fold.members.is_empty();
        // A clock that is wrong for a start ends nothing.
        let since = *private.leaving_since.get_or_insert(now.instant);
        let old =
            now.unix.0.saturating_sub(active.0) > LEAVE_KEPT_MS && now.instant.since(since) > LEAVE_LEAST;
        if heard || nobody || old { self.forget_room(id) } else { Effects::default() }
    }

    /// What others wrote in a room that this device leaves is not wanted any more.
    fn give_up_others(&mut self, id: RoomId) -> Effects {
        let mut effects = Effects::default();
        let Some(room) = self.rooms.get_mut(&id) else { return effects };
        let own = room.replica.own_log();
        for head in room.replica.have_since(0).into_iter().filter(|head| head.log != own) {
            let (log, to) = (head.log, head.seq);
            let to_id = room.replica.head_id(log);
            room.replica.forget(log, to, to_id);
            effects.commit.push(Record::Forget { room: id, log, to });
        }
        effects
    }

    /// Of too many rooms that are being left the one is forgotten where nothing was said for longest.
    fn leave_no_more_than(&mut self, most: usize) -> Effects {
        let leaving = || self.rooms.iter().filter(|(_, room)| room.is_leaving());
        let oldest = leaving().min_by_key(|(_, room)| room.active).map(|(id, _)| *id);
        match oldest.filter(|_| leaving().count() > most) {
            Some(oldest) => self.forget_room(oldest),
            None => Effects::default(),
        }
    }

    /// Whether nobody could let others into a private room any more if this device left it, though others are in.
    pub fn is_last_admin(&self, room: RoomId) -> bool {
        let Some(fold) = self.room(room).and_then(|room| room.private.as_ref()).map(|private| &private.fold)
        else {
            return false;
        };
        let others = || fold.members.iter().filter(|(peer, _)| **peer != self.me);
        fold.role(self.me) >= Some(Role::Admin)
            && others().next().is_some()
            && others().all(|(_, role)| *role < Role::Admin)
    }

    /// How many of the newest entries of this device in a room nobody else has, nor keeps for somebody; as far as that is
    /// counted.
    pub fn undelivered(&self, room: RoomId) -> usize {
        let Some(replica) = self.room(room).map(|room| &room.replica) else { return 0 };
        let (log, (next, _)) = (replica.own_log(), replica.next_own());
        let newest = (1..next.0).rev().take(MAX_COUNTED).map(Seq);
        let lacked = |seq: &Seq| {
            replica.holders(log, *seq).next().is_none() && self.kept_by(room, log, *seq).is_empty()
        };
        newest.take_while(lacked).count()
    }

    /// Those whom this device let in and who have not spoken in the room since are told, when they are here.
    pub(super) fn tend_welcomes(&mut self, id: RoomId, now: Now) -> Effects {
        let me = self.me;
        let Some(Room { private: Some(private), replica, .. }) = self.rooms.get(&id) else {
            return Effects::default();
        };
        if private.membership(me) != Membership::Member {
            return Effects::default();
        }
        // Whoever holds the entry that let it in knows.
        let knows =
            |peer: PeerId, log: LogId, seq: Seq| replica.holders(log, seq).any(|holder| holder == peer);
        let mut wanted: Vec<PeerId> = private.fold.members.keys().copied().collect();
        wanted.retain(|peer| match private.fold.adder(*peer) {
            Some((adder, log, seq)) => {
                adder == me && self.presence.is_online(*peer) && !knows(*peer, log, seq)
            }
            None => false,
        });
        let mut effects = Effects::default();
        for peer in wanted {
            let retry = self.retry_of(id, peer);
            if retry.is_due(now.instant) {
                effects.extend(self.go(peer, Errand::Welcome(id), now).unwrap_or_default());
            }
            let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else { break };
            let retry = private.welcomes.entry(peer).or_default();
            if retry.is_due(now.instant) {
                retry.rest(WELCOME_RETRY, MAX_WELCOME_RETRY, now.instant);
            }
            private.due = crate::pacing::earliest(private.due, retry.at());
        }
        effects
    }

    /// Writes a deed, and takes in what it changes.
    pub(super) fn do_deed(&mut self, id: RoomId, what: What, now: Now) -> Result<Effects, Refusal> {
        let private =
            self.rooms.get(&id).and_then(|room| room.private.as_ref()).ok_or(Refusal::NotPrivate)?;
        if !private.deeds.has_place(self.me, Sort::of(self.me, &what), 1) {
            return Err(Refusal::TooManyDeeds);
        }
        let height = match what {
            What::Genesis { .. } => 0,
            _ => private.fold.next_height(),
        };
        let deed = Deed { height, what };
        let (entry, mut effects) = self.write(id, &Content::Deed(deed.clone()), now)?;
        if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
            private.note_deed(id, &entry, deed);
        }
        effects.extend(self.settle_private(id, now));
        Ok(effects)
    }

    /// Makes the next epoch's key and seals it to all who are in. Does nothing where there is no key to go on from.
    pub(super) fn renew(&mut self, id: RoomId, now: Now) -> Effects {
        let me = self.me;
        let key: [u8; 32] = self.dice.bytes();
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        let Some(epoch) = keys.epoch().checked_add(1) else { return Effects::default() };
        let boxes: Vec<_> = private
            .fold
            .members
            .keys()
            .filter(|peer| **peer != me)
            .filter_map(|peer| Some((*peer, grant_box(&self.identity, *peer, id, epoch, &key)?)))
            .collect();
        let id_of_key = rooms::key_id(&key);
        let mut parts: Vec<Vec<_>> = boxes.chunks(MAX_BOXES).map(<[_]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        if !private.deeds.has_place(me, Sort::Ruling, parts.len()) {
            return Effects::default();
        }
        let height = private.fold.next_height();
        let mut effects = Effects::default();
        if let Some(epochs) = keys.epochs_mut() {
            epochs.insert(epoch, key.into());
            effects.commit.push(Record::Key { room: id, epoch, key: SecretKey(key.into()) });
        }
        // All parts are sealed with the old key: the new one counts once they are folded.
        for boxes in parts {
            let deed = Deed { height, what: What::Grant { epoch, key: id_of_key, boxes } };
            let Ok((entry, written)) = self.write(id, &Content::Deed(deed.clone()), now) else { break };
            effects.extend(written);
            if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
                private.note_deed(id, &entry, deed);
            }
        }
        effects.extend(self.settle_private(id, now));
        effects
    }

    fn put_out(&mut self, id: RoomId, peer: PeerId, now: Now) -> Result<Effects, Refusal> {
        let room = self.rooms.get(&id).ok_or(Refusal::NoRoom)?;
        let private = room.private.as_ref().ok_or(Refusal::NotPrivate)?;
        // Of logs that everybody has given up deeds are left, and those count.
        let mut by_deeds = private.deeds.heads_of(peer);
        let mut heads = room.replica.heads_for_removal(peer, MAX_NAMED_HEADS);
        for (log, seq) in &mut heads {
            *seq = by_deeds.remove(log).unwrap_or_default().max(*seq);
        }
        heads.splice(0..0, by_deeds);
        heads.truncate(MAX_NAMED_HEADS);
        let deeds = private.deeds.marks_of(peer);
        self.do_deed(id, What::Remove { device: peer, heads, deeds }, now)
    }

    pub(super) fn forget_room(&mut self, id: RoomId) -> Effects {
        self.rooms.remove(&id);
        self.mail.posting.leave(id);
        self.tags.forget();
        let (commit, tell) = (vec![Record::RoomLeft(id)], vec![Event::RoomLeft(id)]);
        Effects { commit, tell, ..Effects::default() }
    }

    fn retry_of(&self, id: RoomId, peer: PeerId) -> Retry {
        let private = self.rooms.get(&id).and_then(|room| room.private.as_ref());
        private.and_then(|private| private.welcomes.get(&peer).copied()).unwrap_or_default()
    }

    pub(super) fn as_member(&self, id: RoomId) -> Result<&Private, Refusal> {
        let room = self.rooms.get(&id).filter(|room| !room.is_leaving()).ok_or(Refusal::NoRoom)?;
        let private = room.private.as_ref().ok_or(Refusal::NotPrivate)?;
        match private.membership(self.me) {
            Membership::Member => Ok(private),
            _ => Err(Refusal::NotMember),
        }
    }

    fn as_admin(&self, id: RoomId) -> Result<&Private, Refusal> {
        let private = self.as_member(id)?;
        match private.fold.role(self.me) {
            Some(Role::Admin | Role::Creator) => Ok(private),
            _ => Err(Refusal::NotAdmin),
        }
    }
}

/// How long a device that leaves keeps what nobody has, by its clock,
const LEAVE_KEPT_MS: u64 = 30 * 24 * 3600 * 1000;
/// and in each run at the least.
const LEAVE_LEAST: Duration = Duration::from_secs(3600);
/// Rooms that are being left at a time.
const MAX_LEAVING: usize = 64;
/// Entries that nobody else has are counted up to this.
const MAX_COUNTED: usize = 10_000;
/// A device that was let in and does not come is told again.
const WELCOME_RETRY: Duration = Duration::from_secs(5);
const MAX_WELCOME_RETRY: Duration = Duration::from_secs(60);
/// Invites of one room that hold at a time: enough to give each newcomer his own.
pub const MAX_INVITES: usize = 64;
/// An invite holds for a year at the most: whoever finds it later has no business here.
pub const MAX_INVITE: Duration = Duration::from_secs(366 * 24 * 3600);

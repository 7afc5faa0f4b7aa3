//! What people do.

use crate::effects::{Effects, Event, Record};
use crate::model::{LogId, Now, PeerId, RoomId, Seq, TransferId};
use crate::node::{MAX_INVITES, MAX_ROOMS, Membership, Node};
use crate::rooms::{self, BadInvite, Content, LOBBY, MAX_EMOJI, MAX_TEXT, Offer, RoomKind};
use crate::transfer;
use crate::wire::avatar::Avatar;
use crate::wire::call::MAX_TALKERS;
use crate::wire::datagram::{MAX_NAME, Query};
use crate::wire::entry::{Entry, Header};
use crate::wire::file::Source;
use crate::wire::text;

/// Why something cannot be done. The engine turns it into a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this room is not one of yours")]
    NoRoom,
    #[error("there is nothing in this message")]
    EmptyMessage,
    #[error("a message has at most {MAX_TEXT} bytes")]
    LongMessage,
    #[error("a room needs a name")]
    NoName,
    #[error("nobody leaves the lobby")]
    Lobby,
    #[error("you take part in too many rooms: leave one first")]
    TooManyRooms,
    #[error("this is your own device")]
    Yourself,
    #[error("the key of this device is not a usable one")]
    BadKey,
    #[error("this room is not a private one: anybody may come and go")]
    NotPrivate,
    #[error("you are not in this room")]
    NotMember,
    #[error("only admins of this room may do that")]
    NotAdmin,
    #[error("only whoever began this room may do that to an admin")]
    NotCreator,
    #[error("this device is not in the room")]
    NoMember,
    #[error("this device is in the room already")]
    AlreadyMember,
    #[error("a room has at most {} members", rooms::MAX_MEMBERS)]
    TooManyMembers,
    #[error("this device flooded the room, and is out for good")]
    Flooding,
    #[error("this device has done as much in this room as one device may: another admin can go on")]
    TooManyDeeds,
    #[error("this room has no such invite")]
    NoInvite,
    #[error("this room has {MAX_INVITES} invites that hold: let some hold no longer first")]
    TooManyInvites,
    #[error(transparent)]
    BadInvite(#[from] BadInvite),
    #[error(transparent)]
    Transfer(#[from] transfer::Refusal),
    #[error("only its author can change a message")]
    NotYourMessage,
    #[error("only its author, or an admin of a private room, can take a message back")]
    NotYoursToDelete,
    #[error("this is no message that can be changed so")]
    NoSuchChange,
    #[error("a reaction is one emoji of at most {MAX_EMOJI} bytes")]
    NoEmoji,
    #[error("you are in no call")]
    NoCall,
    #[error("there is no call here that rings")]
    NothingRings,
    #[error("a call has at most {MAX_TALKERS} people")]
    FullCall,
}

impl Node {
    /// Takes part in the open room of a name. Joining twice is no error.
    ///
    /// # Errors
    /// If the name is empty, or there are too many rooms.
    pub fn join(&mut self, name: &str, now: Now) -> Result<(RoomId, Effects), Refusal> {
        let name = rooms::normal_name(name).ok_or(Refusal::NoName)?;
        let id = rooms::open_room_id(&self.profile.network, &name);
        self.enter(id, RoomKind::Open, &name, now)
    }

    /// Opens the direct conversation with a device, known or not.
    ///
    /// # Errors
    /// If it is this device, its key is degenerate, or there are too many rooms.
    pub fn converse(&mut self, peer: PeerId, now: Now) -> Result<(RoomId, Effects), Refusal> {
        if peer == self.me {
            return Err(Refusal::Yourself);
        }
        self.identity.agree(peer).ok_or(Refusal::BadKey)?;
        self.enter(rooms::direct_room_id(self.me, peer), RoomKind::Direct(peer), "", now)
    }

    /// Forgets a room and all that was written in it, on this device. A private one is told that this device leaves
    /// first.
    ///
    /// # Errors
    /// If it is the lobby, or none of this device's rooms.
    pub fn leave(&mut self, room: RoomId, now: Now) -> Result<Effects, Refusal> {
        let held = self.room(room).ok_or(Refusal::NoRoom)?;
        if held.record.kind == RoomKind::Open && held.record.name == LOBBY {
            return Err(Refusal::Lobby);
        }
        if self.as_member(room).is_ok() {
            return Ok(self.leave_private(room, now));
        }
        Ok(self.forget_room(room))
    }

    /// Offers files to everybody in a room.
    ///
    /// # Errors
    /// If the room is none of this device's.
    pub fn offer(
        &mut self,
        room: RoomId,
        transfer: TransferId,
        offer: Offer,
        now: Now,
    ) -> Result<Effects, Refusal> {
        let (entry, mut effects) = self.write(room, &Content::Offer { transfer, offer }, now)?;
        effects.extend(self.understand(room, &entry, now));
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Fetches what was offered.
    ///
    /// # Errors
    /// If there is no such offer, or it is over.
    pub fn accept(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let effects = self.transfers.accept(transfer, now.instant)?;
        Ok(self.with_transfers((effects, None), now))
    }

    /// Fetches more of an offer of which some files are here already, because only those were chosen.
    ///
    /// # Errors
    /// If there is no such offer, or what was chosen is still on its way.
    pub fn accept_more(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let mut effects = self.transfers.accept_more(transfer, now.instant)?;
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Who has what somebody else offers, and can be reached now, the author first.
    ///
    /// # Errors
    /// If there is no such offer.
    pub fn sources_of(&self, transfer: TransferId) -> Result<Vec<Source>, Refusal> {
        let presence = &self.presence;
        let reach =
            |peer| if presence.is_online(peer) { presence.addresses(peer).to_vec() } else { Vec::new() };
        Ok(self.transfers.sources(transfer, reach)?)
    }

    /// # Errors
    /// If there is no such offer, or it is over.
    pub fn decline(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let spoken = self.transfers.decline(transfer)?;
        Ok(self.with_transfers(spoken, now))
    }

    /// Stops an incoming transfer, or withdraws an offer of this device.
    ///
    /// # Errors
    /// If there is no such transfer, or it is over.
    pub fn cancel(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let spoken = self.transfers.cancel(transfer)?;
        Ok(self.with_transfers(spoken, now))
    }

    /// Calls this device something else, shows its person in another way, and tells the others. What is absent stays.
    pub fn introduce(&mut self, name: Option<&str>, avatar: Option<Avatar>, now: Now) -> Effects {
        if let Some(name) = name {
            self.profile.name = text::clean_line(name, MAX_NAME);
        }
        self.profile.avatar = avatar.or(self.profile.avatar.take());
        let mut effects = self.announce(Query::No, crate::effects::Reach::Group, now);
        effects.extend(self.advance(now));
        effects
    }

    pub(super) fn say_if_in_room(&mut self, said: Option<(RoomId, Content)>, now: Now) -> Effects {
        // Without the room there is nobody to say it to.
        said.and_then(|(room, content)| self.write(room, &content, now).ok())
            .map(|(_, effects)| effects)
            .unwrap_or_default()
    }

    fn enter(
        &mut self,
        id: RoomId,
        kind: RoomKind,
        name: &str,
        now: Now,
    ) -> Result<(RoomId, Effects), Refusal> {
        if self.rooms.contains_key(&id) {
            return Ok((id, Effects::default()));
        }
        if self.rooms.len() >= MAX_ROOMS {
            return Err(Refusal::TooManyRooms);
        }
        let mut effects = self.add_room(id, kind, name, now);
        let standing: Vec<_> = self.sessions.values().filter(|s| s.standing).map(|s| s.conn).collect();
        for conn in standing {
            effects.extend(self.ask(conn, id));
        }
        effects.extend(self.advance(now));
        Ok((id, effects))
    }

    pub(super) fn write(
        &mut self,
        room: RoomId,
        content: &Content,
        now: Now,
    ) -> Result<(std::sync::Arc<Entry>, Effects), Refusal> {
        self.write_about(room, content, Vec::new(), now)
    }

    /// Writes what speaks about entries of these places.
    pub(super) fn write_about(
        &mut self,
        room: RoomId,
        content: &Content,
        deps: Vec<(LogId, Seq)>,
        now: Now,
    ) -> Result<(std::sync::Arc<Entry>, Effects), Refusal> {
        let held = self.rooms.get(&room).ok_or(Refusal::NoRoom)?;
        if held.membership() != Membership::Member || !held.keys.can_seal() {
            return Err(Refusal::NotMember);
        }
        let mut effects = self.set_back(now);
        let hlc = self.next_reading(content, now);
        // What is said now stands behind what is here.
        let (arrived, theirs) = self.arrives(now);
        let sealing = self.dice.bytes();
        let held = self.rooms.get_mut(&room).ok_or(Refusal::NoRoom)?;
        let (seq, prev) = held.replica.next_own();
        let header = Header {
            room,
            author: self.me,
            nonce: held.record.nonce,
            epoch: held.keys.epoch(),
            seq,
            prev: prev.0,
            hlc,
            deps,
            kind: content.kind(),
        };
        let body = held.keys.seal_body(&header, sealing, &content.encode(&self.profile.name));
        let body = body.ok_or(Refusal::NotMember)?;
        let entry = Entry::write(&self.identity, header, body);
        held.active = arrived;
        let written = held.replica.wrote(entry, now.instant);
        let entry = written.first().expect("an own entry continues its log").clone();
        if matches!(held.record.kind, RoomKind::Direct(_)) {
            self.mail.wake(now.instant);
        }
        let closed = held.replica.take_closed();
        effects.commit.extend(closed.into_iter().map(|log| Record::Closed { room, log }));
        effects.commit.push(Record::Entry { room, entry: entry.clone(), own: true, arrived, theirs });
        self.reach_soon(room, now.instant);
        self.expect_acknowledgement(room, now.instant);
        effects.extend(self.pass_on(room, &written, None));
        effects.tell.push(Event::Entry { room, entry: entry.clone(), arrived });
        Ok((entry, effects))
    }
}

//! What is asked for from a shared folder. Which folders are shared with whom is the engine's to know: it has them.

use crate::effects::{Effects, Origin, TransferRecord};
use crate::model::{Now, PeerId, RoomId, ShareId, TransferId};
use crate::node::{Membership, Node, Refusal};
use crate::rooms::{Content, Offer, RoomKind, direct_room_id};
use crate::transfer::{self, Receipt, TransferState};

impl Node {
    /// Offers to a device what it asked for of a folder that is shared with it.
    ///
    /// # Errors
    /// If there are too many of these.
    pub fn give(
        &mut self,
        (share, to): (ShareId, PeerId),
        transfer: TransferId,
        offer: Offer,
        now: Now,
    ) -> Result<Effects, Refusal> {
        let record = self.asked_for((share, to), self.me, transfer, offer, now);
        let effects = self.transfers.give(record, now.instant)?;
        Ok(self.with_transfers((effects, None), now))
    }

    /// Fetches what a device offered because this one asked for it, onto a disk as [`Node::lay`] has it. Their conversation
    /// is opened: receipts go there.
    ///
    /// # Errors
    /// If the other side offers under an id that is not its own or that is known, if there is no room for more, or as
    /// [`Node::converse`].
    pub fn take(
        &mut self,
        (share, from): (ShareId, PeerId),
        transfer: TransferId,
        offer: Offer,
        disk: u64,
        now: Now,
    ) -> Result<Effects, Refusal> {
        if !transfer.is_of(from) {
            return Err(transfer::Refusal::Unknown.into());
        }
        self.transfers.may_take(transfer)?;
        let (_, mut effects) = self.converse(from, now)?;
        let record = self.asked_for((share, self.me), from, transfer, offer, now);
        effects.extend(self.transfers.take(record, disk, now.instant)?);
        Ok(self.with_transfers((effects, None), now))
    }

    /// Lets a device know that what it offered because this one asked for it is not wanted after all: it need not be kept.
    ///
    /// # Errors
    /// If the other side offers under an id that is not its own or that is known, or as [`Node::converse`].
    pub fn turn_down(&mut self, from: PeerId, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        if !transfer.is_of(from) {
            return Err(transfer::Refusal::Unknown.into());
        }
        if self.transfers.get(transfer).is_some() {
            return Err(transfer::Refusal::Over.into());
        }
        let (room, mut effects) = self.converse(from, now)?;
        let said = Content::Receipt { transfer, receipt: Receipt::Declined };
        effects.extend(self.with_transfers((Effects::default(), Some((room, said))), now));
        Ok(effects)
    }

    /// Somebody came for what it asked for, in this run or in an earlier one.
    pub fn came_for(&mut self, transfer: TransferId) {
        self.transfers.came_for(transfer);
    }

    /// Gives nothing of a folder any more, and says so to those who fetch.
    pub fn unshare(&mut self, share: ShareId, now: Now) -> Effects {
        let mut effects = Effects::default();
        for transfer in self.transfers.given_of(share) {
            if let Ok(withdrawn) = self.cancel(transfer, now) {
                effects.extend(withdrawn);
            }
        }
        effects
    }

    /// Whether a device takes part in a room of this one: is the other side, a member, or was heard in an open one.
    pub fn is_in(&self, room: RoomId, peer: PeerId) -> bool {
        let Some(held) = self.room(room).filter(|held| held.membership() == Membership::Member) else {
            return false;
        };
        match held.record.kind {
            RoomKind::Direct(other) => other == peer,
            RoomKind::Private => held.private.as_ref().is_some_and(|private| private.is_member(peer)),
            RoomKind::Open => held.replica.members().any(|member| member == peer),
        }
    }

    fn asked_for(
        &self,
        (share, to): (ShareId, PeerId),
        from: PeerId,
        transfer: TransferId,
        offer: Offer,
        now: Now,
    ) -> TransferRecord {
        TransferRecord {
            id: transfer,
            room: direct_room_id(from, to),
            origin: Origin::Share { share, to },
            from,
            offer,
            state: TransferState::Offered,
            offered: now.unix,
            receipts: Vec::new(),
            paused: false,
            turn: 0,
            finished: None,
        }
    }
}

//! Commands about the queue of transfers.

use crate::effects::Effects;
use crate::model::{Now, TransferId};
use crate::node::Node;
use crate::node::commands::Refusal;
use crate::transfer::Spoken;

impl Node {
    /// Neither fetches nor gives a transfer, until it is resumed.
    ///
    /// # Errors
    /// If there is no such transfer, or nothing to pause.
    pub fn pause(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let spoken = self.transfers.pause(transfer)?;
        Ok(self.with_transfers(spoken, now))
    }

    /// Goes on with what was paused, failed or was cancelled.
    ///
    /// # Errors
    /// If there is no such transfer, or nothing to go on with.
    pub fn resume(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let spoken = self.transfers.resume(transfer, now.instant)?;
        Ok(self.with_transfers(spoken, now))
    }

    /// Lets an accepted transfer have its turn right before another one, or last.
    ///
    /// # Errors
    /// If one of both was not accepted, or has arrived.
    pub fn reorder(
        &mut self,
        transfer: TransferId,
        before: Option<TransferId>,
        now: Now,
    ) -> Result<Effects, Refusal> {
        let effects = self.transfers.reorder(transfer, before)?;
        Ok(self.with_transfers((effects, None), now))
    }

    /// Knows nothing any more of a transfer that is over.
    ///
    /// # Errors
    /// If there is no such transfer, or it is not over.
    pub fn forget_transfer(&mut self, transfer: TransferId, now: Now) -> Result<Effects, Refusal> {
        let effects = self.transfers.forget(transfer)?;
        Ok(self.with_transfers((effects, None), now))
    }

    /// How many transfers may be fetched at a time onto one disk.
    pub fn set_transfers_at_once(&mut self, at_once: usize, now: Now) -> Effects {
        self.transfers.set_at_once(at_once);
        self.with_transfers(Default::default(), now)
    }

    /// Where the files of an incoming transfer go, by a number that is another for each disk. Said before it is accepted,
    /// and at the start of what was.
    pub fn lay(&mut self, transfer: TransferId, disk: u64) {
        self.transfers.lay(transfer, disk);
    }

    /// Whether a transfer is paused here: nobody gets anything of it at the moment.
    pub fn is_paused(&self, transfer: TransferId) -> bool {
        self.transfers.is_paused(transfer)
    }

    /// Whether the author of an offer has paused it, as far as is known here.
    pub fn is_held(&self, transfer: TransferId) -> bool {
        self.transfers.is_held(transfer)
    }

    /// How many of the queued transfers start before this one; `None` if it is not queued.
    pub fn place(&self, transfer: TransferId) -> Option<u32> {
        self.transfers.place(transfer)
    }

    /// The queued transfers, in the order in which they start.
    pub fn queued(&self) -> Vec<TransferId> {
        self.transfers.queued()
    }

    /// Says what is to be said about a transfer, and does what can be done now.
    pub(super) fn with_transfers(&mut self, (mut effects, said): Spoken, now: Now) -> Effects {
        effects.extend(self.say_if_in_room(said, now));
        effects.extend(self.advance(now));
        self.transfers.stamp(&mut effects, now.unix);
        effects
    }
}

//! What others say of offers, in their logs.

use std::collections::VecDeque;

use super::{Audience, Effects, Hlc, Instant, Job, MAX_HOLDERS, Open, PeerId, Transfers};
use crate::model::TransferId;
use crate::transfer::{Receipt, TransferState};

impl Transfers {
    /// What others said of an offer before it was known.
    pub(in crate::transfer) fn hear_what_was_said(&mut self, transfer: TransferId) -> Effects {
        let (said, rest): (VecDeque<_>, _) =
            std::mem::take(&mut self.early).into_iter().partition(|(_, of, ..)| *of == transfer);
        self.early = rest;
        let mut effects = Effects::default();
        for (author, _, receipt, at) in said {
            effects.extend(self.receipt(author, transfer, receipt, at));
        }
        effects
    }

    /// A receipt was written by somebody else, at this time by their clock.
    pub fn receipt(&mut self, author: PeerId, transfer: TransferId, receipt: Receipt, at: Hlc) -> Effects {
        let Some(open) = self.open.get_mut(&transfer) else {
            self.early.push_back((author, transfer, receipt, at));
            if self.early.len() > MAX_EARLY {
                self.early.pop_front();
            }
            return Effects::default();
        };
        if open.record.from == self.me {
            if !open.is_for(author) {
                return Effects::default();
            }
            open.unclaimed = None;
            if !open.is_news(author, receipt, at) {
                return Effects::default();
            }
            let receipt = open.believed(author, receipt);
            open.record.receipts.retain(|(peer, _)| *peer != author);
            open.record.receipts.push((author, receipt));
            if let (Audience::Peer(_), false) = (open.audience, open.record.is_withdrawn()) {
                open.record.state = state_after(receipt);
                open.record.paused &= !open.record.state.is_over();
            }
            let mut effects = open.unshelved_if_taken();
            effects.extend(open.changed());
            return effects;
        }
        let withdrawn = author == open.record.from && receipt == Receipt::Cancelled;
        if let (Receipt::Received { .. }, Audience::Anyone) = (receipt, open.audience)
            && open.holders.len() < MAX_HOLDERS
            && open.holders.insert(author)
        {
            // What waits for somebody who has it need not wait longer.
            open.retry_at = open.retry_at.map(|_| Instant(0));
        }
        if !withdrawn {
            return Effects::default();
        }
        // What is here stays, and is given to nobody else.
        let unshelved = Effects { run: vec![Job::Unshelve { transfer }], ..Effects::default() };
        if open.record.is_withdrawn() {
            return Effects::default();
        }
        open.record.receipts.push((author, receipt));
        let mut effects = match open.record.state {
            TransferState::Done => Effects::default(),
            _ => open.stop(TransferState::Cancelled),
        };
        effects.extend(unshelved);
        effects.extend(open.changed());
        effects
    }
}

impl Open {
    /// Whether what somebody says of an own offer is newer than what is known of it. What it has it does not lose by wanting
    /// more.
    fn is_news(&mut self, author: PeerId, receipt: Receipt, at: Hlc) -> bool {
        let has = |(peer, said): &(PeerId, Receipt)| {
            *peer == author && matches!(said, Receipt::Received { .. } | Receipt::Part(_))
        };
        let accepts = matches!(receipt, Receipt::Accepted(_));
        if accepts && (self.record.share().is_some() || self.record.receipts.iter().any(has)) {
            return false;
        }
        let delays =
            |(peer, said): &(PeerId, Receipt)| *peer == author && matches!(said, Receipt::Accepted(_));
        let last = self.answered.entry(author).or_insert(at);
        // That it has something may come after a later word that it wants more.
        let news = at >= *last || (has(&(author, receipt)) && self.record.receipts.iter().any(delays));
        *last = at.max(*last);
        news
    }

    fn is_for(&self, peer: PeerId) -> bool {
        match self.audience {
            Audience::Peer(only) => peer == only,
            // What somebody wrote who is not in never comes here.
            Audience::Anyone | Audience::Members(_) => true,
        }
    }
}

pub(super) fn state_after(receipt: Receipt) -> TransferState {
    match receipt {
        Receipt::Received { .. } | Receipt::Part(_) => TransferState::Done,
        Receipt::Declined => TransferState::Declined,
        Receipt::Cancelled => TransferState::Cancelled,
        Receipt::Failed(failure) => TransferState::Failed(failure),
        Receipt::Accepted(_) => TransferState::Offered,
    }
}

/// Receipts that may come before their offers.
const MAX_EARLY: usize = 1024;

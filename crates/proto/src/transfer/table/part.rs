//! Offers of which somebody chose some files only, and where their lists and files can be had.

use std::net::SocketAddr;

use super::{MAX_SOURCES, Open, Refusal, Transfers};
use crate::effects::Effects;
use crate::model::{Instant, PeerId, TransferId};
use crate::transfer::{Failure, Receipt, TransferState};
use crate::wire::file::Source;

impl Transfers {
    /// Fetch more of an offer of which a part is here already.
    ///
    /// # Errors
    /// If there is nothing to fetch, or the part is still on its way.
    pub fn accept_more(&mut self, transfer: TransferId, now: Instant) -> Result<Effects, Refusal> {
        let last = self.last_turn();
        let open = self.incoming(transfer)?;
        match open.record.state {
            TransferState::Done if open.record.is_withdrawn() => return Err(Refusal::Withdrawn),
            TransferState::Done => {}
            _ => return Err(Refusal::Over),
        }
        open.record.turn = last;
        open.go_on(now);
        Ok(open.changed())
    }

    /// Who has an offer of somebody else and can be reached now, its author first.
    ///
    /// # Errors
    /// If there is no such offer.
    pub fn sources(
        &self,
        transfer: TransferId,
        reach: impl Fn(PeerId) -> Vec<SocketAddr>,
    ) -> Result<Vec<Source>, Refusal> {
        self.open.get(&transfer).map(|open| open.sources(&reach)).ok_or(Refusal::Unknown)
    }
}

impl Open {
    pub(super) fn sources(&self, reach: &impl Fn(PeerId) -> Vec<SocketAddr>) -> Vec<Source> {
        [self.record.from]
            .iter()
            .chain(&self.holders)
            .map(|peer| Source { peer: *peer, addresses: reach(*peer) })
            .filter(|source| !source.addresses.is_empty())
            .take(MAX_SOURCES)
            .collect()
    }

    /// A receipt for something of this device's, held against what was sent and offered.
    pub(super) fn believed(&self, author: PeerId, receipt: Receipt) -> Receipt {
        let digest = match receipt {
            Receipt::Received { digest } => digest,
            // A part is less than the whole, whatever it is called.
            Receipt::Part(part)
                if part.files >= self.record.offer.files || part.bytes > self.record.offer.bytes =>
            {
                return Receipt::Failed(Failure::Protocol);
            }
            Receipt::Part(part) => part.digest,
            other => return other,
        };
        match self.sent.get(&author) {
            // It has something, but not what was sent to it.
            Some(sent) if !sent.contains(&digest) => Receipt::Failed(Failure::Corrupt),
            _ => receipt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ANN, BOB, EVE, ID, here, offered, state};
    use super::*;
    use crate::model::Hlc;
    use crate::rooms::{Content, RoomKind};
    use crate::transfer::{Part, PullEnd};

    const PART: Part = Part { digest: [6; 32], files: 3, bytes: 7 };

    #[test]
    fn a_part_is_said_to_be_one_and_more_can_be_fetched_later() {
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        assert_eq!(bob.accept_more(ID, Instant(0)).unwrap_err(), Refusal::Over);
        let _ = bob.start_due(Instant(0), here);
        let (_, said) = bob.pulled(ID, PullEnd::Part(PART), Instant(1));
        let Some((_, Content::Receipt { receipt, .. })) = said else { panic!("{said:?}") };
        assert_eq!((receipt, state(&bob)), (Receipt::Part(PART), TransferState::Done));
        assert_eq!(bob.accept(ID, Instant(2)).unwrap_err(), Refusal::Over);
        let _ = bob.accept_more(ID, Instant(2)).unwrap();
        assert_eq!(bob.start_due(Instant(2), here).run.len(), 1);
    }

    #[test]
    fn the_rest_of_a_part_is_not_to_be_had_once_it_was_withdrawn_and_nothing_is_kept_for_it() {
        use crate::effects::{Job, Record, Staged};
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let _ = bob.start_due(Instant(0), here);
        let _ = bob.pulled(ID, PullEnd::Part(PART), Instant(1));
        let mut other = Transfers::new(BOB);
        let _ = other.load(bob.get(ID).unwrap().clone(), RoomKind::Direct(ANN), Instant(2));
        let forgotten = other.forget(ID).unwrap();
        let keeps_nothing = |job: &Job| matches!(job, Job::StopPull { staged: Staged::Discard, .. });
        assert!(forgotten.run.iter().any(keeps_nothing), "{forgotten:?}");

        let withdrawn = bob.receipt(ANN, ID, Receipt::Cancelled, Hlc(0));
        assert!(matches!(withdrawn.run[..], [Job::Unshelve { transfer: ID }]));
        assert!(matches!(&withdrawn.commit[..], [Record::Transfer(record)] if record.is_withdrawn()));
        assert_eq!(state(&bob), TransferState::Done, "what is here stays");
        assert_eq!(bob.accept_more(ID, Instant(3)).unwrap_err(), Refusal::Withdrawn);
        assert!(bob.receipt(ANN, ID, Receipt::Cancelled, Hlc(0)).is_empty(), "it is said once");
    }

    #[test]
    fn a_part_that_would_be_the_whole_or_was_never_sent_is_no_receipt() {
        let mut ann = offered(ANN, ANN, RoomKind::Direct(BOB));
        ann.open.get_mut(&ID).unwrap().record.offer.files = 4;
        let says = |ann: &mut Transfers, part| {
            let _ = ann.receipt(BOB, ID, Receipt::Part(part), Hlc(0));
            state(ann)
        };
        assert_eq!(says(&mut ann, PART), TransferState::Done);
        for part in [Part { files: 4, ..PART }, Part { bytes: 10, ..PART }] {
            assert_eq!(says(&mut ann, part), TransferState::Failed(Failure::Protocol));
        }
        ann.sent(ID, BOB, [5; 32]);
        assert_eq!(says(&mut ann, PART), TransferState::Failed(Failure::Corrupt));
        ann.sent(ID, BOB, [6; 32]);
        assert_eq!(says(&mut ann, PART), TransferState::Done);
        assert_eq!(says(&mut ann, Part { digest: [5; 32], ..PART }), TransferState::Done);
    }

    #[test]
    fn whoever_has_all_is_asked_for_the_list_behind_the_author() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.receipt(EVE, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
        let peers = |sources: Vec<Source>| sources.iter().map(|source| source.peer).collect::<Vec<_>>();
        assert_eq!(peers(bob.sources(ID, here).unwrap()), [ANN, EVE]);
        assert_eq!(bob.sources(TransferId([9; 16]), here), Err(Refusal::Unknown));
    }
}

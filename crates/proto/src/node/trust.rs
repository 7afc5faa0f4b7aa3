//! What a person decided about another device, and what follows from it.
//!
//! Of somebody who is blocked nothing is taken and nobody answers: no datagram, connection, offer, mail or direct message.
//! What such a device writes in rooms comes by way of others and is kept like everything else, so that all logs stay equal;
//! whoever shows rooms leaves it out.

use crate::effects::{Direction, Effects, Job, Record, Trust};
use crate::model::{ConnId, Now, PeerId, TransferId};
use crate::node::{Node, Refusal};

impl Node {
    /// A person says how far a device is to be believed, whether it was ever seen or not.
    ///
    /// # Errors
    /// If it is this device.
    pub fn set_trust(&mut self, peer: PeerId, trust: Trust, now: Now) -> Result<Effects, Refusal> {
        if peer == self.me {
            return Err(Refusal::Yourself);
        }
        let mut effects = self.presence.set_trust(peer, trust, now);
        // A decision is no fact that could be learned again after a loss of power.
        effects.commit.push(Record::Outlast);
        if trust == Trust::Blocked {
            self.notice_departures(&effects, now.instant);
            let open: Vec<ConnId> =
                self.sessions.values().filter(|session| session.peer == peer).map(|s| s.conn).collect();
            for conn in open {
                effects.extend(self.hang_up(conn));
            }
            effects.extend(self.stop_fetching_from(peer));
        }
        effects.extend(self.advance(now));
        self.transfers.stamp(&mut effects, now.unix);
        Ok(effects)
    }

    /// Nothing that a blocked device offered is fetched, and nobody is told why.
    fn stop_fetching_from(&mut self, peer: PeerId) -> Effects {
        let wanted = self.transfers.iter().filter(|record| record.from == peer && record.state.is_wanted());
        let wanted: Vec<TransferId> = wanted.map(|record| record.id).collect();
        let mut effects = Effects::default();
        for transfer in wanted {
            if let Ok((stopped, _unsaid)) = self.transfers.cancel(transfer) {
                effects.extend(stopped);
            }
        }
        effects
    }

    /// Somebody blocked is at the other end of a connection: it learns nothing but that.
    pub(super) fn refuse(&mut self, conn: ConnId, peer: PeerId, direction: Direction, now: Now) -> Effects {
        let mut effects = Effects { run: vec![Job::HangUp { conn }], ..Effects::default() };
        if direction == Direction::Dialled {
            effects.extend(self.dial_failed(peer, now));
        }
        effects
    }

    /// The accepted connection of somebody hardly known, if `peer` is not: whoever makes up devices can fill all places, but keep
    /// them from nobody who was here before. Those who were take turns.
    pub(super) fn less_known_than(&self, peer: PeerId) -> Option<ConnId> {
        if self.presence.is_hardly_known(peer) {
            return None;
        }
        let accepted = self.sessions.values().filter(|session| {
            session.direction == Direction::Accepted
                && !session.standing
                && self.presence.is_hardly_known(session.peer)
        });
        accepted.map(|session| session.conn).min()
    }
}

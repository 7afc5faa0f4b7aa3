//! TCP connections between simulated hosts: they keep the order, and break.

use std::time::Duration;

use lanyard_proto::model::{ConnId, Instant};

use super::{Heard, Lan, Planning, Who};

/// One end of a TCP connection.
pub(super) struct Conn {
    pub(super) owner: Who,
    pub(super) other: ConnId,
    pub(super) peer: Who,
    /// When everything sent so far has arrived: TCP keeps the order.
    pub(super) busy_until: Instant,
    /// Whether the owner knows of it.
    pub(super) stands: bool,
    pub(super) dialled: bool,
}

impl Lan {
    pub(super) fn connect(&mut self, who: Who, to: Who, standing: bool) {
        let [one, other] = [0, 1].map(|n| ConnId(self.next_conn + n));
        self.next_conn += 2;
        let at = self.now + self.dice.span(self.latency.clone()) * 3;
        self.conns
            .insert(one, Conn { owner: who, other, peer: to, busy_until: at, stands: false, dialled: true });
        self.conns.insert(
            other,
            Conn { owner: to, other: one, peer: who, busy_until: at, stands: false, dialled: false },
        );
        self.plan(at, Planning::Connected { who: to, conn: other, dialled: false, standing: false });
        self.plan(at, Planning::Connected { who, conn: one, dialled: true, standing });
    }

    pub(super) fn send_frame(&mut self, conn: ConnId, bytes: Vec<u8>) {
        if let (Some(tape), Some(sender)) = (&mut self.tape, self.conns.get(&conn)) {
            tape.push(Heard { from: sender.owner, to: Some(sender.peer), bytes: bytes.clone() });
        }
        let delay = self.dice.span(self.latency.clone());
        let Some(other) = self.conns.get(&conn).map(|c| c.other) else { return };
        let Some(sender) = self.conns.get_mut(&conn) else { return };
        sender.busy_until = sender.busy_until.max(self.now + delay);
        let at = sender.busy_until;
        self.plan(at, Planning::Frame { conn: other, bytes });
    }

    /// Keying material that only the two ends of a connection share: no two connections have the same.
    pub(super) fn exporter(&self, conn: ConnId) -> [u8; 32] {
        let lower = self.conns.get(&conn).map_or(conn, |c| conn.min(c.other));
        let mut exporter = [7; 32];
        exporter[..8].copy_from_slice(&lower.0.to_be_bytes());
        exporter
    }

    pub(super) fn close_later(&mut self, conn: ConnId) {
        if let Some((owner, at)) = self.conns.get(&conn).map(|c| (c.owner, c.busy_until)) {
            let at = at.max(self.now) + Duration::from_millis(1);
            self.plan(at, Planning::Closed { conn, who: owner });
        }
    }

    pub(super) fn break_conn(&mut self, conn: ConnId) {
        let Some(broken) = self.conns.remove(&conn) else { return };
        let other = broken.other;
        self.tell_broken(conn, broken);
        if let Some(broken) = self.conns.remove(&other) {
            self.tell_broken(other, broken);
        }
    }

    fn tell_broken(&mut self, conn: ConnId, broken: Conn) {
        let who = broken.owner;
        if broken.stands {
            self.plan(self.now, Planning::Closed { conn, who });
        } else if broken.dialled {
            let peer = self.id(broken.peer);
            self.plan(self.now, Planning::DialFailed { who, peer });
        }
    }
}

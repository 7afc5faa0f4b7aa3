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
        let opened = self.air.open(self.now, &mut self.weather, &mut self.dice);
        let Some(opened) = opened.filter(|_| !self.closed.contains(&to)) else {
            let peer = self.id(to);
            return self.plan(self.now + DIAL_TIMEOUT, Planning::DialFailed { who, peer });
        };
        let [one, other] = [0, 1].map(|n| ConnId(self.next_conn + n));
        self.next_conn += 2;
        let at = self.now + opened;
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
        let Some(sender) = self.conns.get(&conn) else { return };
        if let Some(tape) = &mut self.tape {
            tape.push(Heard { from: sender.owner, to: Some(sender.peer), bytes: bytes.clone() });
        }
        let (other, begins) = (sender.other, sender.busy_until.max(self.now));
        let latency = self.dice.span(self.air.latency.clone());
        self.spent.streamed += bytes.len() as u64;
        let span = self.air.carry(bytes.len(), begins, &mut self.weather, &mut self.dice);
        let Some(span) = span else { return self.break_conn(conn) };
        let at = begins.max(self.now + latency) + span;
        if let Some(sender) = self.conns.get_mut(&conn) {
            sender.busy_until = at;
        }
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

    /// A host ends its connections: what it sent before arrives.
    pub(super) fn hang_up_all(&mut self, who: Who) {
        let own: Vec<ConnId> = self.conns.iter().filter(|(_, c)| c.owner == who).map(|(id, _)| *id).collect();
        for conn in own {
            let Some(own) = self.conns.remove(&conn) else { continue };
            if self.conns.get(&own.other).is_some_and(|other| other.stands) {
                let at = own.busy_until.max(self.now) + Duration::from_millis(1);
                self.plan(at, Planning::Closed { conn: own.other, who: own.peer });
            } else if let Some(other) = self.conns.remove(&own.other) {
                self.tell_broken(own.other, other);
            }
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

/// How long a dial takes that leads nowhere.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

//! What happens on the simulated network, one thing after the other.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::effects::{Direction, Effects, Event, Input, Job, Reach, Stock, Transmit};
use lanyard_proto::model::{Instant, PeerId};
use lanyard_proto::transfer::{Failure, PullEnd};
use lanyard_proto::wire::frame::{ENTRIES_BYTES, Frame};

use super::conns::DIAL_TIMEOUT;
use super::{Drops, Heard, Lan, Planned, Planning, Who, address};

impl Lan {
    pub(super) fn happen(&mut self, what: Planning) {
        match what {
            Planning::Wake(who) => {
                if self.hosts[who.0].woken == Some(self.now) {
                    self.hosts[who.0].woken = None;
                    self.input(who, Input::Timer);
                }
            }
            Planning::Datagram { to, from, bytes } => {
                self.input(to, Input::Datagram { from: address(from, 40_000), bytes: &bytes });
            }
            Planning::Connected { who, conn, dialled, standing } => {
                let Some(known) = self.conns.get_mut(&conn) else { return };
                known.stands = true;
                let peer = known.peer;
                let (peer, remote) = (self.id(peer), Some(address(peer, 24417)));
                let direction = if dialled { Direction::Dialled } else { Direction::Accepted };
                let exporter = self.exporter(conn);
                self.input(who, Input::Connected { conn, peer, remote, direction, standing, exporter });
            }
            Planning::DialFailed { who, peer } => self.input(who, Input::DialFailed { peer }),
            Planning::Frame { conn, bytes } => {
                if let Some(owner) = self.conns.get(&conn).map(|c| c.owner) {
                    self.input(owner, Input::Frame { conn, bytes: &bytes });
                }
            }
            Planning::Served { conn } => {
                if let Some(owner) = self.conns.get(&conn).map(|c| c.owner) {
                    self.input(owner, Input::Served { conn });
                }
            }
            Planning::Closed { conn, who } => {
                self.conns.remove(&conn);
                self.input(who, Input::Closed { conn });
            }
            Planning::Reread { who, room, epochs } => {
                let entries = self.hosts[who.0].disk.of_epochs(room, &epochs);
                self.input(who, Input::Reread { room, entries });
            }
            Planning::Collected { conn, mailbox, room, log, span } => {
                let Some(owner) = self.conns.get(&conn).map(|c| c.owner) else { return };
                let disk = &self.hosts[owner.0].disk;
                let (stock, entries) = if mailbox {
                    (Stock::Mailbox, disk.mail.read(room, log, span))
                } else {
                    (Stock::Room, disk.beginning(room, log, span))
                };
                self.input(owner, Input::Collected { conn, stock, room, log, entries });
            }
            Planning::Retrieved { who, room, ranges } => {
                let disk = &self.hosts[who.0].disk;
                let entries =
                    ranges.into_iter().flat_map(|(log, span)| disk.beginning(room, log, span)).collect();
                self.input(who, Input::Retrieved { room, entries });
            }
            Planning::Recalled { who, room, log, seq } => {
                let entry = self.hosts[who.0].disk.entry(room, log, seq);
                self.input(who, Input::Recalled { entry });
            }
            Planning::Pulled { who, from, transfer } => {
                let alive = self.are_joined(who, from) && self.hosts[from.0].node.is_some();
                let to = self.id(who);
                let served = alive
                    && self.hosts[from.0].node.as_ref().is_some_and(|node| node.may_fetch(transfer, to));
                let paused = self.hosts[from.0].node.as_ref().is_some_and(|node| node.is_paused(transfer));
                let served = served && !paused;
                let end = match (alive, served) {
                    (true, false) if paused => PullEnd::Held,
                    (true, true) => PullEnd::Complete { digest: [9; 32] },
                    (true, false) => PullEnd::Failed(Failure::Refused),
                    (false, _) => PullEnd::Lost,
                };
                if served {
                    self.input(from, Input::Sent { transfer, to, digest: [9; 32] });
                }
                self.input(who, Input::Pull { transfer, end });
            }
        }
    }

    pub(super) fn input(&mut self, who: Who, input: Input<'_>) {
        let now = self.now_of(who);
        if let Some(node) = &mut self.hosts[who.0].node {
            let effects = node.handle(input, now);
            self.perform(who, effects);
        }
    }

    pub(super) fn perform(&mut self, who: Who, effects: Effects) {
        for record in &effects.commit {
            self.hosts[who.0].disk.commit(record);
        }
        for transmit in effects.send {
            match transmit {
                Transmit::Multicast { reach, bytes } => self.multicast(who, reach, bytes),
                Transmit::Frame { conn, bytes } => self.send_frame(conn, bytes),
            }
        }
        for job in effects.run {
            self.run(who, job);
        }
        for event in effects.tell {
            if let Event::Entry { entry, .. } = &event {
                self.ledger.tell(who, entry.id(), self.now);
            }
            self.note(who, &event);
        }
        self.arm(who);
    }

    pub(super) fn multicast(&mut self, who: Who, reach: Reach, bytes: Vec<u8>) {
        self.datagrams += 1;
        self.datagram_bytes += bytes.len() as u64;
        self.spent.count(&bytes, self.now);
        self.tape.iter_mut().for_each(|tape| tape.push(Heard { from: who, to: None, bytes: bytes.clone() }));
        if self.is_dropped(who, reach, |drops| drops.out)
            || (self.air.eats_multicast && reach == Reach::Group)
        {
            return;
        }
        let sent = self.air.leave(who, bytes.len(), self.now, &mut self.weather, &mut self.dice);
        let Some(sent) = sent else { return };
        let bytes: Arc<[u8]> = bytes.into();
        for to in (0..self.hosts.len()).map(Who) {
            let hears = to != who
                && self.hosts[to.0].node.is_some()
                && self.are_joined(who, to)
                && !self.hushed.contains(&(who, to))
                && !self.is_dropped(to, reach, |drops| drops.into);
            if !hears || !self.air.arrives(to, &mut self.weather, &mut self.dice) {
                continue;
            }
            let copies = 1 + usize::from(self.air.doubled > 0.0 && self.dice.fraction() < self.air.doubled);
            for _ in 0..copies {
                let at = sent + self.dice.span(self.air.latency.clone());
                self.plan(at, Planning::Datagram { to, from: who, bytes: bytes.clone() });
            }
        }
    }

    fn is_dropped(&self, who: Who, reach: Reach, way: impl Fn(&Drops) -> bool) -> bool {
        let drops = self.dropped.get(&who).filter(|drops| way(drops));
        drops.is_some_and(|drops| drops.broadcast || reach == Reach::Group)
    }

    pub(super) fn run(&mut self, who: Who, job: Job) {
        match job {
            Job::Dial { peer, addresses, .. } => {
                self.dials += 1;
                let to = self.host_at(&addresses).filter(|to| self.id(*to) == peer);
                match to.filter(|to| self.are_joined(who, *to) && self.hosts[to.0].node.is_some()) {
                    Some(to) => self.connect(who, to, false),
                    None => self.plan(self.now + DIAL_TIMEOUT, Planning::DialFailed { who, peer }),
                }
            }
            Job::HangUp { conn } => {
                if let Some(other) = self.conns.get(&conn).map(|c| c.other) {
                    self.close_later(conn);
                    self.close_later(other);
                }
            }
            Job::Serve { conn, room, wanted, deeds } => {
                for batch in self.hosts[who.0].disk.deeds_of(room, &deeds).chunks(DEEDS_A_FRAME) {
                    let entries = batch.iter().map(|entry| entry.encode_in_room()).collect();
                    self.send_frame(conn, Frame::Deeds { room, entries }.encode());
                }
                for batch in self.hosts[who.0].disk.ranges(room, &wanted, ENTRIES_BYTES / 1024) {
                    let entries = batch.iter().map(|entry| entry.encode_in_room()).collect();
                    self.send_frame(conn, Frame::Entries { room, entries }.encode());
                }
                let at = self.conns.get(&conn).map_or(self.now, |c| c.busy_until);
                self.plan(at, Planning::Served { conn });
            }
            Job::Collect { conn, stock, room, log, span } => {
                let mailbox = stock == Stock::Mailbox;
                self.plan(self.now, Planning::Collected { conn, mailbox, room, log, span });
            }
            Job::Retrieve { room, ranges } => self.plan(self.now, Planning::Retrieved { who, room, ranges }),
            Job::Recall { room, log, seq } => {
                self.plan(self.now, Planning::Recalled { who, room, log, seq });
            }
            Job::Pull { transfer, sources, .. } => {
                let from = sources.iter().find_map(|source| self.host_at(&source.addresses)).unwrap_or(who);
                self.plan(self.now + Duration::from_millis(50), Planning::Pulled { who, from, transfer });
            }
            Job::Reread { room, epochs } => self.plan(self.now, Planning::Reread { who, room, epochs }),
            Job::StopPull { .. }
            | Job::Shelve { .. }
            | Job::Unshelve { .. }
            | Job::Cut { .. }
            | Job::Recheck { .. }
            | Job::Come { .. }
            | Job::Probe { .. } => {}
        }
    }

    pub(super) fn host_at(&self, addresses: &[SocketAddr]) -> Option<Who> {
        let hosts = (0..self.hosts.len()).map(Who);
        addresses.iter().find_map(|wanted| hosts.clone().find(|who| address(*who, 24417) == *wanted))
    }

    pub(super) fn note(&mut self, who: Who, event: &Event) {
        let name =
            |peer: &PeerId| self.ids.get(peer).map_or("?".to_owned(), |who| self.hosts[who.0].name.clone());
        let line = match event {
            Event::PeerOnline(peer) => format!("{} came", name(peer)),
            Event::PeerOffline(peer) => format!("{} left", name(peer)),
            Event::Typing { peer, .. } => format!("{} is writing", name(peer)),
            Event::Forked { fork, .. } => match &fork.author {
                Some(author) => format!("{} forked", name(author)),
                None => return,
            },
            Event::Cloned => "cloned".to_owned(),
            _ => return,
        };
        self.hosts[who.0].seen.push(line);
    }

    pub(super) fn arm(&mut self, who: Who) {
        let now = self.now_of(who);
        let Some(node) = &mut self.hosts[who.0].node else { return };
        let Some(deadline) = node.deadline(now) else { return };
        // A deadline that has passed already would never let time go on.
        let at = deadline.max(self.now + Duration::from_micros(1));
        if self.hosts[who.0].woken != Some(at) {
            self.hosts[who.0].woken = Some(at);
            self.plan(at, Planning::Wake(who));
        }
    }

    pub(super) fn plan(&mut self, at: Instant, what: Planning) {
        self.planned += 1;
        self.queue.push(Reverse(Planned { at: at.max(self.now), order: self.planned, what }));
    }
}

/// Few, so that a handful of deeds takes several frames.
const DEEDS_A_FRAME: usize = 4;

//! Facts of the node become events of the API.

use lanyard_proto::effects::{Event as Fact, TransferRecord};
use lanyard_proto::model::{PeerId, RoomId, TransferId};
use lanyard_proto::transfer::TransferState;

use crate::api::{Event, Progress, TransferDirection};
use crate::engine::run::{Report, Run};

impl Run {
    pub fn translate(&mut self, fact: Fact) {
        match fact {
            Fact::PeerOnline(peer) => {
                self.heard_of(peer);
                self.tell_of_peer(peer, |peer| Event::PeerOnline { peer });
            }
            Fact::PeerOffline(peer) => self.tell_of_peer(peer, |peer| Event::PeerOffline { peer }),
            Fact::PeerChanged(peer) => {
                self.heard_of(peer);
                self.tell_of_peer(peer, |peer| Event::PeerChanged { peer });
            }
            Fact::RoomJoined(room) => {
                self.keep_history();
                self.tell_of_room(room);
            }
            Fact::RoomLeft(room) => {
                self.view.rooms.remove(&room);
                self.recheck(room);
                self.tell(Event::RoomLeft { room: room.to_string() });
            }
            Fact::Entry { room, entry, .. } => self.tell_of_entry(room, &entry),
            Fact::History(room) => {
                // The counts, and perhaps the last message, are others.
                self.tell(Event::History { room: room.to_string() });
                self.recount(room);
            }
            Fact::Covered { room } => self.tell_of_delivery(room),
            Fact::Kept(room) => self.tell_of_kept(room),
            Fact::Holding => self.tell(Event::MailboxChanged { mailbox: self.mailbox() }),
            Fact::Transfer(transfer) => self.tell_of_transfer(transfer),
            Fact::TransferForgotten(transfer) => self.forgotten(transfer),
            Fact::Members(room) => self.tell_of_members(room),
            Fact::Unsealed { room, entry, .. } => self.tell_of_unsealed(room, &entry),
            Fact::Forked { room, fork } => self.tell_of_fork(room, fork),
            Fact::DirectoryChanged => self.tell(Event::DirectoryChanged {}),
            Fact::Cloned => self.tell_of_clone(),
            Fact::ClockOff => {
                let network = self.network();
                self.tell(Event::NetworkChanged { network });
            }
            Fact::Rearranged => self.look_anew(),
            Fact::Call(room) => self.call_changed(room),
            Fact::CallEnded { room, call, end } => self.call_ended(room, call, end),
            Fact::Typing { room, peer } => {
                self.tell(Event::Typing { room: room.to_string(), peer: peer.to_string() });
            }
        }
    }

    pub fn progress_event(&mut self) -> Event {
        let changed = self.progress.take_changed();
        let progress = changed.into_iter().map(|((transfer, peer), moving)| Progress {
            transfer: transfer.to_string(),
            peer: peer.to_string(),
            moved: moving.moved,
            bytes: moving.bytes,
            rate: moving.rate as u64,
        });
        Event::Progress { progress: progress.collect() }
    }

    fn tell_of_peer(&self, peer: PeerId, event: impl FnOnce(crate::api::Peer) -> Event) {
        if let Some(peer) = self.peer(peer) {
            self.tell(event(peer));
        }
    }

    pub fn tell_of_room(&self, room: RoomId) {
        if let Some(room) = self.room(room) {
            self.tell(Event::RoomChanged { room });
        }
    }

    /// Messages of ours that more devices hold than were told of, or fewer for certain.
    fn tell_of_delivery(&mut self, room: RoomId) {
        let Some(held) = self.node.room(room) else { return };
        let mut more = Vec::new();
        for sent in &mut self.view.room(room).sent {
            let holders = held.holders_of(sent.position.log, sent.position.seq);
            if holders.len() != sent.told {
                sent.told = holders.len();
                more.push((sent.id, sent.at, sent.position, holders));
            }
        }
        for (id, at, said, holders) in more {
            let delivered = self.delivery(room, at, said, &holders);
            self.tell(Event::Delivered { room: room.to_string(), message: id.to_string(), delivered });
        }
    }

    pub fn tell_of_transfer(&mut self, id: TransferId) {
        let Some(record) = self.node.transfer(id).filter(|record| !self.hides(record.from)).cloned() else {
            return;
        };
        let place = self.node.place(id);
        let view = self.view.transfer(id);
        view.place = place;
        let before = view.told.replace(record.state);
        self.view.queue_changed = true;
        let Some(transfer) = self.transfer(id) else { return };
        let over = record.state.is_over();
        let incoming = transfer.direction == TransferDirection::In;
        match before {
            None if incoming && record.state == TransferState::Offered => {
                self.tell(Event::Offer { transfer });
                if self.accepts_unasked(&record) {
                    self.accept_by_rule(id);
                }
            }
            before if over && before != Some(record.state) => self.tell(Event::TransferFinished { transfer }),
            _ => self.tell(Event::TransferChanged { transfer }),
        }
    }

    /// What was offered before this run, too: the run before may have ended between the offer and the yes.
    pub fn accept_offers_by_rule(&self) {
        let me = self.node.me();
        let open = |record: &&TransferRecord| record.from != me && record.state == TransferState::Offered;
        let accepted = self.node.transfers().filter(open).filter(|record| self.accepts_unasked(record));
        accepted.for_each(|record| self.accept_by_rule(record.id));
    }

    /// The rule says yes in the place of a person. As a report, because effects are being performed right now.
    fn accept_by_rule(&self, transfer: TransferId) {
        let reports = self.reports.clone();
        tokio::spawn(async move { reports.send(Report::AcceptByRule(transfer)).await });
    }
}

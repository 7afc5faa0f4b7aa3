//! Datagrams that somebody carries for somebody else, or passes over a link.

use lanyard_proto::model::{Platform, UnixMillis};
use lanyard_proto::wire::datagram::{Announcement, Carry, Heads, MAX_BODY, Query, RoomPacket, kind};

use crate::feed::Feed;
use crate::node::{OTHERS, World, address, id, keys, other};

impl World {
    pub(crate) fn carry(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let by = feed.one_of(OTHERS)?;
        let datagram = self.carried(feed)?;
        let from = (feed.byte()? & 1 == 1).then(|| address(by).ip());
        self.datagram(by, kind::CARRY, &Carry { datagram, from }.encode(), false);
        Some(())
    }

    /// What may go in a carry or over a link: that somebody is here, left, or holds something; or anything.
    pub(crate) fn carried(&mut self, feed: &mut Feed<'_>) -> Option<Vec<u8>> {
        let (who, what) = (feed.one_of(OTHERS)?, feed.one_of(4)?);
        let (kind, body) = match what {
            0 => {
                let said = Announcement::new(&feed.text()?, Platform::Macos, 24417, 10, 1, Query::Yes);
                (kind::ANNOUNCE, said.encode())
            }
            1 => (kind::BYE, Vec::new()),
            2 => {
                let (room, digest) = (self.room(feed)?, [feed.byte()?; 16]);
                let (logs, heads) = (feed.number()? as u32, self.held(room, feed)?);
                let packet = RoomPacket::Heads(Heads { digest, logs, heads, fetch: false, partial: false });
                let (keys, envelope) = (keys(who, room), self.envelope(who, kind::HEADS));
                let tag = keys.tag(room, id(who), UnixMillis(self.unix));
                let body = keys.seal_packet(&envelope, tag, &packet.encode())?;
                return Some(envelope.sign(other(who), &body[..body.len().min(MAX_BODY)]));
            }
            _ => (feed.byte()?, feed.bytes()?.to_vec()),
        };
        Some(self.envelope(who, kind).sign(other(who), &body[..body.len().min(MAX_BODY)]))
    }
}

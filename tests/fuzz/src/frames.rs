//! Frames of a sync connection as somebody may send them.

use lanyard_proto::effects::Input;
use lanyard_proto::model::Platform;
use lanyard_proto::wire::datagram::{Announcement, Query, kind};
use lanyard_proto::wire::frame::{Frame, Have, Hello, Listed, Passed, Relayed};
use lanyard_proto::wire::probe::{Probing, Reached, Sent};

use crate::feed::Feed;
use crate::node::{World, address, other};

impl World {
    fn probing(&self, feed: &mut Feed<'_>) -> Option<Probing> {
        Some(match feed.one_of(2)? {
            0 => Probing::Ask { port: feed.number()? as u16 },
            _ => {
                let way = |feed: &mut Feed<'_>| {
                    let sent = if feed.byte()? & 1 == 1 { Sent::Multicast } else { Sent::Broadcast };
                    Some((sent, [10, 77, 0, feed.byte()?].into()))
                };
                let heard = (0..feed.one_of(20)?).map(|_| way(feed)).collect::<Option<_>>()?;
                let dialled = (feed.byte()? & 1 == 1).then_some(Reached::Refused);
                Probing::Echo { heard, dialled, sent: feed.byte()? & 1 == 1 }
            }
        })
    }

    pub(crate) fn frame(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (conn, who) = self.conn(feed)?;
        let bytes = match feed.one_of(15)? {
            0 => {
                let room = self.room(feed)?;
                let (ask, digest) = (feed.byte()? & 1 == 1, [feed.byte()?; 16]);
                let deeds = (feed.byte()? & 1 == 1).then_some(digest);
                Frame::Have(Have { room, logs: self.held(room, feed)?, ask, digest, deeds }).encode()
            }
            1 => {
                let room = self.room(feed)?;
                Frame::Entries { room, entries: self.entries(who, room, feed)? }.encode()
            }
            2 => Frame::Done { room: self.room(feed)? }.encode(),
            3 => {
                let said = Announcement::new(&feed.text()?, Platform::Windows, 24417, 10, 1, Query::No);
                let envelope = self.envelope(who, kind::ANNOUNCE);
                let datagram = envelope.sign(other(who), &said.encode());
                let from = (feed.byte()? & 1 == 1).then(|| address(who).ip());
                Frame::Announcements(vec![Relayed { datagram, from }]).encode()
            }
            5 => {
                let room = self.room(feed)?;
                let ranges = self.held(room, feed)?.into_iter().map(|head| (head.log, head.span())).collect();
                let known = feed.byte()?;
                let deeds = (known & 2 == 2).then(|| [[known; 8]].into());
                Frame::Want { room, ranges, more: known & 1 == 1, deeds }.encode()
            }
            6 => Frame::Look { roster: feed.byte()? & 1 == 1 }.encode(),
            9 => {
                let room = self.room(feed)?;
                Frame::Deeds { room, entries: self.entries(who, room, feed)? }.encode()
            }
            7 => {
                let (name, members) = (feed.text()?, feed.number()? as u32);
                let listed = Listed { name, members, active: feed.number()?, age: feed.number()? as u32 };
                Frame::Rooms(vec![listed]).encode()
            }
            4 => Frame::Hello(Hello {
                min_version: feed.byte()?,
                max_version: feed.byte()?,
                standing: feed.byte()? & 1 == 1,
                run: Some((feed.number()?, feed.number()?)),
                hears: feed.byte()? & 1 == 1,
            })
            .encode(),
            8 | 10 | 11 => self.mail(who, feed)?,
            12 => {
                let datagrams = (0..feed.one_of(4)?).map(|_| self.carried(feed)).collect::<Option<_>>()?;
                Frame::Passed(Passed { datagrams, unheard: feed.byte()? & 1 == 1 }).encode()
            }
            13 => Frame::Probing(self.probing(feed)?).encode(),
            _ => feed.bytes()?.to_vec(),
        };
        self.input(Input::Frame { conn, bytes: &bytes });
        Some(())
    }
}

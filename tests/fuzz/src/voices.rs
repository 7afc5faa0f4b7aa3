//! One who listens to a member of a call who seals whatever it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lanyard_media::audio::sinks::Null;
use lanyard_media::audio::sources::Silence;
use lanyard_media::packet::{Header, Kind};
use lanyard_media::seal::Sealer;
use lanyard_media::session::Session;
use lanyard_media::{Key, Member, SenderId, Setup, Way};

const CALL: [u8; 16] = [9; 16];
const SENDER: SenderId = SenderId([2; 8]);

pub struct Listener {
    session: Session,
    sealer: Sealer,
    now: Duration,
}

impl Default for Listener {
    fn default() -> Listener {
        Listener::new()
    }
}

impl Listener {
    pub fn new() -> Listener {
        let setup = Setup { call: CALL, sender: SenderId([1; 8]), key: key(1), muted: true };
        let mut session = Session::new(setup).expect("Opus is built in");
        let member = Member { sender: SENDER, key: key(2), old_key: None, unicast: None, relay: None };
        session.set_members(vec![member]).expect("Opus is built in");
        Listener { session, sealer: Sealer::new(CALL, &key(2)), now: Duration::ZERO }
    }

    pub fn receive(&mut self, packet: &[u8]) {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        self.session.receive(self.now, Way::Multicast, from, packet, &mut Vec::new());
    }

    /// Bodies as a member seals them: each is its length, how far the frame goes on, and that many bytes. In between, time passes.
    pub fn receive_sealed(&mut self, bytes: &[u8]) {
        let (mut rest, mut frame) = (bytes, 0_u32);
        for seq in 0..64 {
            let Some(([length, ahead], behind)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let (body, behind) = behind.split_at(usize::from(*length).min(behind.len()));
            rest = behind;
            // Small steps, back and forth, and now and then a leap.
            frame = match ahead {
                0..=200 => frame.wrapping_add(u32::from(*ahead)).wrapping_sub(20),
                leap => frame.wrapping_add(1 << (leap - 201).min(31)),
            };
            let kind = if ahead % 7 == 3 { Kind::Report } else { Kind::Audio };
            let header = Header { kind, odd: false, sender: SENDER, seq, frame };
            let packet = self.sealer.seal(header, body);
            self.receive(&packet);
            self.play();
        }
    }

    /// Half a frame of what is heard, and what is said of it.
    pub fn play(&mut self) {
        self.now += Duration::from_millis(10);
        self.session.tick(self.now, &mut Silence::default(), &mut Null::default(), &mut Vec::new());
        let report = self.session.report(self.now);
        assert!(report.members[0].level <= 100 && report.members[0].lost <= 100.0);
    }
}

pub fn key(byte: u8) -> Key {
    Key { secret: [byte; 32], odd: false }
}

//! A call as a value: time, packets and sound in, packets and sound out.

mod member;
mod report;

use std::net::SocketAddr;
use std::time::Duration;

use crate::audio::level::Level;
use crate::audio::{AudioIn, AudioOut, BLOCK, Block, mix};
use crate::echo::Echo;
use crate::packet::{Audio, Header, Kind, SenderId, decode_report, encode_report};
use crate::seal::{Key, Opened, Sealer};
use crate::talking::{Said, Talker};
use crate::trouble::Trouble;

use member::Listened;
pub use report::{Dropped, Hearing, MyReport, Report};

/// What a call is for this device.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which call it is; every packet is bound to it.
    pub call: [u8; 16],
    /// This device in its packets.
    pub sender: SenderId,
    /// What this device seals with. Never used again for another joining of the call.
    pub key: Key,
    pub muted: bool,
}

/// Another device in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub sender: SenderId,
    /// What it seals with.
    pub key: Key,
    /// What it sealed with before, while its packets may still be on their way.
    pub old_key: Option<Key>,
    /// Where this device sends it copies, because it said that it does not hear us by multicast.
    pub unicast: Option<SocketAddr>,
    /// What this device passes on to it, because those cannot reach it.
    pub relay: Option<Relay>,
}

/// Sealed packets of others that are passed on as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    pub to: SocketAddr,
    /// Whose. No more than `RELAYED` are passed on to all members together.
    pub of: Vec<SenderId>,
}

/// By which way a packet came, as the socket tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Multicast,
    Unicast,
}

/// A packet that wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    Group(Vec<u8>),
    To(SocketAddr, Vec<u8>),
}

/// This device in a call. `now` is the time since its conference began, and never goes back.
pub struct Session {
    setup: Setup,
    sealer: Sealer,
    talker: Talker,
    members: Vec<Listened>,
    echo: Option<Echo>,
    level: Level,
    /// Numbers of the next packets.
    sound_seq: u32,
    report_seq: u32,
    reported: Option<Duration>,
    sent: MyReport,
    dropped: Dropped,
}

impl Session {
    /// # Errors
    /// `Trouble::Start` if there is no codec.
    pub fn new(setup: Setup) -> Result<Session, Trouble> {
        Ok(Session {
            sealer: Sealer::new(setup.call, &setup.key),
            setup,
            talker: Talker::new()?,
            members: Vec::new(),
            echo: None,
            level: Level::default(),
            sound_seq: 0,
            report_seq: 0,
            reported: None,
            sent: MyReport::default(),
            dropped: Dropped::default(),
        })
    }

    /// Who is in the call beside this device, anew each time. Who stays, stays without a gap.
    ///
    /// # Errors
    /// `Trouble::Start` if there is no codec for one more.
    pub fn set_members(&mut self, members: Vec<Member>) -> Result<(), Trouble> {
        let mut before = std::mem::take(&mut self.members);
        for member in members {
            if member.sender == self.setup.sender {
                continue;
            }
            let known = before.iter().position(|known| known.sender() == member.sender);
            let listened = match known.map(|at| before.swap_remove(at)) {
                Some(known) => known.renewed(self.setup.call, member)?,
                None => Listened::new(self.setup.call, member)?,
            };
            self.members.push(listened);
        }
        Ok(())
    }

    /// Seals with this key from now on.
    pub fn set_key(&mut self, key: Key) {
        self.sealer = Sealer::new(self.setup.call, &key);
        self.setup.key = key;
    }

    pub fn set_muted(&mut self, muted: bool) {
        self.setup.muted = muted;
    }

    /// Takes a packet as it came from the network, and says what is to be passed on.
    pub fn receive(
        &mut self,
        now: Duration,
        way: Way,
        from: SocketAddr,
        packet: &[u8],
        out: &mut Vec<Transmit>,
    ) {
        let Ok((header, sealed)) = Header::decode(packet) else {
            self.dropped.malformed += 1;
            return;
        };
        // One's own come back from the group.
        if header.sender == self.setup.sender {
            return;
        }
        let Some(member) = self.members.iter_mut().find(|member| member.sender() == header.sender) else {
            self.dropped.strange += 1;
            return;
        };
        let body = match member.open(header, sealed) {
            Opened::Body(body) => body,
            Opened::Forged => {
                self.dropped.forged += 1;
                return;
            }
            Opened::Again => {
                let is_copy = member.came(now, way, from);
                self.dropped.replayed += u64::from(!is_copy);
                return;
            }
        };
        member.came(now, way, from);
        let is_read = match header.kind {
            Kind::Audio => Audio::decode(&body).map(|audio| member.hear(now, header, &audio)),
            Kind::Report => decode_report(&body).map(|receptions| {
                let own = receptions.iter().find(|reception| reception.of == self.setup.sender);
                member.heard_us(now, own.copied());
            }),
        };
        if is_read.is_err() {
            self.dropped.malformed += 1;
            return;
        }
        self.pass_on(header.sender, packet, out);
    }

    /// Every ten milliseconds: takes from the microphone, gives to the speaker, and says what is to be sent.
    pub fn tick(
        &mut self,
        now: Duration,
        microphone: &mut dyn AudioIn,
        speaker: &mut dyn AudioOut,
        out: &mut Vec<Transmit>,
    ) {
        if microphone.is_live() != self.echo.is_some() {
            self.echo = microphone.is_live().then(Echo::new);
        }
        self.play(now, speaker);
        self.listen(now, microphone, out);
        if let Some(said) = self.talker.tick(now) {
            self.say(said, out);
        }
        if !self.members.is_empty()
            && self.reported.is_none_or(|then| now.saturating_sub(then) >= REPORTED_EVERY)
        {
            self.reported = Some(now);
            self.tell(now, out);
        }
    }

    /// How it goes. What is wrong with devices is added by who has them.
    pub fn report(&self, now: Duration) -> Report {
        let me = MyReport {
            level: self.level.percent(),
            speaking: self.level.is_speech(now),
            muted: self.setup.muted,
            copies: self.talker.copies(),
            ..self.sent
        };
        let members = self.members.iter().map(|member| member.hearing(now)).collect();
        Report { me, members, dropped: self.dropped, trouble: Vec::new() }
    }

    fn play(&mut self, now: Duration, speaker: &mut dyn AudioOut) {
        for _ in 0..speaker.wanted(now).min(MOST_BLOCKS) {
            let mut mixed = [0.0; BLOCK];
            let mut voice: Block = [0.0; BLOCK];
            for member in &mut self.members {
                if member.play(now, &mut voice) {
                    mix::add(&mut mixed, &voice);
                }
            }
            mix::soften(&mut mixed);
            if let Some(echo) = &mut self.echo {
                echo.played(&mixed);
            }
            speaker.write(&mixed);
        }
    }

    fn listen(&mut self, now: Duration, microphone: &mut dyn AudioIn, out: &mut Vec<Transmit>) {
        let mut block = [0.0; BLOCK];
        for _ in 0..MOST_BLOCKS {
            if !microphone.read(now, &mut block) {
                break;
            }
            if let Some(echo) = &mut self.echo {
                echo.clean(&mut block);
            }
            // Nobody who is alone in a call, or muted, is encoded.
            if self.setup.muted || self.members.is_empty() {
                self.level.hear_nothing();
                continue;
            }
            self.level.hear(now, &block);
            if let Some(said) = self.talker.hear(now, &block) {
                self.say(said, out);
            }
        }
        if self.setup.muted || self.members.is_empty() {
            self.talker.fall_silent(now);
        }
    }

    fn say(&mut self, said: Said, out: &mut Vec<Transmit>) {
        let seq = self.sound_seq;
        let header =
            Header { kind: Kind::Audio, odd: false, sender: self.setup.sender, seq, frame: said.frame };
        if self.send(header, &said.body, out) {
            self.sound_seq += 1;
        }
    }

    /// Says what is heard of whom, and with it that this device is there.
    fn tell(&mut self, now: Duration, out: &mut Vec<Transmit>) {
        let worst = self
            .members
            .iter()
            .filter_map(|member| member.reception_of_us(now))
            .reduce(|worst, other| (worst.0.max(other.0), worst.1.max(other.1)));
        let (lost, burst) = worst.unwrap_or((0, 0));
        self.talker.expect_loss(lost, burst);
        let receptions: Vec<_> = self.members.iter().filter_map(Listened::reception).collect();
        let seq = self.report_seq;
        let header = Header { kind: Kind::Report, odd: false, sender: self.setup.sender, seq, frame: 0 };
        if self.send(header, &encode_report(&receptions), out) {
            self.report_seq += 1;
        }
    }

    /// Once to all, and once more to each who does not hear the group. False if nobody is there.
    fn send(&mut self, header: Header, body: &[u8], out: &mut Vec<Transmit>) -> bool {
        // A number is never used twice; nobody speaks for two years.
        if self.members.is_empty() || header.seq == u32::MAX {
            return false;
        }
        let packet = self.sealer.seal(header, body);
        for to in self.members.iter().filter_map(Listened::unicast) {
            self.sent.unicast_packets += 1;
            self.sent.unicast_bytes += packet.len() as u64;
            out.push(Transmit::To(to, packet.clone()));
        }
        self.sent.packets += 1;
        self.sent.bytes += packet.len() as u64;
        out.push(Transmit::Group(packet));
        true
    }

    fn pass_on(&mut self, of: SenderId, packet: &[u8], out: &mut Vec<Transmit>) {
        let relays = self.members.iter().filter_map(Listened::relay);
        let pairs = relays.flat_map(|relay| relay.of.iter().map(move |of| (*of, relay.to)));
        for (_, to) in pairs.take(RELAYED).filter(|(wanted, _)| *wanted == of) {
            self.sent.unicast_packets += 1;
            self.sent.unicast_bytes += packet.len() as u64;
            out.push(Transmit::To(to, packet.to_vec()));
        }
    }
}

/// Most members' packets that a device passes on.
pub const RELAYED: usize = 8;
const REPORTED_EVERY: Duration = Duration::from_secs(1);
/// In one tick. Who was asleep for longer lost it anyway.
const MOST_BLOCKS: usize = 50;

//! One member: its keys, its voice, the ways by which it is heard, and what it says of us.

use std::net::SocketAddr;
use std::time::Duration;

use super::report::Hearing;
use super::{Member, Relay, Way};
use crate::audio::Block;
use crate::listening::Voice;
use crate::packet::{Audio, Header, Reception, SenderId};
use crate::seal::{Key, Opened, Opener};
use crate::trouble::Trouble;

pub struct Listened {
    member: Member,
    openers: Vec<Opener>,
    voice: Voice,
    multicast: Option<Duration>,
    unicast: Option<(Duration, SocketAddr)>,
    /// What it said last of our packets: percent lost and the longest run.
    of_us: Option<(Duration, u8, u8)>,
}

impl Listened {
    pub fn new(call: [u8; 16], member: Member) -> Result<Listened, Trouble> {
        let keys = std::iter::once(&member.key).chain(&member.old_key);
        let openers = keys.map(|key| Opener::new(call, key.clone())).collect();
        let voice = Voice::new()?;
        Ok(Listened { member, openers, voice, multicast: None, unicast: None, of_us: None })
    }

    /// The same member with other keys or ways. What was opened with a key that stays is still known.
    pub fn renewed(mut self, call: [u8; 16], member: Member) -> Result<Listened, Trouble> {
        let keys: Vec<&Key> = std::iter::once(&member.key).chain(&member.old_key).collect();
        if !self.openers.iter().any(|opener| keys.contains(&opener.key())) {
            // It joined anew: its numbers and its clock begin anew, too.
            return Listened::new(call, member);
        }
        self.openers.retain(|opener| keys.contains(&opener.key()));
        for key in keys {
            if !self.openers.iter().any(|opener| opener.key() == key) {
                self.openers.push(Opener::new(call, key.clone()));
            }
        }
        self.member = member;
        Ok(self)
    }

    pub fn sender(&self) -> SenderId {
        self.member.sender
    }

    pub fn unicast(&self) -> Option<SocketAddr> {
        self.member.unicast
    }

    pub fn relay(&self) -> Option<&Relay> {
        self.member.relay.as_ref()
    }

    pub fn open(&mut self, header: Header, sealed: &[u8]) -> Opened {
        let fitting = self.openers.iter_mut().filter(|opener| opener.key().odd == header.odd);
        fitting
            .map(|opener| opener.open(header, sealed))
            .find(|opened| *opened != Opened::Forged)
            .unwrap_or(Opened::Forged)
    }

    /// Takes note of the way by which something genuine came. Whether it comes by the other way, too.
    pub fn came(&mut self, now: Duration, way: Way, from: SocketAddr) -> bool {
        match way {
            Way::Multicast => self.multicast = Some(now),
            Way::Unicast => self.unicast = Some((now, from)),
        }
        self.by_multicast(now) && self.by_unicast(now).is_some()
    }

    pub fn hear(&mut self, now: Duration, header: Header, audio: &Audio) {
        self.voice.receive(now, header.seq, header.frame, audio);
    }

    pub fn heard_us(&mut self, now: Duration, reception: Option<Reception>) {
        self.of_us = reception.map(|reception| (now, reception.lost, reception.burst));
    }

    pub fn play(&mut self, now: Duration, block: &mut Block) -> bool {
        self.voice.play(now, block)
    }

    /// What this member said of our packets, if that was lately.
    pub fn reception_of_us(&self, now: Duration) -> Option<(u8, u8)> {
        let (then, lost, burst) = self.of_us?;
        (now.saturating_sub(then) < STALE).then_some((lost, burst))
    }

    /// What is said of this member's packets, once there were some.
    pub fn reception(&self) -> Option<Reception> {
        let statistics = self.voice.statistics();
        (statistics.now.received > 0).then(|| Reception {
            of: self.member.sender,
            lost: statistics.lost().ceil().clamp(0.0, 100.0) as u8,
            burst: u8::try_from(statistics.burst()).unwrap_or(u8::MAX),
        })
    }

    pub fn hearing(&self, now: Duration) -> Hearing {
        let statistics = self.voice.statistics();
        Hearing {
            sender: self.member.sender,
            level: self.voice.level(),
            speaking: self.voice.is_speech(now),
            by_multicast: self.by_multicast(now),
            by_unicast: self.by_unicast(now),
            lost: statistics.lost(),
            concealed: statistics.concealed(),
            buffer: self.voice.wait(),
            jitter: self.voice.jitter(),
            frames: statistics.now.frames,
            repaired: statistics.now.repaired,
            made_up: statistics.now.made_up,
        }
    }

    fn by_multicast(&self, now: Duration) -> bool {
        self.multicast.is_some_and(|then| now.saturating_sub(then) < HEARD)
    }

    fn by_unicast(&self, now: Duration) -> Option<SocketAddr> {
        self.unicast.filter(|(then, _)| now.saturating_sub(*then) < HEARD).map(|(_, from)| from)
    }
}

/// Three packets that a member sends at least in that time may be lost before it counts as not heard.
const HEARD: Duration = Duration::from_secs(3);
/// Reports come once a second.
const STALE: Duration = Duration::from_secs(5);

//! What lies between simulated hosts: loss, delay, copies, and a medium that carries one thing at a time.

use std::time::Duration;

use lanyard_proto::model::Instant;
use lanyard_proto::pacing::Dice;

use super::Who;

/// How datagrams and streams get from host to host.
#[derive(Clone, Debug)]
pub struct Air {
    /// A datagram is lost on its way out of its host, for everybody, with this probability,
    pub loss_out: f64,
    /// and on its way into each host, for that one alone, with this.
    pub loss_in: f64,
    /// Loss that comes in bursts, on top, at each host.
    pub bursts: bool,
    /// A datagram arrives twice with this probability.
    pub doubled: f64,
    pub latency: std::ops::Range<Duration>,
    /// A medium that all share; a switch has none.
    pub medium: Option<Medium>,
    /// Whether streams feel the loss as well.
    pub tcp: Tcp,
    /// Multicast is eaten on the way; broadcast passes.
    pub eats_multicast: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// Bits a second at which everything is sent that has more than one receiver.
    pub multicast_bits: f64,
    /// Bits a second of a stream that has the medium for itself.
    pub stream_bits: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// As if nothing was ever lost.
    Unharmed,
    /// Windows shrink and time-outs double: at 30 % loss each way there is hardly a stream left.
    Lossy,
    /// Everybody's firewall lets none in.
    Blocked,
}

/// What the air remembers.
#[derive(Default)]
pub struct Weather {
    /// Which hosts are in a bad moment.
    bad: Vec<bool>,
    /// Until when the medium is busy with what many receive,
    sending: Instant,
    /// and with streams.
    streaming: Instant,
    /// Bits multicast in the current and the last second.
    load: [(u64, f64); 2],
}

impl Default for Air {
    fn default() -> Air {
        Air {
            loss_out: 0.0,
            loss_in: 0.0,
            bursts: false,
            doubled: 0.0,
            latency: Duration::from_micros(100)..Duration::from_millis(1),
            medium: None,
            tcp: Tcp::Unharmed,
            eats_multicast: false,
        }
    }
}

impl Air {
    /// When a datagram that is sent now has left the medium, or `None` if it does not get out of its host.
    pub fn leave(
        &self,
        from: Who,
        bytes: usize,
        now: Instant,
        weather: &mut Weather,
        dice: &mut Dice,
    ) -> Option<Instant> {
        let mut at = now;
        if let Some(medium) = self.medium {
            let bits = (bytes + FRAMING) as f64 * 8.0;
            weather.count(bits, now);
            if weather.sending.since(now) > MOST_QUEUED {
                return None;
            }
            at = weather.sending.max(now) + Duration::from_secs_f64(bits / medium.multicast_bits);
            weather.sending = at;
        }
        let burst = self.bursts && weather.burst(from, dice) && dice.fraction() < BURST_LOSS_OUT;
        (!burst && dice.fraction() >= self.loss_out).then_some(at)
    }

    /// Whether a datagram that is on its way gets into a host.
    pub fn arrives(&self, to: Who, weather: &mut Weather, dice: &mut Dice) -> bool {
        let burst = self.bursts && weather.burst(to, dice) && dice.fraction() < BURST_LOSS_IN;
        !burst && (self.loss_in == 0.0 || dice.fraction() >= self.loss_in)
    }

    /// How much longer than the latency it takes until so many bytes of a stream have come through, in order; `None` if the two give up.
    pub fn carry(
        &self,
        bytes: usize,
        now: Instant,
        weather: &mut Weather,
        dice: &mut Dice,
    ) -> Option<Duration> {
        let mut span = match self.tcp {
            Tcp::Unharmed | Tcp::Blocked => Duration::ZERO,
            Tcp::Lossy => self.retransmissions(bytes, dice)?,
        };
        if let Some(medium) = self.medium {
            let segments = bytes.div_ceil(SEGMENT).max(1);
            let bits = (bytes + segments * FRAMING) as f64 * 8.0;
            let free = (1.0 - weather.load(now) / medium.multicast_bits).max(LEAST_SHARE);
            let done =
                weather.streaming.max(now) + Duration::from_secs_f64(bits / (medium.stream_bits * free));
            weather.streaming = done;
            span += done.since(now);
        }
        Some(span)
    }

    /// How long a stream takes to be opened: three segments of TCP, three flights of TLS; `None` if one gives up first.
    pub fn open(&self, now: Instant, weather: &mut Weather, dice: &mut Dice) -> Option<Duration> {
        if self.tcp == Tcp::Blocked {
            return None;
        }
        let mut span = dice.span(self.latency.clone()) * 3;
        if self.tcp == Tcp::Lossy {
            let mut wait = SYN_TIMEOUT;
            // Both the question and the answer have to come through.
            while dice.fraction() < self.path_loss() || dice.fraction() < self.path_loss() {
                span += wait;
                wait *= 2;
                if span > GIVES_UP_DIALLING {
                    return None;
                }
            }
        }
        for flight in [400, 1200, 400] {
            span += self.carry(flight, now, weather, dice)?;
        }
        (span <= GIVES_UP_DIALLING).then_some(span)
    }

    /// The probability that a datagram of one host does not reach another.
    fn path_loss(&self) -> f64 {
        1.0 - (1.0 - self.loss_out) * (1.0 - self.loss_in)
    }

    fn retransmissions(&self, bytes: usize, dice: &mut Dice) -> Option<Duration> {
        let lost = self.path_loss();
        if lost == 0.0 {
            return Some(Duration::ZERO);
        }
        let mut span = Duration::ZERO;
        let mut segments = bytes.div_ceil(SEGMENT).max(1);
        // The window that a loss of this rate allows (Mathis et al. 1997).
        let window = (1.22 / lost.sqrt()).clamp(1.0, 64.0) as usize;
        while segments > 0 {
            let flight = segments.min(window);
            let tries = (0..flight).map(|_| (0..16).take_while(|_| dice.fraction() < lost).count()).max()?;
            span += self.latency.end * 2;
            if tries > 0 && (tries > 1 || flight < 4) {
                // Nothing behind it tells of the loss: only time does.
                span += RETRANSMISSION * (2u32.pow(tries as u32) - 1);
            }
            segments -= flight;
            if span > GIVES_UP_SENDING {
                return None;
            }
        }
        Some(span)
    }
}

impl Weather {
    /// Whether a host is in a bad moment now; each look lets time pass for it (Gilbert and Elliott).
    fn burst(&mut self, who: Who, dice: &mut Dice) -> bool {
        if self.bad.len() <= who.0 {
            self.bad.resize(who.0 + 1, false);
        }
        let chance = dice.fraction();
        let bad = &mut self.bad[who.0];
        *bad = if *bad { chance >= BURST_ENDS } else { chance < BURST_BEGINS };
        *bad
    }

    fn count(&mut self, bits: f64, now: Instant) {
        let second = now.0 / 1_000_000;
        if self.load[0].0 != second {
            self.load = [(second, 0.0), self.load[0]];
        }
        self.load[0].1 += bits;
    }

    fn load(&self, now: Instant) -> f64 {
        let last = now.0 / 1_000_000 - 1;
        self.load.iter().find(|(second, _)| *second == last).map_or(0.0, |(_, bits)| *bits)
    }
}

/// Bytes around a datagram or segment: Ethernet, IP, UDP or TCP.
pub const FRAMING: usize = 42;
const SEGMENT: usize = 1400;
/// A sender's queue holds no more than this.
const MOST_QUEUED: Duration = Duration::from_millis(500);
/// However much is multicast, streams get so much of the medium.
const LEAST_SHARE: f64 = 0.1;
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
const RETRANSMISSION: Duration = Duration::from_millis(200);
const GIVES_UP_DIALLING: Duration = Duration::from_secs(5);
const GIVES_UP_SENDING: Duration = Duration::from_secs(90);
/// A burst begins once in twenty looks and lasts four.
const BURST_BEGINS: f64 = 0.05;
const BURST_ENDS: f64 = 0.25;
const BURST_LOSS_OUT: f64 = 0.5;
const BURST_LOSS_IN: f64 = 0.9;

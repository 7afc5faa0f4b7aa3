//! A session with threads: one listens to the network, one does everything else. The second owns the session, so nothing is locked while
//! sound is made; what others want of it comes over the same channel as packets, and is looked at as soon as it comes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::audio::{AudioIn, AudioOut};
use crate::packet::PACKET_BYTES;
use crate::priority;
use crate::seal::Key;
use crate::session::{Member, Report, Session, Setup, Transmit, Way};
use crate::trouble::Trouble;

/// How packets leave and come. One is used for one call: what comes over it is of that call or is dropped.
pub trait Wire: Send + Sync + 'static {
    /// Sends to the call's group, over every interface in use. Must not wait.
    ///
    /// # Errors
    /// When no interface took it.
    fn multicast(&self, packet: &[u8]) -> io::Result<()>;

    /// Sends to one device. Must not wait.
    ///
    /// # Errors
    /// When the system refused it.
    fn unicast(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()>;

    /// Waits for the next packet, `timeout` at the most; `None` when none came. What is longer than the buffer may be cut.
    ///
    /// # Errors
    /// When the sockets are no longer good. It is told as trouble and tried again after a while.
    fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<Received>>;
}

/// What came into the buffer, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How many bytes of the buffer it is.
    pub bytes: usize,
    pub from: SocketAddr,
    /// Told by the socket that it came to.
    pub way: Way,
}

/// A call that this device is in. Dropping it ends it and joins its threads.
pub struct Conference {
    asked: SyncSender<Cause>,
    report: Arc<Mutex<Report>>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Conference {
    /// Begins to listen and to speak. With no members nothing is sent.
    ///
    /// # Errors
    /// `Trouble::Start` if the codec or a thread cannot be made. What is wrong with a device is no error: it is in the
    /// report.
    pub fn start(
        setup: Setup,
        wire: Arc<dyn Wire>,
        microphone: Box<dyn AudioIn>,
        speaker: Box<dyn AudioOut>,
    ) -> Result<Conference, Trouble> {
        let session = Session::new(setup)?;
        let (asked, causes) = sync_channel(WAITING);
        let report = Arc::new(Mutex::new(session.report(Duration::ZERO)));
        let ended = Arc::new(AtomicBool::new(false));
        let network_trouble = Arc::new(Mutex::new(None));
        let mut conference =
            Conference { asked: asked.clone(), report: report.clone(), ended, threads: Vec::new() };

        let worker = Worker {
            session,
            microphone,
            speaker,
            wire: wire.clone(),
            begun: Instant::now(),
            report,
            network_trouble: network_trouble.clone(),
            unsent: None,
            late: Late::default(),
            is_first: false,
            is_renewed: false,
            out: Vec::new(),
        };
        conference.spawn("call-sound", move || worker.run(&causes))?;
        let listener = Listener { wire, asked, ended: conference.ended.clone(), trouble: network_trouble };
        conference.spawn("call-network", move || listener.run())?;
        Ok(conference)
    }

    /// Who is in the call beside this device, anew each time. Who stays, stays without a gap.
    pub fn set_members(&self, members: Vec<Member>) {
        self.ask(Cause::Members(members));
    }

    /// Seals with this key from now on, as when somebody was put out.
    pub fn set_key(&self, key: Key) {
        self.ask(Cause::Key(key));
    }

    /// While muted nothing that the microphone hears is sent: one packet a second says that this device is there.
    pub fn set_muted(&self, muted: bool) {
        self.ask(Cause::Muted(muted));
    }

    /// Goes on with another microphone, without a gap for those who listen.
    pub fn replace_microphone(&self, microphone: Box<dyn AudioIn>) {
        self.ask(Cause::Microphone(microphone));
    }

    pub fn replace_speaker(&self, speaker: Box<dyn AudioOut>) {
        self.ask(Cause::Speaker(speaker));
    }

    /// How it goes: a copy of what is renewed ten times a second.
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Trouble> {
        let thread = Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(|error| Trouble::Start(error.to_string()))?);
        Ok(())
    }

    fn ask(&self, cause: Cause) {
        // The worker ends only after this value does.
        let _ = self.asked.send(cause);
    }
}

impl Drop for Conference {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.ask(Cause::End);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the call panicked");
            }
        }
    }
}

/// What the worker is woken for, beside the time.
enum Cause {
    Packet { at: Instant, way: Way, from: SocketAddr, bytes: Vec<u8> },
    Members(Vec<Member>),
    Key(Key),
    Muted(bool),
    Microphone(Box<dyn AudioIn>),
    Speaker(Box<dyn AudioOut>),
    End,
}

struct Listener {
    wire: Arc<dyn Wire>,
    asked: SyncSender<Cause>,
    ended: Arc<AtomicBool>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Listener {
    fn run(&self) {
        priority::raise("network");
        let mut buffer = [0; PACKET_BYTES + 1];
        let mut budget = Budget::default();
        while !self.ended.load(Ordering::Relaxed) {
            match self.wire.receive(&mut buffer, LOOKED_UP) {
                Ok(None) => *lock(&self.trouble) = None,
                Ok(Some(Received { bytes, from, way })) => {
                    *lock(&self.trouble) = None;
                    if let Some(rest) = budget.spend(Instant::now()) {
                        std::thread::sleep(rest);
                    }
                    let bytes = buffer[..bytes.min(buffer.len())].to_vec();
                    let packet = Cause::Packet { at: Instant::now(), way, from, bytes };
                    // A worker that is so far behind would play none of it.
                    if let Err(TrySendError::Disconnected(_)) = self.asked.try_send(packet) {
                        return;
                    }
                }
                Err(error) => {
                    *lock(&self.trouble) = Some(Trouble::Network(error.to_string()));
                    std::thread::sleep(TRIED_AGAIN);
                }
            }
        }
    }
}

/// A thread that goes before others must not be kept busy by whoever floods the port: there are so many packets in a tick, and then
/// it rests, while the system drops what is too much.
struct Budget {
    since: Instant,
    packets: u32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { since: Instant::now(), packets: 0 }
    }
}

impl Budget {
    /// How long to rest, if this packet was the last of its tick.
    fn spend(&mut self, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.since) >= TICK {
            *self = Budget { since: now, packets: 0 };
        }
        self.packets += 1;
        let ends = self.since + TICK;
        (self.packets >= MOST_PACKETS).then(|| ends.saturating_duration_since(now))
    }
}

struct Worker {
    session: Session,
    microphone: Box<dyn AudioIn>,
    speaker: Box<dyn AudioOut>,
    wire: Arc<dyn Wire>,
    begun: Instant,
    report: Arc<Mutex<Report>>,
    network_trouble: Arc<Mutex<Option<Trouble>>>,
    /// What the network said of a packet that it did not take, and when.
    unsent: Option<(Instant, Trouble)>,
    late: Late,
    is_first: bool,
    /// Whether the report knows of who is in the call now.
    is_renewed: bool,
    out: Vec<Transmit>,
}

impl Worker {
    fn run(mut self, causes: &Receiver<Cause>) {
        self.is_first = priority::raise("sound");
        let mut ticks = 0_u32;
        loop {
            let next = self.begun + TICK * ticks;
            match causes.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Cause::End) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(cause) => self.take(cause),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= next {
                self.late.note(now, now - next);
                self.tick(now);
                // What was missed is not made up for: the ends say themselves how much they have and want.
                let passed = (now - self.begun).as_millis() / TICK.as_millis();
                ticks = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
            }
            self.transmit();
        }
    }

    fn take(&mut self, cause: Cause) {
        match cause {
            Cause::Packet { at, way, from, bytes } => {
                self.session.receive(
                    at.saturating_duration_since(self.begun),
                    way,
                    from,
                    &bytes,
                    &mut self.out,
                );
            }
            Cause::Members(members) => {
                self.is_renewed = false;
                if let Err(trouble) = self.session.set_members(members) {
                    tracing::warn!(%trouble, "somebody in the call cannot be heard");
                }
            }
            Cause::Key(key) => self.session.set_key(key),
            Cause::Muted(muted) => self.session.set_muted(muted),
            Cause::Microphone(microphone) => self.microphone = microphone,
            Cause::Speaker(speaker) => self.speaker = speaker,
            Cause::End => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.begun);
        self.session.tick(time, self.microphone.as_mut(), self.speaker.as_mut(), &mut self.out);
        if !self.is_renewed || (time.as_millis() / TICK.as_millis()).is_multiple_of(REPORTED_EVERY) {
            self.is_renewed = true;
            let mut report = self.session.report(time);
            report.trouble.extend(self.microphone.trouble());
            report.trouble.extend(self.speaker.trouble());
            let unsent =
                self.unsent.as_ref().filter(|(then, _)| now.saturating_duration_since(*then) < UNSENT_FOR);
            let unsent = unsent.map(|(_, trouble)| trouble.clone());
            report.trouble.extend(lock(&self.network_trouble).clone().or(unsent));
            if self.late.is_often(now) {
                report.trouble.push(if self.is_first { Trouble::TooSlow } else { Trouble::NotFirst });
            }
            *lock(&self.report) = report;
        }
    }

    fn transmit(&mut self) {
        for transmit in self.out.drain(..) {
            let sent = match &transmit {
                Transmit::Group(packet) => self.wire.multicast(packet),
                Transmit::To(to, packet) => self.wire.unicast(*to, packet),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "a packet of the call was not sent");
                self.unsent = Some((Instant::now(), Trouble::Network(error.to_string())));
            }
        }
    }
}

/// When the worker was woken so late that sound broke off.
#[derive(Default)]
struct Late {
    times: Vec<Instant>,
}

impl Late {
    fn note(&mut self, now: Instant, by: Duration) {
        if by >= TOO_LATE {
            self.times.push(now);
        }
        self.times.retain(|then| now.saturating_duration_since(*then) < LATELY);
    }

    fn is_often(&self, now: Instant) -> bool {
        self.times.iter().filter(|then| now.saturating_duration_since(**then) < LATELY).count() >= OFTEN
    }
}

/// A thread that panicked left whole values behind: they are written in one go.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

const TICK: Duration = Duration::from_millis(10);
/// In ticks.
const REPORTED_EVERY: u128 = 10;
/// Packets of a fifth of a second from twenty who speak at once.
const WAITING: usize = 256;
/// In a tick: what two hundred who speak at once send.
const MOST_PACKETS: u32 = 100;
/// How often the listener looks whether the call has ended.
const LOOKED_UP: Duration = Duration::from_millis(100);
const TRIED_AGAIN: Duration = Duration::from_millis(500);
/// More than devices and buffers bridge.
const TOO_LATE: Duration = Duration::from_millis(40);
const LATELY: Duration = Duration::from_secs(10);
const OFTEN: usize = 5;
/// For how long it is said that a packet was not sent.
const UNSENT_FOR: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_rested_from_and_a_large_call_is_not() {
        let begun = Instant::now();
        let mut budget = Budget { since: begun, packets: 0 };
        let rests = (1..MOST_PACKETS).filter(|_| budget.spend(begun).is_some()).count();
        assert_eq!(rests, 0);
        assert_eq!(budget.spend(begun + TICK / 2), Some(TICK / 2));
        assert_eq!(budget.spend(begun + TICK), None, "the next tick");
    }
}

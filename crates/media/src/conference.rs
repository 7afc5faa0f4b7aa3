//! A session with threads: one that listens to the network, one that works every ten milliseconds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::{AudioIn, AudioOut};
use crate::seal::Key;
use crate::session::{Member, PushToTalk, Report, Setup, Way};
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
pub struct Conference {}

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
        let _ = (setup, wire, microphone, speaker);
        Ok(Conference {})
    }

    /// Who is in the call beside this device, anew each time. Who stays, stays without a gap.
    pub fn set_members(&self, members: Vec<Member>) {
        let _ = members;
    }

    /// Seals with this key from now on, as when somebody was put out.
    pub fn set_key(&self, key: Key) {
        let _ = key;
    }

    /// While muted nothing that the microphone hears is sent: one packet a second says that this device is there.
    pub fn set_muted(&self, muted: bool) {
        let _ = muted;
    }

    pub fn set_push_to_talk(&self, push: PushToTalk) {
        let _ = push;
    }

    /// Goes on with another microphone, without a gap for those who listen.
    pub fn replace_microphone(&self, microphone: Box<dyn AudioIn>) {
        let _ = microphone;
    }

    pub fn replace_speaker(&self, speaker: Box<dyn AudioOut>) {
        let _ = speaker;
    }

    /// How it goes: a copy of what is renewed ten times a second.
    pub fn report(&self) -> Report {
        Report::default()
    }
}

//! Real microphones and loudspeakers, through cpal. Each is kept open by a thread of its own, which opens it again when it is gone;
//! the call goes on meanwhile.

mod convert;
mod open;
mod port;

use crate::audio::{AudioIn, AudioOut};
use crate::trouble::Trouble;

/// What can be chosen. Names are what is chosen by; of several with one name the later have a number behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    pub microphones: Vec<Device>,
    pub speakers: Vec<Device>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// The one that the system uses where nothing was chosen.
    pub is_default: bool,
}

/// What is there now. May take some hundred milliseconds.
///
/// # Errors
/// `NoSoundSystem`.
pub fn list() -> Result<Devices, Trouble> {
    open::list()
}

/// Opens a microphone in a thread of its own; `None` is the system's. Never fails: what is wrong is its `trouble`, and it
/// is tried again every two seconds.
pub fn microphone(name: Option<String>) -> Box<dyn AudioIn> {
    Box::new(port::Microphone::open(name))
}

/// As `microphone`, for what plays sound.
pub fn speaker(name: Option<String>) -> Box<dyn AudioOut> {
    Box::new(port::Speaker::open(name))
}

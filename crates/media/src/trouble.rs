//! What can be wrong with sound, in sentences for the person in the call. A call goes on with what works.

use std::path::PathBuf;

use thiserror::Error;

/// What is in the way. Each is told as it is; nobody has to know the system's words for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Trouble {
    #[error("there is no microphone, so the others cannot hear you")]
    NoMicrophone,
    #[error("there is nothing to play sound with, so you cannot hear the others")]
    NoSpeaker,
    #[error("the microphone is gone, so the others cannot hear you; it is used again when it is back")]
    MicrophoneGone,
    #[error("what plays sound is gone, so you cannot hear the others; it is used again when it is back")]
    SpeakerGone,
    #[error("there is no microphone “{0}” here")]
    NoSuchMicrophone(String),
    #[error("there is nothing called “{0}” here to play sound with")]
    NoSuchSpeaker(String),
    #[error("another program uses the microphone alone, so the others cannot hear you")]
    MicrophoneBusy,
    #[error("another program uses what plays sound alone, so you cannot hear the others")]
    SpeakerBusy,
    #[error("the system does not let Lanyard use the microphone: allow it in the system's privacy settings")]
    MicrophoneForbidden,
    #[error("the system does not let Lanyard play sound")]
    SpeakerForbidden,
    #[error("no system for sound runs here, so nothing can be heard or said")]
    NoSoundSystem,
    #[error("the microphone does not work: {0}")]
    Microphone(String),
    #[error("what plays sound does not work: {0}")]
    Speaker(String),
    #[error("the sound file {} cannot be used: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("this device is too busy for the call: what you hear and say may break off")]
    TooSlow,
    #[error("the system does not let the call go before other programs: under load it may break off")]
    NotFirst,
    #[error("the network does not take the call's packets: {0}")]
    Network(String),
    #[error("the call cannot run: {0}")]
    Start(String),
}

//! What is wrong with the sound, in sentences that the window has in its languages.

use lanyard_media::Trouble;

use crate::api::Sentence;
use crate::saying;

pub fn sentence(trouble: &Trouble) -> Sentence {
    let said = match trouble {
        Trouble::NoMicrophone => saying!("There is no microphone, so the others cannot hear you."),
        Trouble::NoSpeaker => saying!("There is nothing to play sound with, so you cannot hear the others."),
        Trouble::MicrophoneGone => saying!(
            "The microphone is gone, so the others cannot hear you. It is used again when it is back."
        ),
        Trouble::SpeakerGone => saying!(
            "What plays sound is gone, so you cannot hear the others. It is used again when it is back."
        ),
        Trouble::NoSuchMicrophone(name) => saying!("There is no microphone “{name}” here.", name),
        Trouble::NoSuchSpeaker(name) => {
            saying!("There is nothing called “{name}” here to play sound with.", name)
        }
        Trouble::MicrophoneBusy => {
            saying!("Another program uses the microphone alone, so the others cannot hear you.")
        }
        Trouble::SpeakerBusy => {
            saying!("Another program uses what plays sound alone, so you cannot hear the others.")
        }
        Trouble::MicrophoneForbidden => saying!(
            "The system does not let Lanyard use the microphone. Allow it in the system's privacy settings."
        ),
        Trouble::SpeakerForbidden => saying!("The system does not let Lanyard play sound."),
        Trouble::NoSoundSystem => saying!("No system for sound runs here, so nothing can be heard or said."),
        Trouble::Microphone(why) => saying!("The microphone does not work: {why}.", why),
        Trouble::Speaker(why) => saying!("What plays sound does not work: {why}.", why),
        Trouble::File { path, why } => saying!("The sound file {path} cannot be used: {why}.", path, why),
        Trouble::TooSlow => {
            saying!("This device is too busy for the call: what you hear and say may break off.")
        }
        Trouble::NotFirst => {
            saying!("The system does not let the call go before other programs. Under load it may break off.")
        }
        Trouble::Network(why) => saying!("The network does not take what is said: {why}.", why),
        Trouble::Start(why) => saying!("The call cannot run: {why}.", why),
    };
    Sentence::from(said)
}

#![no_main]

use lanyard_fuzz::voices::Listener;
use lanyard_media::packet::{Audio, Header, decode_report, encode_report};
use libfuzzer_sys::fuzz_target;

// What comes from a call's group: as strangers send it, and as a member who has the key would to harm the others.
fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, sealed)) = Header::decode(bytes) {
        assert_eq!([&header.encode()[..], sealed].concat(), bytes);
    }
    if let Ok(audio) = Audio::decode(bytes) {
        assert_eq!(audio.encode(), bytes);
    }
    if let Ok(receptions) = decode_report(bytes) {
        assert_eq!(encode_report(&receptions), bytes);
    }
    let mut listener = Listener::new();
    listener.receive(bytes);
    listener.receive_sealed(bytes);
    listener.play();
});

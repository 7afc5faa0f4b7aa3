//! The sixty digits of two devices: the numeric fingerprint of Signal and WhatsApp, with Lanyard's keys.
//!
//! Each half is computed from one key alone. A number over both keys together could be attacked by somebody who makes many
//! keys for both sides and looks for two that agree, at half the bits (the birthday bound); so whoever wants to pass for a
//! device has to find a key with the same thirty digits, about 2^99 tries of 5200 hashes each.

use sha2::{Digest, Sha512};

use crate::model::PeerId;

/// Digits of a number.
pub const DIGITS: usize = 60;

/// The same for both devices, whoever computes it: the lower half first.
pub fn safety_number(one: PeerId, other: PeerId) -> String {
    let mut halves = [half(one), half(other)];
    halves.sort();
    halves.concat()
}

/// Thirty digits: six groups of five, each of five bytes of a hash that takes some milliseconds.
fn half(key: PeerId) -> String {
    let mut hash = Sha512::new().chain_update(b"lanyard number v1").chain_update(key.0).finalize();
    for _ in 1..ROUNDS {
        hash = Sha512::new().chain_update(hash).chain_update(key.0).finalize();
    }
    let groups = hash.as_chunks::<5>().0.iter().take(DIGITS / 2 / 5);
    groups
        .map(|[a, b, c, d, e]| format!("{:05}", u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]) % 100_000))
        .collect()
}

/// Hashes of one half, as many as Signal takes: each try of somebody who looks for a key costs as much.
const ROUNDS: u32 = 5200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn key(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    #[test]
    fn both_sides_see_the_same_sixty_digits_and_nobody_else_does() {
        let number = safety_number(key(1), key(2));
        assert_eq!(number, safety_number(key(2), key(1)));
        assert_eq!(number.len(), DIGITS);
        assert!(number.bytes().all(|digit| digit.is_ascii_digit()), "{number}");
        assert_ne!(number, safety_number(key(1), key(3)));
        assert_ne!(number, safety_number(key(3), key(2)));
    }

    #[test]
    fn a_half_follows_from_one_key_alone() {
        let halves = |one, other| {
            let number = safety_number(key(one), key(other));
            [number[..30].to_owned(), number[30..].to_owned()]
        };
        let (with_two, with_three) = (halves(1, 2), halves(1, 3));
        let shared = with_two.iter().filter(|half| with_three.contains(half)).count();
        assert_eq!(shared, 1, "only the half of the first is in both: {with_two:?} {with_three:?}");
    }

    /// What people compared once has to stay what it was: the number is a part of the protocol.
    #[test]
    fn the_number_of_two_known_keys_stays_the_same() {
        assert_eq!(safety_number(key(1), key(2)), KNOWN);
    }

    const KNOWN: &str = "178150878631326433456608704599712748565648707880226035136457";
}

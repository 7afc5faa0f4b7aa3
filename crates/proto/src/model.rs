//! Ids and plain values. Nothing here acts; everything here can be compared, ordered and shown.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A device: its Ed25519 public key (RFC 8032), 32 bytes.
///
/// A `PeerId` inside the protocol was proven, by a signature or by a TLS handshake. Names are only claims.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 32]);

impl PeerId {
    /// The device in what is said of a call, and in its packets. For telling those in a call apart, never for proof.
    pub fn talker(&self) -> Talker {
        core::array::from_fn(|i| self.0[i])
    }

    /// The first 40 bits as 8 base32 characters. For telling two people of one name apart, never for proof.
    pub fn short(&self) -> String {
        BASE32_NOPAD.encode(&self.0[..5]).to_lowercase()
    }

    /// The whole key for people: 52 base32 characters and 4 check characters, in groups of four.
    pub fn spelled(&self) -> String {
        let digits = format!("{}{}", BASE32_NOPAD.encode(&self.0), self.check_characters());
        let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|at| &digits[at..at + 4]).collect();
        groups.join(" ")
    }

    /// Reads [`PeerId::spelled`] or the [`fmt::Display`] form, with or without spaces, hyphens and check characters.
    pub fn parse(text: &str) -> Option<PeerId> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let digits = digits.to_ascii_uppercase();
        if !digits.is_ascii() || (digits.len() != 52 && digits.len() != 56) {
            return None;
        }
        let key = BASE32_NOPAD.decode(&digits.as_bytes()[..52]).ok()?;
        let peer = PeerId(key.try_into().ok()?);
        (digits.len() == 52 || digits[52..] == peer.check_characters()).then_some(peer)
    }

    fn check_characters(&self) -> String {
        let sum = Sha256::digest([b"lanyard peer check".as_slice(), &self.0].concat());
        BASE32_NOPAD.encode(&sum[..5])[..4].to_owned()
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_lowercase())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.short())
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Reads the [`fmt::Display`] form: lower-case hexadecimal, whole.
            pub fn parse(text: &str) -> Option<Self> {
                HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), HEXLOWER.encode(&self.0[..4]))
            }
        }
    };
}

hex_id!(
    /// A room. How it is derived says what kind of room it is, see [`crate::rooms`].
    RoomId, 32
);
hex_id!(
    /// One entry of a log: SHA-256 over its signed header and the signature.
    EntryId, 32
);
hex_id!(
    /// One log: the first 8 bytes of SHA-256 over its author and nonce.
    LogId, 8
);
hex_id!(
    /// One invite to a private room: the first 16 bytes of the SHA-256 of its secret.
    InviteId, 16
);
hex_id!(
    /// One key of a private room: the first 16 bytes of the SHA-256 of a label and the key.
    KeyId, 16
);
hex_id!(
    /// One offer of files and everything that follows from it; chosen by the device that offers.
    TransferId, 16
);

hex_id!(
    /// One folder that a device shares; random, chosen by that device.
    ShareId, 16
);
hex_id!(
    /// One call; random, chosen by whoever starts it.
    CallId, 16
);
hex_id!(
    /// One wish to be dialled; random, chosen by whoever wishes it.
    Token, 16
);

impl TransferId {
    /// Begins with the first half of the offering device's key, so that nobody else can use it; the rest is random.
    pub fn new(author: PeerId, random: [u8; 8]) -> TransferId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&author.0[..8]);
        id[8..].copy_from_slice(&random);
        TransferId(id)
    }

    /// Whether somebody who wrote this means it: the beginning of the id, or of its random half, which alone tells what one
    /// device offers apart.
    pub fn is_meant(&self, written: &str) -> bool {
        let (id, written) = (self.to_string(), written.to_lowercase());
        !written.is_empty() && (id.starts_with(&written) || id[16..].starts_with(&written))
    }

    /// Whether this device may offer under the id.
    pub fn is_of(&self, author: PeerId) -> bool {
        self.0[..8] == author.0[..8]
    }
}

/// The first 8 bytes of a device's id.
pub type Talker = [u8; 8];

/// A secret that opens something. Never printed, and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// The place of an entry in its log. The first entry is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The place right behind this one.
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

/// Consecutive places of a log: those behind `after`, up to `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub after: Seq,
    pub to: Seq,
}

impl Span {
    pub fn contains(self, seq: Seq) -> bool {
        self.after < seq && seq <= self.to
    }

    pub fn is_empty(self) -> bool {
        self.to <= self.after
    }

    /// How many places it has.
    pub fn count(self) -> u64 {
        self.to.0.saturating_sub(self.after.0)
    }

    /// Both as one, where nothing lies between them; otherwise the one that reaches further.
    #[must_use]
    pub fn joined(self, other: Span) -> Span {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other } else { self };
        }
        let (lower, upper) = if self.to < other.to { (self, other) } else { (other, self) };
        let after = if upper.after <= lower.to { lower.after.min(upper.after) } else { upper.after };
        Span { after, to: upper.to }
    }
}

/// A hybrid logical clock reading: 48 bits of Unix milliseconds, then a 16-bit counter (Kulkarni et al., 2014).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first reading of a millisecond.
    pub fn at(time: UnixMillis) -> Hlc {
        Hlc(time.0.min((1 << 48) - 1) << 16)
    }

    /// The wall-clock part.
    pub fn unix(self) -> UnixMillis {
        UnixMillis(self.0 >> 16)
    }

    /// The smallest reading above this one.
    pub fn next(self) -> Hlc {
        Hlc(self.0.saturating_add(1))
    }
}

/// What a device says it runs on. A claim, like its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    Linux,
    Macos,
    Windows,
    #[default]
    Other,
}

/// One TCP connection, numbered by the engine; never used twice in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A point on the monotonic clock, in microseconds since an origin that only the engine knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// How long ago `earlier` was; zero if it is not in the past.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, span: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z by this device's wall clock, which may be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

/// Both clocks, read together by whoever calls the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    pub unix: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelled_peer_id_reads_back_and_a_mistyped_one_does_not() {
        let peer = PeerId(core::array::from_fn(|i| i as u8 * 7));
        assert_eq!(PeerId::parse(&peer.spelled()), Some(peer));
        assert_eq!(PeerId::parse(&peer.to_string()), Some(peer));
        let mut mistyped = peer.spelled();
        let last = if mistyped.ends_with('A') { "B" } else { "A" };
        mistyped.replace_range(mistyped.len() - 1.., last);
        assert_eq!(PeerId::parse(&mistyped), None);
        assert_eq!(PeerId::parse("naïve"), None);
    }

    #[test]
    fn spans_are_joined_only_where_nothing_is_missing_between_them() {
        let span = |after, to| Span { after: Seq(after), to: Seq(to) };
        assert_eq!(span(0, 4).joined(span(4, 9)), span(0, 9));
        assert_eq!(span(5, 9).joined(span(0, 4)), span(5, 9), "place 5 is missing");
        assert_eq!(span(2, 9).joined(span(3, 5)), span(2, 9));
        assert_eq!(Span::default().joined(span(3, 5)), span(3, 5));
        assert!(span(3, 5).contains(Seq(5)) && !span(3, 5).contains(Seq(3)));
        assert_eq!((span(3, 5).count(), span(5, 3).count()), (2, 0));
    }

    #[test]
    fn time_never_goes_below_zero() {
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
        assert_eq!(Instant(5) - Duration::from_secs(1), Instant(0));
    }
}

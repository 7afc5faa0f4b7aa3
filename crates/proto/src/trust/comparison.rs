//! Comparing seven emoji: a short authentication string with a commitment (as in ZRTP, RFC 6189, and Matrix).
//!
//! ```text
//!   whoever asks (A)                        whoever is asked (B)
//!     COMMIT  SHA-256(label, nA, A, B)  ->
//!                                       <-  NONCE  nB, once B's person agreed
//!     REVEAL  nA                        ->  checks it against COMMIT
//!     both show 42 bits of HKDF(keying material of this connection, nA, nB, A, B)
//!     SAME or DIFFERENT, as the person says; both ways
//! ```
//!
//! Somebody in between has two connections, so other keying material and other keys on each, and needs both to come to
//! the same 42 bits. On either side it has to fix its own part before it learns what that comes to: towards B it commits
//! before it sees nB, towards A it sends its nonce before nA is revealed. So it has one try, of 2^-42, for each time that a
//! person begins; without the commitment it could try nonces until one fits.

use std::time::Duration;

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use crate::model::{Instant, PeerId};
use crate::wire::compare::Compare;

/// One comparison, at one of its two devices.
pub struct Comparison {
    side: Side,
    asking: PeerId,
    asked: PeerId,
    /// Keying material that only the two ends of this connection share, see [`SAS_LABEL`].
    exporter: [u8; 32],
    nonce: [u8; 32],
    /// What the other side committed to; only where this one is asked.
    commitment: Option<[u8; 32]>,
    /// Whether a person here agreed to compare.
    agreed: bool,
    stage: Stage,
    deadline: Instant,
}

/// Who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Asking,
    Asked,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The other side's person has not agreed yet.
    Waiting,
    /// A person here is asked whether to compare.
    Asked,
    /// Both agreed; the two devices settle what is to be seen.
    Settling,
    /// These are to be seen on both screens, by their numbers in [`super::EMOJI`].
    Shown {
        emoji: [u8; EMOJI_SHOWN],
        /// Whether the person here has said that they are the same, and whether the other side's has.
        here: bool,
        there: bool,
    },
    /// Both people saw the same: nobody is in between.
    Matched,
    Ended(End),
}

/// Why a comparison came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A person here did not want to, or no longer.
    Cancelled,
    /// A person there did not.
    CancelledThere,
    /// A person here saw other emoji: somebody may be in between.
    Different,
    /// A person there did.
    DifferentThere,
    /// The other side revealed what it had not committed to: it tried to choose what is seen.
    Forged,
    /// It said what makes no sense at this point.
    Nonsense,
    /// Nobody answered, or the two devices took too long.
    TimedOut,
    /// The connection is gone.
    Lost,
}

impl Comparison {
    /// A person here began, and `peer` was reached. What is to be sent first.
    pub fn ask(
        me: PeerId,
        peer: PeerId,
        exporter: [u8; 32],
        nonce: [u8; 32],
        now: Instant,
    ) -> (Self, Compare) {
        let comparison = Comparison {
            side: Side::Asking,
            asking: me,
            asked: peer,
            exporter,
            nonce,
            commitment: None,
            agreed: true,
            stage: Stage::Waiting,
            deadline: now + AGREE_WITHIN,
        };
        let commitment = commitment(&nonce, me, peer);
        (comparison, Compare::Commit(commitment))
    }

    /// `peer` connected, because a person there began.
    pub fn asked(me: PeerId, peer: PeerId, exporter: [u8; 32], nonce: [u8; 32], now: Instant) -> Self {
        Comparison {
            side: Side::Asked,
            asking: peer,
            asked: me,
            exporter,
            nonce,
            commitment: None,
            agreed: false,
            stage: Stage::Asked,
            deadline: now + AGREE_WITHIN,
        }
    }

    pub fn side(&self) -> Side {
        self.side
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When to call [`Comparison::timer`]; never once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_over()).then_some(self.deadline)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Matched | Stage::Ended(_))
    }

    /// A person here agrees to compare.
    pub fn agree(&mut self, now: Instant) -> Option<Compare> {
        if self.stage != Stage::Asked {
            return None;
        }
        self.agreed = true;
        self.settle(now);
        self.answer()
    }

    /// A person here compared.
    pub fn compared(&mut self, same: bool) -> Option<Compare> {
        let Stage::Shown { emoji, there, here: false } = self.stage else { return None };
        if !same {
            self.stage = Stage::Ended(End::Different);
            return Some(Compare::Different);
        }
        self.stage = if there { Stage::Matched } else { Stage::Shown { emoji, here: true, there } };
        Some(Compare::Same)
    }

    /// A person here does not want to, or no longer.
    pub fn cancel(&mut self) -> Option<Compare> {
        if self.is_over() {
            return None;
        }
        self.stage = Stage::Ended(End::Cancelled);
        Some(Compare::Cancel)
    }

    /// The other side says something. What to answer.
    pub fn heard(&mut self, said: Compare, now: Instant) -> Option<Compare> {
        match (said, self.stage) {
            (_, Stage::Matched | Stage::Ended(_)) => None,
            (Compare::Cancel, _) => self.end(End::CancelledThere),
            (Compare::Commit(commitment), Stage::Asked | Stage::Settling)
                if self.side == Side::Asked && self.commitment.is_none() =>
            {
                self.commitment = Some(commitment);
                self.answer()
            }
            (Compare::Nonce(theirs), Stage::Waiting) => {
                self.show(self.nonce, theirs, now);
                Some(Compare::Reveal(self.nonce))
            }
            (Compare::Reveal(theirs), Stage::Settling) => match self.commitment {
                Some(committed) if committed == commitment(&theirs, self.asking, self.asked) => {
                    self.show(theirs, self.nonce, now);
                    None
                }
                Some(_) => self.end(End::Forged),
                None => self.end(End::Nonsense),
            },
            (Compare::Same, Stage::Shown { emoji, here, there: false }) => {
                self.stage = if here { Stage::Matched } else { Stage::Shown { emoji, here, there: true } };
                None
            }
            (Compare::Different, Stage::Shown { .. }) => self.end(End::DifferentThere),
            _ => self.end(End::Nonsense),
        }
    }

    /// What came on the connection is none of the frames that it should be.
    pub fn heard_nonsense(&mut self) {
        self.end(End::Nonsense);
    }

    /// The deadline passed.
    pub fn timer(&mut self, now: Instant) {
        if now >= self.deadline {
            self.end(End::TimedOut);
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self) {
        self.end(End::Lost);
    }

    /// Says the own nonce, once both are known: that the person agreed, and what the other side committed to.
    fn answer(&self) -> Option<Compare> {
        (self.agreed && self.commitment.is_some()).then_some(Compare::Nonce(self.nonce))
    }

    fn settle(&mut self, now: Instant) {
        self.stage = Stage::Settling;
        self.deadline = now + SETTLE_WITHIN;
    }

    fn show(&mut self, asking: [u8; 32], asked: [u8; 32], now: Instant) {
        let emoji = emoji(&self.exporter, &asking, &asked, self.asking, self.asked);
        self.stage = Stage::Shown { emoji, here: false, there: false };
        self.deadline = now + COMPARE_WITHIN;
    }

    fn end(&mut self, why: End) -> Option<Compare> {
        if !self.is_over() {
            self.stage = Stage::Ended(why);
        }
        None
    }
}

fn commitment(nonce: &[u8; 32], asking: PeerId, asked: PeerId) -> [u8; 32] {
    let digest = Sha256::new().chain_update(b"lanyard sas commit v1").chain_update(nonce);
    digest.chain_update(asking.0).chain_update(asked.0).finalize().into()
}

/// Both keys, both nonces and the connection: whatever differs between the two ends makes other emoji.
fn emoji(
    exporter: &[u8; 32],
    asking_nonce: &[u8; 32],
    asked_nonce: &[u8; 32],
    asking: PeerId,
    asked: PeerId,
) -> [u8; EMOJI_SHOWN] {
    let mut bits = [0; 8];
    Hkdf::<Sha256>::new(None, exporter)
        .expand_multi_info(&[SAS_LABEL, asking_nonce, asked_nonce, &asking.0, &asked.0], &mut bits)
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    let bits = u64::from_be_bytes(bits);
    core::array::from_fn(|n| (bits >> (64 - 6 * (n + 1)) & 63) as u8)
}

/// What keying material of a connection is exported for (RFC 8446, 7.5).
pub const SAS_LABEL: &[u8] = b"lanyard sas v1";

/// Seven of sixty-four: 42 bits.
const EMOJI_SHOWN: usize = 7;
/// For a person to be found and to say yes.
const AGREE_WITHIN: Duration = Duration::from_secs(120);
/// For the two devices, of which neither waits for a person then.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// For two people to find each other's voice, and to read seven words.
const COMPARE_WITHIN: Duration = Duration::from_secs(300);

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;

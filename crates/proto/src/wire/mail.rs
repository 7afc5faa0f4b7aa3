//! Frames of a sync connection about sealed entries that are kept for somebody who is away.
//!
//! The author of what is kept, and who asks or hands over, are never named: they are whoever is proven to be at the end
//! of the connection. The room follows from the two people, so it is not named either.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::model::{LogId, PeerId, Seq, Span};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::frame::MAX_ENTRIES;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// Author to holder: keep these entries of mine for somebody. Consecutive ones of one log, in their order, as
    /// [`crate::wire::entry::Entry::encode_in_room`] writes them. Answered by `Kept`.
    Deposit { recipient: PeerId, entries: Vec<Vec<u8>> },
    /// Holder to author: what is on my disk of this log of yours, and the recipient's word for what it has.
    Kept(Kept),
    /// Author to holder: what do you keep of it? Answered by `Kept`.
    Ask { recipient: PeerId, log: LogId },
    /// Author to holder: keep nothing of it up to this place any more. Answered by `Kept`.
    Release { recipient: PeerId, log: LogId, to: Seq },
    /// Holder to recipient: I keep these for you.
    Waiting { bundles: Vec<Waiting> },
    /// Recipient to holder: send me these, the oldest first. Answered by one `Bundle`.
    Fetch { author: PeerId, log: LogId, span: Span },
    /// Holder to recipient: as many of them as one frame holds; none if they are not here any more.
    Bundle { author: PeerId, log: LogId, entries: Vec<Vec<u8>> },
    /// Recipient to holder: keep nothing of it up to the end of this any more. Signed, it says that I hold it.
    Taken { author: PeerId, log: LogId, span: Span, signature: Option<[u8; 64]> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub recipient: PeerId,
    pub log: LogId,
    /// Empty if it is nothing.
    pub span: Span,
    /// Why what was to be kept is not.
    pub refused: Option<Why>,
    pub receipt: Option<Receipt>,
}

/// What the recipient has signed to hold; see [`Receipt::signed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub span: Span,
    pub signature: [u8; 64],
}

/// What is kept of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub author: PeerId,
    pub log: LogId,
    pub span: Span,
}

/// Why somebody does not keep what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It keeps nothing for others, or nothing for these two.
    Unwilling,
    /// There is no room for it.
    Full,
    /// It came too fast.
    Hasty,
    /// It was not what it should be.
    Wrong,
    /// A reason of a newer version.
    Other,
}

impl Receipt {
    /// What is signed: room, log, and the two ends of the places that are held.
    pub fn signed(room: crate::model::RoomId, log: LogId, span: Span) -> Vec<u8> {
        let (after, to) = (span.after.0.to_be_bytes(), span.to.0.to_be_bytes());
        [room.0.as_slice(), &log.0, &after, &to].concat()
    }
}

impl Mail {
    /// Type byte and body.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Mail::Deposit { recipient, entries } => {
                let entries = entries.iter().map(|entry| entry.clone().into()).collect();
                (DEPOSIT, to_cbor(&DepositBody { recipient: recipient.0.into(), entries }))
            }
            Mail::Kept(kept) => (KEPT, to_cbor(&KeptBody::from(kept))),
            Mail::Ask { recipient, log } => {
                (ASK, to_cbor(&AskBody { recipient: recipient.0.into(), log: log.0.into() }))
            }
            Mail::Release { recipient, log, to } => {
                let (recipient, log, to) = (recipient.0.into(), log.0.into(), to.0);
                (RELEASE, to_cbor(&ReleaseBody { recipient, log, to }))
            }
            Mail::Waiting { bundles } => {
                let bundles = bundles.iter().map(PlaceBody::from).collect();
                (WAITING, to_cbor(&WaitingBody { bundles }))
            }
            Mail::Fetch { author, log, span } => {
                let place = PlaceBody::from(&Waiting { author: *author, log: *log, span: *span });
                (FETCH, to_cbor(&FetchBody { place }))
            }
            Mail::Bundle { author, log, entries } => {
                let entries = entries.iter().map(|entry| entry.clone().into()).collect();
                (BUNDLE, to_cbor(&BundleBody { author: author.0.into(), log: log.0.into(), entries }))
            }
            Mail::Taken { author, log, span, signature } => {
                let place = PlaceBody::from(&Waiting { author: *author, log: *log, span: *span });
                (TAKEN, to_cbor(&TakenBody { place, signature: signature.map(Into::into) }))
            }
        }
    }

    /// `None` for a type that is not about what is kept.
    ///
    /// # Errors
    /// If the body does not fit its type, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Option<Mail>, DecodeError> {
        Ok(Some(match kind {
            DEPOSIT => {
                let said: DepositBody = from_cbor(body)?;
                Mail::Deposit { recipient: PeerId(said.recipient.into()), entries: entries(said.entries)? }
            }
            KEPT => Mail::Kept(from_cbor::<KeptBody>(body)?.into()),
            ASK => {
                let said: AskBody = from_cbor(body)?;
                Mail::Ask { recipient: PeerId(said.recipient.into()), log: LogId(said.log.into()) }
            }
            RELEASE => {
                let said: ReleaseBody = from_cbor(body)?;
                let (recipient, log) = (PeerId(said.recipient.into()), LogId(said.log.into()));
                Mail::Release { recipient, log, to: Seq(said.to) }
            }
            WAITING => {
                let said: WaitingBody = from_cbor(body)?;
                let bundles = at_most(said.bundles, MAX_WAITING)?.into_iter().map(Waiting::from).collect();
                Mail::Waiting { bundles }
            }
            FETCH => {
                let Waiting { author, log, span } = from_cbor::<FetchBody>(body)?.place.into();
                Mail::Fetch { author, log, span }
            }
            BUNDLE => {
                let said: BundleBody = from_cbor(body)?;
                let (author, log) = (PeerId(said.author.into()), LogId(said.log.into()));
                Mail::Bundle { author, log, entries: entries(said.entries)? }
            }
            TAKEN => {
                let said: TakenBody = from_cbor(body)?;
                let Waiting { author, log, span } = said.place.into();
                Mail::Taken { author, log, span, signature: said.signature.map(Into::into) }
            }
            _ => return Ok(None),
        }))
    }
}

fn entries(said: Vec<ByteVec>) -> Result<Vec<Vec<u8>>, DecodeError> {
    Ok(at_most(said, MAX_ENTRIES)?.into_iter().map(Vec::from).collect())
}

impl Why {
    fn number(self) -> u8 {
        match self {
            Why::Unwilling => 1,
            Why::Full => 2,
            Why::Hasty => 3,
            Why::Wrong => 4,
            Why::Other => u8::MAX,
        }
    }

    fn of(number: u8) -> Why {
        let known = [Why::Unwilling, Why::Full, Why::Hasty, Why::Wrong];
        known.into_iter().find(|why| why.number() == number).unwrap_or(Why::Other)
    }
}

impl From<&Kept> for KeptBody {
    fn from(kept: &Kept) -> KeptBody {
        KeptBody {
            recipient: kept.recipient.0.into(),
            log: kept.log.0.into(),
            after: kept.span.after.0,
            to: kept.span.to.0,
            refused: kept.refused.map(Why::number),
            receipt: kept.receipt.as_ref().map(|receipt| ReceiptBody {
                after: receipt.span.after.0,
                to: receipt.span.to.0,
                signature: receipt.signature.into(),
            }),
        }
    }
}

impl From<KeptBody> for Kept {
    fn from(body: KeptBody) -> Kept {
        let span = |after, to| Span { after: Seq(after), to: Seq(to) };
        Kept {
            recipient: PeerId(body.recipient.into()),
            log: LogId(body.log.into()),
            span: span(body.after, body.to),
            refused: body.refused.map(Why::of),
            receipt: body.receipt.map(|receipt| Receipt {
                span: span(receipt.after, receipt.to),
                signature: receipt.signature.into(),
            }),
        }
    }
}

impl From<&Waiting> for PlaceBody {
    fn from(waiting: &Waiting) -> PlaceBody {
        let Waiting { author, log, span } = waiting;
        PlaceBody { author: author.0.into(), log: log.0.into(), after: span.after.0, to: span.to.0 }
    }
}

impl From<PlaceBody> for Waiting {
    fn from(body: PlaceBody) -> Waiting {
        let span = Span { after: Seq(body.after), to: Seq(body.to) };
        Waiting { author: PeerId(body.author.into()), log: LogId(body.log.into()), span }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct DepositBody {
    #[n(0)]
    recipient: ByteArray<32>,
    #[n(1)]
    entries: Vec<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct KeptBody {
    #[n(0)]
    recipient: ByteArray<32>,
    #[n(1)]
    log: ByteArray<8>,
    #[n(2)]
    after: u64,
    #[n(3)]
    to: u64,
    #[n(4)]
    refused: Option<u8>,
    #[n(5)]
    receipt: Option<ReceiptBody>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct ReceiptBody {
    #[n(0)]
    after: u64,
    #[n(1)]
    to: u64,
    #[n(2)]
    signature: ByteArray<64>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct AskBody {
    #[n(0)]
    recipient: ByteArray<32>,
    #[n(1)]
    log: ByteArray<8>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ReleaseBody {
    #[n(0)]
    recipient: ByteArray<32>,
    #[n(1)]
    log: ByteArray<8>,
    #[n(2)]
    to: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WaitingBody {
    #[n(0)]
    bundles: Vec<PlaceBody>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct PlaceBody {
    #[n(0)]
    author: ByteArray<32>,
    #[n(1)]
    log: ByteArray<8>,
    #[n(2)]
    after: u64,
    #[n(3)]
    to: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct FetchBody {
    #[n(0)]
    place: PlaceBody,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct BundleBody {
    #[n(0)]
    author: ByteArray<32>,
    #[n(1)]
    log: ByteArray<8>,
    #[n(2)]
    entries: Vec<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct TakenBody {
    #[n(0)]
    place: PlaceBody,
    #[n(1)]
    signature: Option<ByteArray<64>>,
}

const DEPOSIT: u8 = 40;
const KEPT: u8 = 41;
const ASK: u8 = 42;
const RELEASE: u8 = 43;
const WAITING: u8 = 44;
const FETCH: u8 = 45;
const BUNDLE: u8 = 46;
const TAKEN: u8 = 47;

/// Logs of which one frame says that they wait: as many as are kept for one device, about 14 kB.
pub const MAX_WAITING: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mail: &Mail) -> Result<Option<Mail>, DecodeError> {
        let (kind, body) = mail.encode();
        Mail::decode(kind, &body)
    }

    fn span(after: u64, to: u64) -> Span {
        Span { after: Seq(after), to: Seq(to) }
    }

    #[test]
    fn frames_read_back_up_to_their_bounds_and_not_beyond() {
        let (author, recipient, log) = (PeerId([1; 32]), PeerId([2; 32]), LogId([3; 8]));
        let receipt = Receipt { span: span(0, u64::MAX), signature: [9; 64] };
        let kept =
            Kept { recipient, log, span: span(4, 9), refused: Some(Why::Full), receipt: Some(receipt) };
        let waiting = Waiting { author, log, span: span(4, u64::MAX) };
        for mail in [
            Mail::Deposit { recipient, entries: vec![vec![7; 120]; MAX_ENTRIES] },
            Mail::Kept(kept.clone()),
            Mail::Kept(Kept { refused: None, receipt: None, ..kept }),
            Mail::Ask { recipient, log },
            Mail::Release { recipient, log, to: Seq(u64::MAX) },
            Mail::Waiting { bundles: vec![waiting; MAX_WAITING] },
            Mail::Fetch { author, log, span: span(4, 9) },
            Mail::Bundle { author, log, entries: vec![] },
            Mail::Taken { author, log, span: span(0, 9), signature: Some([8; 64]) },
            Mail::Taken { author, log, span: span(0, 9), signature: None },
        ] {
            assert!(mail.encode().1.len() < 512 << 10, "a connection holds it");
            assert_eq!(read(&mail), Ok(Some(mail)));
        }
        for mail in [
            Mail::Deposit { recipient, entries: vec![vec![]; MAX_ENTRIES + 1] },
            Mail::Bundle { author, log, entries: vec![vec![]; MAX_ENTRIES + 1] },
            Mail::Waiting { bundles: vec![waiting; MAX_WAITING + 1] },
        ] {
            assert_eq!(read(&mail), Err(DecodeError::TooLong));
        }
        assert_eq!(Mail::decode(200, &[]), Ok(None));
    }

    #[test]
    fn a_reason_of_a_newer_version_is_a_reason() {
        for why in [Why::Unwilling, Why::Full, Why::Hasty, Why::Wrong] {
            assert_eq!(Why::of(why.number()), why);
        }
        assert_eq!(Why::of(77), Why::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in DEPOSIT..=TAKEN, body: Vec<u8>) {
            let _ = Mail::decode(kind, &body);
        }

        #[test]
        fn what_is_cut_or_changed_makes_it_neither_panic_nor_accept_more(cut in 0usize..400, at in 0usize..400, bit in 0u8..8) {
            let waiting = Waiting { author: PeerId([1; 32]), log: LogId([3; 8]), span: span(4, 9) };
            let (kind, mut body) = Mail::Waiting { bundles: vec![waiting; 7] }.encode();
            let length = body.len();
            body[at % length] ^= 1 << bit;
            body.truncate(length - cut % length);
            if let Ok(Some(Mail::Waiting { bundles })) = Mail::decode(kind, &body) {
                prop_assert!(bundles.len() <= 7);
            }
        }
    }
}

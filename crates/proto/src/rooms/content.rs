//! What an entry says, once its body is readable.

mod messages;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::model::{EntryId, TransferId};
use crate::rooms::deed::Deed;
use crate::transfer::{Delay, Failure, Part, Receipt};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::MAX_NAME;
use crate::wire::entry::Signed;
use crate::wire::text;

pub use messages::{MAX_EMOJI, MAX_MENTIONS, MAX_TEXT, MAX_TOPIC, Text, emoji};

/// What an entry is, as its header says (PROTOCOL.md, "Entries"). Kinds that this version does not know are kept,
/// passed on, and shown as written by a newer version.
pub mod kind {
    pub const TEXT: u8 = 1;
    pub const EDIT: u8 = 2;
    pub const DELETE: u8 = 3;
    pub const REACTION: u8 = 4;
    pub const OFFER: u8 = 5;
    pub const META: u8 = 6;
    pub const FORK: u8 = 13;
    pub const RECEIPT: u8 = 15;
    pub const GENESIS: u8 = 0;
    pub const ADD: u8 = 7;
    pub const REMOVE: u8 = 8;
    pub const GRANT: u8 = 9;
    pub const INVITE: u8 = 10;
    pub const REVOKE: u8 = 11;
    pub const APPOINT: u8 = 17;
    pub const RENEWED: u8 = 18;
    pub const PIN: u8 = 16;
}

/// Whether entries of a kind have a place of their own among the messages. Others speak about one that has, about an
/// offer, about a log, or about what people of a private room need not read: keys and invites.
pub fn is_message(kind: u8) -> bool {
    !matches!(
        kind,
        kind::EDIT
            | kind::DELETE
            | kind::REACTION
            | kind::FORK
            | kind::RECEIPT
            | kind::PIN
            | kind::GRANT
            | kind::INVITE
            | kind::REVOKE
    )
}

/// Whether messages of a kind only tell what happened in the room: they never count as unread.
pub fn is_note(kind: u8) -> bool {
    matches!(kind, kind::META | kind::GENESIS | kind::ADD | kind::REMOVE | kind::APPOINT | kind::RENEWED)
}

/// The meaning of an entry's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(Text),
    Offer {
        transfer: TransferId,
        offer: Offer,
    },
    /// What became of an offer at the author of the entry.
    Receipt {
        transfer: TransferId,
        receipt: Receipt,
    },
    /// The author of an offer gives nothing of it for a while, or does again.
    Pause {
        transfer: TransferId,
        on: bool,
    },
    /// Two headers of one log that cannot both be in it. Whether they are genuine is another matter.
    Fork(Box<[Signed; 2]>),
    /// Of a kind that this version does not know, or sealed with a key that this device does not have.
    Unknown,
    /// What a message of the same author reads like from now on.
    Edit {
        target: EntryId,
        text: Text,
    },
    /// A message is taken back.
    Delete {
        target: EntryId,
    },
    /// Somebody puts an emoji on a message, or takes it off.
    Reaction {
        target: EntryId,
        /// One that [`emoji`] lets pass.
        emoji: String,
        on: bool,
    },
    /// What the room is about, at most [`MAX_TOPIC`] bytes; empty for nothing in particular.
    Topic(String),
    Pin {
        target: EntryId,
        on: bool,
    },
    /// Something was done to a private room.
    Deed(Deed),
}

/// What an offer of files says. The entry that holds it commits, by `manifest`, to every name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The first names at the top, at most [`MAX_OFFER_NAMES`], each at most [`MAX_OFFER_NAME_BYTES`] bytes.
    pub names: Vec<String>,
    pub files: u64,
    pub folders: u64,
    pub bytes: u64,
    /// SHA-256 of the encoded manifest.
    pub manifest: [u8; 32],
}

impl Content {
    /// The kind that stands in the header.
    ///
    /// # Panics
    /// For [`Content::Unknown`], which nobody writes.
    pub fn kind(&self) -> u8 {
        match self {
            Content::Text(_) => kind::TEXT,
            Content::Offer { .. } => kind::OFFER,
            Content::Receipt { .. } | Content::Pause { .. } => kind::RECEIPT,
            Content::Deed(deed) => deed.kind(),
            Content::Fork(_) => kind::FORK,
            Content::Edit { .. } => kind::EDIT,
            Content::Delete { .. } => kind::DELETE,
            Content::Reaction { .. } => kind::REACTION,
            Content::Topic(_) => kind::META,
            Content::Pin { .. } => kind::PIN,
            Content::Unknown => unreachable!("nobody writes what nobody knows"),
        }
    }

    /// The body, with what the author calls itself: whoever never meets the author can still show a name.
    pub fn encode(&self, author: &str) -> Vec<u8> {
        let name = Some(author.to_owned());
        match self {
            Content::Text(text) => messages::text_body(text, name),
            Content::Offer { transfer, offer } => to_cbor(&OfferBody {
                transfer: transfer.0.into(),
                names: offer.names.clone(),
                files: offer.files,
                folders: offer.folders,
                bytes: offer.bytes,
                manifest: offer.manifest.into(),
                name,
            }),
            Content::Receipt { transfer, receipt } => to_cbor(&ReceiptBody::new(*transfer, *receipt)),
            Content::Pause { transfer, on } => to_cbor(&ReceiptBody::pause(*transfer, *on)),
            Content::Deed(deed) => deed.encode(author),
            Content::Fork(headers) => {
                let [one, other] = headers.each_ref().map(|signed| signed.bytes().to_vec().into());
                to_cbor(&ForkBody { one, other })
            }
            Content::Unknown => Vec::new(),
            Content::Edit { target, text } => messages::edit_body(*target, text),
            Content::Delete { target } => messages::delete_body(*target),
            Content::Reaction { target, emoji, on } => messages::reaction_body(*target, emoji, *on),
            Content::Topic(topic) => messages::topic_body(topic, name),
            Content::Pin { target, on } => messages::pin_body(*target, *on),
        }
    }

    /// The message that this speaks about, where it speaks about one and has no place of its own.
    pub fn about(&self) -> Option<EntryId> {
        match self {
            Content::Edit { target, .. }
            | Content::Delete { target }
            | Content::Reaction { target, .. }
            | Content::Pin { target, .. } => Some(*target),
            _ => None,
        }
    }

    /// What the author of a message called itself when it wrote this body. A claim, safe to show.
    pub fn claimed_name(body: &[u8]) -> Option<String> {
        let name = text::clean_line(&from_cbor::<NameBody>(body).ok()?.name?, MAX_NAME);
        (!name.is_empty()).then_some(name)
    }

    /// # Errors
    /// If the body does not fit its kind. A kind that is not known is [`Content::Unknown`], no error.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Content, DecodeError> {
        match kind {
            kind::TEXT => messages::text(body),
            kind::EDIT => messages::edit(body),
            kind::DELETE => messages::delete(body),
            kind::REACTION => messages::reaction(body),
            kind::META => messages::topic(body),
            kind::PIN => messages::pin(body),
            kind::OFFER => {
                let said: OfferBody = from_cbor(body)?;
                let names = at_most(said.names, MAX_OFFER_NAMES)?
                    .iter()
                    .map(|name| text::clean_line(name, MAX_OFFER_NAME_BYTES))
                    .collect();
                let (files, folders, bytes) = (said.files, said.folders, said.bytes);
                let offer = Offer { names, files, folders, bytes, manifest: said.manifest.into() };
                Ok(Content::Offer { transfer: TransferId(said.transfer.into()), offer })
            }
            kind::RECEIPT => from_cbor::<ReceiptBody>(body)?.meaning(),
            kind::FORK => {
                let said: ForkBody = from_cbor(body)?;
                Ok(Content::Fork(Box::new([Signed::decode(&said.one)?, Signed::decode(&said.other)?])))
            }
            _ => Ok(Deed::decode(kind, body)?.map_or(Content::Unknown, Content::Deed)),
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ForkBody {
    #[n(0)]
    one: ByteVec,
    #[n(1)]
    other: ByteVec,
}

/// The author's name stands under one key in the bodies of all messages.
#[derive(Decode)]
#[cbor(map)]
struct NameBody {
    #[n(15)]
    name: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct OfferBody {
    #[n(0)]
    transfer: ByteArray<16>,
    #[n(1)]
    names: Vec<String>,
    #[n(2)]
    files: u64,
    #[n(3)]
    folders: u64,
    #[n(4)]
    bytes: u64,
    #[n(5)]
    manifest: ByteArray<32>,
    #[n(15)]
    name: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ReceiptBody {
    #[n(0)]
    transfer: ByteArray<16>,
    #[n(1)]
    what: u8,
    #[n(2)]
    digest: Option<ByteArray<32>>,
    #[n(3)]
    failure: Option<u8>,
    #[n(4)]
    files: Option<u64>,
    #[n(5)]
    bytes: Option<u64>,
    #[n(6)]
    delay: Option<u8>,
}

impl ReceiptBody {
    fn new(transfer: TransferId, receipt: Receipt) -> ReceiptBody {
        let (what, digest, failure) = match receipt {
            Receipt::Received { digest } => (1, Some(digest.into()), None),
            Receipt::Declined => (2, None, None),
            Receipt::Cancelled => (3, None, None),
            Receipt::Failed(failure) => (4, None, Some(failure as u8)),
            Receipt::Part(part) => (5, Some(part.digest.into()), None),
            Receipt::Accepted(_) => (6, None, None),
        };
        let (files, bytes) = match receipt {
            Receipt::Part(part) => (Some(part.files), Some(part.bytes)),
            _ => (None, None),
        };
        let delay = if let Receipt::Accepted(delay) = receipt { Some(delay as u8) } else { None };
        ReceiptBody { transfer: transfer.0.into(), what, digest, failure, files, bytes, delay }
    }

    fn pause(transfer: TransferId, on: bool) -> ReceiptBody {
        ReceiptBody {
            transfer: transfer.0.into(),
            what: if on { 7 } else { 8 },
            digest: None,
            failure: None,
            files: None,
            bytes: None,
            delay: None,
        }
    }

    fn meaning(self) -> Result<Content, DecodeError> {
        let transfer = TransferId(self.transfer.into());
        let receipt = match (self.what, self.digest, self.failure) {
            (1, Some(digest), _) => Receipt::Received { digest: digest.into() },
            (2, ..) => Receipt::Declined,
            (3, ..) => Receipt::Cancelled,
            (4, _, Some(failure)) => {
                Receipt::Failed(Failure::from_number(failure).ok_or(DecodeError::Malformed)?)
            }
            (7 | 8, ..) => return Ok(Content::Pause { transfer, on: self.what == 7 }),
            (5, Some(digest), _) => {
                let (files, bytes) = self.files.zip(self.bytes).ok_or(DecodeError::Malformed)?;
                Receipt::Part(Part { digest: digest.into(), files, bytes })
            }
            (6, ..) => Receipt::Accepted(Delay::from_number(self.delay.unwrap_or_default())),
            _ => return Err(DecodeError::Malformed),
        };
        Ok(Content::Receipt { transfer, receipt })
    }
}

/// Names that an offer shows before it is accepted.
pub const MAX_OFFER_NAMES: usize = 8;
/// Bytes of one of them: with all eight, the offer still fits one datagram's worth of TCP and is cheap to keep.
pub const MAX_OFFER_NAME_BYTES: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_meaning_reads_back() {
        let transfer = TransferId([5; 16]);
        let offer =
            Offer {
                names: vec!["图纸.dwg".into()], files: 3, folders: 1, bytes: 1 << 40, manifest: [6; 32]
            };
        let receipts = [
            Receipt::Received { digest: [1; 32] },
            Receipt::Declined,
            Receipt::Cancelled,
            Receipt::Failed(Failure::DiskFull),
            Receipt::Accepted(Delay::Waits),
            Receipt::Accepted(Delay::NoSpace),
            Receipt::Part(Part { digest: [2; 32], files: 3, bytes: 1 << 40 }),
        ];
        let target = EntryId([7; 32]);
        let text = Text {
            text: "@Bob tea?".into(),
            reply: Some(EntryId([8; 32])),
            mentions: vec![crate::model::PeerId([2; 32]); MAX_MENTIONS],
        };
        let edited = Text { reply: None, ..text.clone() };
        let mut meanings = vec![
            Content::Text("tea?".into()),
            Content::Text(text),
            Content::Offer { transfer, offer },
            Content::Edit { target, text: edited },
            Content::Delete { target },
            Content::Reaction { target, emoji: "👍🏽".into(), on: true },
            Content::Reaction { target, emoji: "🇩🇪".into(), on: false },
            Content::Topic("What we build".into()),
            Content::Topic(String::new()),
            Content::Pin { target, on: true },
        ];
        meanings.extend(receipts.map(|receipt| Content::Receipt { transfer, receipt }));
        meanings.extend([true, false].map(|on| Content::Pause { transfer, on }));
        for content in meanings {
            assert_eq!(Content::decode(content.kind(), &content.encode("Ann")), Ok(content));
        }
    }

    #[test]
    fn a_message_says_what_its_author_calls_itself() {
        let body = Content::Text("tea?".into()).encode("Ann\u{202E}");
        assert_eq!(Content::claimed_name(&body).as_deref(), Some("Ann"));
        assert_eq!(Content::claimed_name(&Content::Text("tea?".into()).encode("")), None);
        assert_eq!(Content::claimed_name(b"whatever"), None);
    }

    #[test]
    fn what_a_newer_version_writes_is_unknown_and_no_error() {
        assert_eq!(Content::decode(200, b"whatever"), Ok(Content::Unknown));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(kind: u8, body: Vec<u8>) {
            let _ = Content::decode(kind, &body);
        }
    }
}

//! Messages, and what is said about them: edits, deletes, reactions, pins, and the topic of their room.

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::Content;
use crate::model::{EntryId, PeerId};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::text::{clean_line, clean_text};

pub use crate::wire::text::{MAX_EMOJI, emoji};

/// What somebody wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Safe to show, never empty, at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// The message that it answers.
    pub reply: Option<EntryId>,
    /// Whom its author meant by `@Name`; at most [`MAX_MENTIONS`].
    pub mentions: Vec<PeerId>,
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text { text: text.to_owned(), ..Text::default() }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn text_body(text: &Text, name: Option<String>) -> Vec<u8> {
    let reply = text.reply.map(|reply| reply.0.into());
    to_cbor(&TextBody { text: text.text.clone(), reply, mentions: mentions_body(text), name })
}

pub(super) fn text(body: &[u8]) -> Result<Content, DecodeError> {
    let said: TextBody = from_cbor(body)?;
    let reply = said.reply.map(|reply| EntryId(reply.into()));
    Ok(Content::Text(Text { reply, ..read_text(&said.text, said.mentions)? }))
}

pub(super) fn edit_body(target: EntryId, text: &Text) -> Vec<u8> {
    to_cbor(&EditBody { target: target.0.into(), text: text.text.clone(), mentions: mentions_body(text) })
}

pub(super) fn edit(body: &[u8]) -> Result<Content, DecodeError> {
    let said: EditBody = from_cbor(body)?;
    Ok(Content::Edit { target: EntryId(said.target.into()), text: read_text(&said.text, said.mentions)? })
}

pub(super) fn delete_body(target: EntryId) -> Vec<u8> {
    to_cbor(&DeleteBody { target: target.0.into() })
}

pub(super) fn delete(body: &[u8]) -> Result<Content, DecodeError> {
    Ok(Content::Delete { target: EntryId(from_cbor::<DeleteBody>(body)?.target.into()) })
}

pub(super) fn reaction_body(target: EntryId, emoji: &str, on: bool) -> Vec<u8> {
    to_cbor(&ReactionBody { target: target.0.into(), emoji: emoji.to_owned(), on })
}

pub(super) fn reaction(body: &[u8]) -> Result<Content, DecodeError> {
    let said: ReactionBody = from_cbor(body)?;
    let emoji = emoji(&said.emoji).ok_or(DecodeError::Malformed)?;
    Ok(Content::Reaction { target: EntryId(said.target.into()), emoji, on: said.on })
}

pub(super) fn topic_body(topic: &str, name: Option<String>) -> Vec<u8> {
    to_cbor(&TopicBody { topic: topic.to_owned(), name })
}

pub(super) fn topic(body: &[u8]) -> Result<Content, DecodeError> {
    Ok(Content::Topic(clean_line(&from_cbor::<TopicBody>(body)?.topic, MAX_TOPIC)))
}

pub(super) fn pin_body(target: EntryId, on: bool) -> Vec<u8> {
    to_cbor(&PinBody { target: target.0.into(), on })
}

pub(super) fn pin(body: &[u8]) -> Result<Content, DecodeError> {
    let said: PinBody = from_cbor(body)?;
    Ok(Content::Pin { target: EntryId(said.target.into()), on: said.on })
}

fn read_text(text: &str, mentions: Option<Vec<ByteArray<32>>>) -> Result<Text, DecodeError> {
    let text = clean_text(text, MAX_TEXT);
    if text.is_empty() {
        return Err(DecodeError::Malformed);
    }
    let mentions = at_most(mentions.unwrap_or_default(), MAX_MENTIONS)?;
    let mentions = mentions.into_iter().map(|peer| PeerId(peer.into())).collect();
    Ok(Text { text, reply: None, mentions })
}

fn mentions_body(text: &Text) -> Option<Vec<ByteArray<32>>> {
    let mentions: Vec<_> = text.mentions.iter().map(|peer| peer.0.into()).collect();
    Some(mentions).filter(|mentions| !mentions.is_empty())
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct TextBody {
    #[n(0)]
    text: String,
    #[n(1)]
    reply: Option<ByteArray<32>>,
    #[n(2)]
    mentions: Option<Vec<ByteArray<32>>>,
    #[n(15)]
    name: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EditBody {
    #[n(0)]
    target: ByteArray<32>,
    #[n(1)]
    text: String,
    #[n(2)]
    mentions: Option<Vec<ByteArray<32>>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct DeleteBody {
    #[n(0)]
    target: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ReactionBody {
    #[n(0)]
    target: ByteArray<32>,
    #[n(1)]
    emoji: String,
    #[n(2)]
    on: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct TopicBody {
    #[n(0)]
    topic: String,
    #[n(15)]
    name: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PinBody {
    #[n(0)]
    target: ByteArray<32>,
    #[n(1)]
    on: bool,
}

/// Bytes of one message.
pub const MAX_TEXT: usize = 16_384;
/// People that one message mentions: with all of them it still fits a datagram together with a short text.
pub const MAX_MENTIONS: usize = 32;
/// Bytes of a room's topic: one line of a window.
pub const MAX_TOPIC: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::kind;

    #[test]
    fn what_breaks_a_bound_is_malformed() {
        let target = EntryId([1; 32]);
        let crowded = Text { mentions: vec![PeerId([2; 32]); MAX_MENTIONS + 1], ..Text::from("all of you") };
        let decoded = |content: Content| Content::decode(content.kind(), &content.encode("Ann"));
        assert_eq!(decoded(Content::Text(crowded.clone())), Err(DecodeError::TooLong));
        assert_eq!(decoded(Content::Edit { target, text: crowded }), Err(DecodeError::TooLong));
        assert_eq!(decoded(Content::Edit { target, text: " \n".into() }), Err(DecodeError::Malformed));
        let wordy = Content::Reaction { target, emoji: "ok".into(), on: true };
        assert_eq!(decoded(wordy), Err(DecodeError::Malformed));
        let long = Content::Topic("é".repeat(MAX_TOPIC));
        assert_eq!(decoded(long), Ok(Content::Topic("é".repeat(MAX_TOPIC / 2))));
    }

    #[test]
    fn older_versions_wrote_texts_without_reply_and_mentions() {
        // {0: "tea?", 15: "Ann"}
        let body = b"\xa2\x00\x64tea?\x0f\x63Ann";
        assert_eq!(Content::decode(kind::TEXT, body), Ok(Content::Text("tea?".into())));
    }
}

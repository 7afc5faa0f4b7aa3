//! What the logs mean: which rooms there are, who can read them, what their entries say.

mod content;
mod deed;
mod epochs;
mod fold;
mod invite;
mod keys;
mod mentions;
mod quota;
mod shown;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

pub use content::{
    Content, MAX_EMOJI, MAX_MENTIONS, MAX_OFFER_NAME_BYTES, MAX_OFFER_NAMES, MAX_TEXT, MAX_TOPIC, Offer,
    Text, emoji, is_message, is_note, kind,
};
pub use deed::{BOX_BYTES, Deed, DeedMark, MAX_AFTER, MAX_BOXES, MAX_NAMED_HEADS, What, deed_mark, is_deed};
pub use epochs::{Epochs, Giver, grant_box, key_id, open_box};
pub use fold::{
    Cut, Deeds, Done, Fold, Former, Grant, Inserted, KnownInvite, MAX_KEYS_OF_EPOCH, MAX_MEMBERS,
    MAX_MEMBERS_BY_INVITES, Role, digest_of,
};
pub use invite::{BadInvite, Invite, Standing, Why, invite_id, join_proof, refusal_proof, welcome_proof};
pub use keys::{KeyName, RoomKeys, RoomTag, hour};
pub use mentions::mentioned;
pub use quota::{MAX_DEEDS, MAX_PLAIN_OF_AUTHOR, MAX_RULING_OF_AUTHOR, PLAIN_IS_MUCH, Sort};
pub use shown::{Came, MAX_AHEAD_MS, MAX_PLACE, Retold, place, places};

use crate::identity::ordered;
use crate::model::{PeerId, RoomId};
use crate::wire::text;

/// What kind of room it is, which decides who can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// Found by its name; anyone on this network can read it. The lobby is one.
    Open,
    /// This device and one other, sealed.
    Direct(PeerId),
    /// Its members, sealed with keys that change when somebody is put out.
    Private,
}

impl RoomKind {
    /// Who else is in a direct conversation.
    pub fn other_side(self) -> Option<PeerId> {
        match self {
            RoomKind::Open | RoomKind::Private => None,
            RoomKind::Direct(peer) => Some(peer),
        }
    }
}

/// The name of the room that everybody is in.
pub const LOBBY: &str = "lobby";

/// The form in which names of open rooms are the same room: NFKC, lower case, single spaces, no leading `#`, at most
/// [`MAX_ROOM_NAME`] bytes. `None` if nothing is left.
pub fn normal_name(name: &str) -> Option<String> {
    let folded = text::cut(name, 4 * MAX_ROOM_NAME).nfkc().collect::<String>().to_lowercase();
    // Cleaned before it is trimmed: what cannot be seen must not shield a `#`.
    let line = text::clean_line(&folded, folded.len());
    let line = text::cut(line.trim_start_matches(['#', ' ']), MAX_ROOM_NAME).trim_end().to_owned();
    (!line.is_empty()).then_some(line)
}

/// Whether a name is longer than a room's may be, open or private. Where one's own is made from it, it would be cut, and
/// names that differ only behind that would be one.
pub fn is_long_name(name: &str) -> bool {
    let is_long =
        |line: &str| text::clean_line(line, usize::MAX).trim_start_matches(['#', ' ']).len() > MAX_ROOM_NAME;
    is_long(name) || is_long(&name.nfkc().collect::<String>().to_lowercase())
}

/// The open room of a name, already in its normal form.
pub fn open_room_id(network: &str, normal_name: &str) -> RoomId {
    room_id(b"lanyard open room v1", &[network.as_bytes(), normal_name.as_bytes()])
}

/// The direct conversation of two devices, the same for both.
pub fn direct_room_id(one: PeerId, other: PeerId) -> RoomId {
    let (low, high) = ordered(one, other);
    room_id(b"lanyard direct room v1", &[&low.0, &high.0])
}

/// A private room: whoever knows the id can tell who began it, once they see its genesis.
pub fn private_room_id(creator: PeerId, salt: &[u8; 16]) -> RoomId {
    room_id(b"lanyard private room v1", &[&creator.0, salt])
}

/// A private room's name as it is shown: one line of at most [`MAX_ROOM_NAME`] bytes without a leading `#`. `None` if
/// nothing is left. Unlike an open room's it is found by nobody, so it keeps its capitals.
pub fn private_name(name: &str) -> Option<String> {
    let line = text::clean_line(name, 4 * MAX_ROOM_NAME);
    let line = text::cut(line.trim_start_matches(['#', ' ']), MAX_ROOM_NAME).trim_end().to_owned();
    (!line.is_empty()).then_some(line)
}

fn room_id(label: &[u8], parts: &[&[u8]]) -> RoomId {
    let mut hash = Sha256::new().chain_update(label);
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    RoomId(hash.finalize().into())
}

/// Bytes of a room's name.
pub const MAX_ROOM_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_alike_are_one_room() {
        for name in ["design", "#design", " # Design ", "#\u{200B}#design", "ＤＥＳＩＧＮ", "de\u{200B}sign"]
        {
            assert_eq!(normal_name(name).as_deref(), Some("design"), "{name:?}");
        }
        assert_eq!(normal_name("设计 组"), Some("设计 组".to_owned()));
        assert_eq!(normal_name(" # "), None);
    }

    #[test]
    fn a_name_that_would_be_cut_is_known() {
        let longest = "x".repeat(MAX_ROOM_NAME);
        for name in [longest.clone(), format!(" #{longest} "), format!("{longest}\u{200B}"), "设".repeat(21)]
        {
            assert!(!is_long_name(&name), "{name:?}");
        }
        // One letter can be several in the normal form.
        for name in [format!("{longest}x"), "设".repeat(22), "x".repeat(4000), "\u{FDFA}".repeat(2)] {
            assert!(is_long_name(&name), "{name:?}");
        }
    }

    #[test]
    fn rooms_differ_by_name_by_network_and_by_people() {
        let [ann, bob, cyd] = [1, 2, 3].map(|n| PeerId([n; 32]));
        assert_ne!(open_room_id("default", "a"), open_room_id("default", "b"));
        assert_ne!(open_room_id("ab", "c"), open_room_id("a", "bc"));
        assert_eq!(direct_room_id(ann, bob), direct_room_id(bob, ann));
        assert_ne!(direct_room_id(ann, bob), direct_room_id(ann, cyd));
        assert_ne!(private_room_id(ann, &[1; 16]), private_room_id(bob, &[1; 16]));
        assert_ne!(private_room_id(ann, &[1; 16]), private_room_id(ann, &[2; 16]));
    }

    #[test]
    fn a_private_room_keeps_its_name_and_nothing_that_cannot_be_seen() {
        assert_eq!(private_name(" # Board\u{202E} ").as_deref(), Some("Board"));
        assert_eq!(private_name(&"é".repeat(40)).map(|name| name.len()), Some(MAX_ROOM_NAME));
        assert_eq!(private_name("#\u{200B} "), None);
    }
}

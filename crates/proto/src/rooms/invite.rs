//! Invites to private rooms: the link that people hand each other, and how knowing it is proven without telling it.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::model::{InviteId, PeerId, RoomId, UnixMillis};

/// What a link says.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    pub room: RoomId,
    /// Whoever knows it may come in.
    pub secret: [u8; 16],
    /// Who made it, and is asked first.
    pub inviter: PeerId,
    pub expires: UnixMillis,
}

/// How this device stands to a private room, as far as the room's entries do not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In, unless the entries say otherwise.
    Inside,
    /// It has an invite and looks for somebody who lets it in.
    Joining(Invite),
    /// Somebody who knows the invite said no.
    Refused(Why),
    /// It has said that it leaves, and forgets the room once somebody has heard it.
    Leaving,
}

/// Why an invite is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    Expired = 1,
    Revoked = 2,
    /// Nobody here knows such an invite; also the answer to whatever else is wrong.
    Unknown = 3,
}

/// What is wrong with a text that should be an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInvite {
    #[error("an invite begins with {PREFIX}")]
    NoInvite,
    #[error("the invite is not complete, or mistyped")]
    Damaged,
    #[error("the invite was made by a newer version")]
    Newer,
}

impl Invite {
    pub fn id(&self) -> InviteId {
        invite_id(&self.secret)
    }

    /// Whether a text is meant as an invite, well-formed or not.
    pub fn is_meant(text: &str) -> bool {
        let text = text.trim();
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// `lanyard:v1:inv:` and base32 of version, room, secret, inviter, expiry and check bytes.
    pub fn link(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.room.0);
        bytes.extend(self.secret);
        bytes.extend(self.inviter.0);
        bytes.extend(self.expires.0.to_be_bytes());
        bytes.extend(check(&bytes));
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
    }

    /// Reads [`Invite::link`], whatever the case, with blanks and line ends in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Invite, BadInvite> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let start = text.get(..PREFIX.len()).ok_or(BadInvite::NoInvite)?;
        if !start.eq_ignore_ascii_case(PREFIX) {
            return Err(BadInvite::NoInvite);
        }
        let digits = text[PREFIX.len()..].to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(digits.as_bytes()).map_err(|_| BadInvite::Damaged)?;
        let (said, checked) = bytes.split_last_chunk::<CHECK>().ok_or(BadInvite::Damaged)?;
        if check(said) != *checked {
            return Err(BadInvite::Damaged);
        }
        let (version, said) = said.split_first().ok_or(BadInvite::Damaged)?;
        if *version != VERSION {
            return Err(BadInvite::Newer);
        }
        let mut reader = crate::wire::codec::Reader::new(said);
        let mut read = || {
            Ok::<_, crate::wire::codec::DecodeError>(Invite {
                room: RoomId(reader.array()?),
                secret: reader.array()?,
                inviter: PeerId(reader.array()?),
                expires: UnixMillis(reader.u64()?),
            })
        };
        let invite = read().map_err(|_| BadInvite::Damaged)?;
        reader.end().map_err(|_| BadInvite::Damaged)?;
        Ok(invite)
    }
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is no business of a log file.
        f.debug_struct("Invite").field("room", &self.room).field("id", &self.id()).finish_non_exhaustive()
    }
}

/// By which entries and frames name an invite without telling its secret.
pub fn invite_id(secret: &[u8; 16]) -> InviteId {
    let digest = Sha256::digest(secret);
    InviteId(core::array::from_fn(|i| digest[i]))
}

/// Proves on one connection, by its exporter (RFC 8446, 7.5), that the joiner knows the secret.
pub fn join_proof(secret: &[u8; 16], exporter: &[u8; 32], joiner: PeerId, room: RoomId) -> [u8; 32] {
    prove(secret, &[b"lanyard join v1", exporter, &joiner.0, &room.0])
}

/// Proves to a joiner that whoever welcomes it knows the secret, too.
pub fn welcome_proof(secret: &[u8; 16], exporter: &[u8; 32], joiner: PeerId, room: RoomId) -> [u8; 32] {
    prove(secret, &[b"lanyard welcome v1", exporter, &joiner.0, &room.0])
}

/// Proves to a joiner that whoever says no knows the secret: strangers cannot end a join.
pub fn refusal_proof(
    secret: &[u8; 16],
    exporter: &[u8; 32],
    joiner: PeerId,
    room: RoomId,
    why: Why,
) -> [u8; 32] {
    prove(secret, &[b"lanyard refused v1", exporter, &joiner.0, &room.0, &[why as u8]])
}

fn prove(secret: &[u8; 16], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    // All parts but the first have a fixed length, and no label begins another.
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::digest([b"lanyard invite check".as_slice(), bytes].concat());
    core::array::from_fn(|i| digest[i])
}

const PREFIX: &str = "lanyard:v1:inv:";
/// How every link of ours begins, whatever its version.
const SCHEME: &str = "lanyard:";
const VERSION: u8 = 1;
const CHECK: usize = 4;
const BYTES: usize = 1 + 32 + 16 + 32 + 8 + CHECK;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn invite() -> Invite {
        Invite {
            room: RoomId([1; 32]),
            secret: [2; 16],
            inviter: PeerId([3; 32]),
            expires: UnixMillis(1_795_132_800_000),
        }
    }

    #[test]
    fn a_link_reads_back_however_it_was_copied() {
        let link = invite().link();
        assert_eq!(Invite::parse(&link), Ok(invite()));
        assert_eq!(Invite::parse(&link.to_uppercase()), Ok(invite()), "as a QR code holds it");
        let (one, other) = link.split_at(80);
        assert_eq!(Invite::parse(&format!(" {one}\r\n  {other}\n")), Ok(invite()), "as mail breaks it");
        assert!(
            Invite::is_meant(&link) && Invite::is_meant("Lanyard:v9:whatever") && !Invite::is_meant("tea")
        );
    }

    #[test]
    fn a_text_that_is_no_invite_is_told_apart_from_a_damaged_one() {
        let link = invite().link();
        assert_eq!(Invite::parse("#tea"), Err(BadInvite::NoInvite));
        assert_eq!(Invite::parse("lanyard:v2:inv:abc"), Err(BadInvite::NoInvite));
        assert_eq!(Invite::parse(&link[..link.len() - 1]), Err(BadInvite::Damaged));
        assert_eq!(Invite::parse(PREFIX), Err(BadInvite::Damaged));
        let mut newer = vec![9; BYTES - CHECK];
        newer.extend(check(&newer));
        let newer = format!("{PREFIX}{}", BASE32_NOPAD.encode(&newer));
        assert_eq!(Invite::parse(&newer), Err(BadInvite::Newer));
    }

    #[test]
    fn a_proof_holds_for_one_connection_one_joiner_one_room_and_one_meaning() {
        let proof = join_proof(&[2; 16], &[4; 32], PeerId([5; 32]), RoomId([1; 32]));
        let others = [
            join_proof(&[3; 16], &[4; 32], PeerId([5; 32]), RoomId([1; 32])),
            join_proof(&[2; 16], &[5; 32], PeerId([5; 32]), RoomId([1; 32])),
            join_proof(&[2; 16], &[4; 32], PeerId([6; 32]), RoomId([1; 32])),
            join_proof(&[2; 16], &[4; 32], PeerId([5; 32]), RoomId([2; 32])),
            welcome_proof(&[2; 16], &[4; 32], PeerId([5; 32]), RoomId([1; 32])),
            refusal_proof(&[2; 16], &[4; 32], PeerId([5; 32]), RoomId([1; 32]), Why::Expired),
        ];
        assert!(others.iter().all(|other| *other != proof));
    }

    #[test]
    fn a_log_file_never_sees_the_secret() {
        let shown = format!("{:?}", Standing::Joining(invite()));
        assert!(!shown.contains("secret") && !shown.contains("2, 2"), "{shown}");
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(at in 0usize..140, with in "[a-z2-7]") {
            let link = invite().link();
            let at = (PREFIX.len() + at).min(link.len() - 1);
            let mut wrong = link.clone();
            wrong.replace_range(at..at + 1, &with);
            prop_assert!(wrong == link || Invite::parse(&wrong) == Err(BadInvite::Damaged));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Invite::parse(&text);
            let _ = Invite::parse(&format!("{PREFIX}{text}"));
        }
    }
}

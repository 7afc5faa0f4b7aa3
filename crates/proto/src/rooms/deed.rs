//! What entries say about who is in a private room: the deeds that [`crate::rooms::private`] folds.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::model::{EntryId, InviteId, KeyId, LogId, PeerId, Seq, UnixMillis};
use crate::rooms::content::kind;
use crate::rooms::private_name;
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::MAX_NAME;
use crate::wire::text;

/// One thing that was done to a private room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// One more than the highest that its author had seen; the genesis has 0. Puts deeds in an order that follows what
    /// their authors knew, however wrong their clocks are.
    pub height: u32,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The room begins. Author and salt give the room's id.
    Genesis {
        salt: [u8; 16],
        name: String,
        /// Of epoch 0: no grant names that one.
        key: KeyId,
    },
    /// A device is let in: by an admin, or by any member for an invite.
    Add {
        device: PeerId,
        admin: bool,
        invite: Option<InviteId>,
        /// Removals of the device that its author knew of, and that this one ends.
        after: Vec<EntryId>,
        /// What the device called itself then; may be empty.
        name: String,
    },
    /// A device is put out, or leaves. Of its logs only what these heads cover counts from now on.
    Remove {
        device: PeerId,
        heads: Vec<(LogId, Seq)>,
        /// The deeds of the device that whoever removes it knows: of its deeds only these count from now on, since a deed
        /// without the log around it could be written later and dated back. `None` where they are too many to name.
        deeds: Option<Vec<DeedMark>>,
    },
    /// A new epoch's key, sealed to each of these devices.
    Grant {
        epoch: u32,
        key: KeyId,
        boxes: Vec<(PeerId, [u8; BOX_BYTES])>,
    },
    /// Whoever knows the secret may come in until then.
    Invite {
        secret: [u8; 16],
        expires: UnixMillis,
    },
    Revoke {
        invite: InviteId,
    },
    /// A member becomes an admin, or an admin a member.
    Appoint {
        device: PeerId,
        admin: bool,
    },
    /// The keys are being renewed on purpose: a note for people; the grant is what does it.
    Renewed,
}

impl Deed {
    pub fn kind(&self) -> u8 {
        match self.what {
            What::Genesis { .. } => kind::GENESIS,
            What::Add { .. } => kind::ADD,
            What::Remove { .. } => kind::REMOVE,
            What::Grant { .. } => kind::GRANT,
            What::Invite { .. } => kind::INVITE,
            What::Revoke { .. } => kind::REVOKE,
            What::Appoint { .. } => kind::APPOINT,
            What::Renewed => kind::RENEWED,
        }
    }

    /// The body, with what the author calls itself.
    pub fn encode(&self, author: &str) -> Vec<u8> {
        let mut body = Body { height: self.height, author: Some(author.to_owned()), ..Body::default() };
        match &self.what {
            What::Genesis { salt, name, key } => {
                body.salt = Some((*salt).into());
                body.name = Some(name.clone());
                body.key = Some(key.0.into());
            }
            What::Add { device, admin, invite, after, name } => {
                body.device = Some(device.0.into());
                body.admin = admin.then_some(true);
                body.invite = invite.map(|invite| invite.0.into());
                body.after = Some(after.iter().map(|entry| entry.0.into()).collect());
                body.name = Some(name.clone());
            }
            What::Remove { device, heads, deeds } => {
                body.device = Some(device.0.into());
                body.deeds = deeds.as_ref().map(|deeds| deeds.iter().map(|mark| (*mark).into()).collect());
                let heads = heads.iter().map(|(log, seq)| Head { log: log.0.into(), seq: seq.0 });
                body.heads = Some(heads.collect());
            }
            What::Grant { epoch, key, boxes } => {
                body.epoch = Some(*epoch);
                body.key = Some(key.0.into());
                let boxes =
                    boxes.iter().map(|(to, sealed)| Boxed { to: to.0.into(), sealed: (*sealed).into() });
                body.boxes = Some(boxes.collect());
            }
            What::Invite { secret, expires } => {
                body.salt = Some((*secret).into());
                body.expires = Some(expires.0);
            }
            What::Revoke { invite } => body.invite = Some(invite.0.into()),
            What::Appoint { device, admin } => {
                body.device = Some(device.0.into());
                body.admin = admin.then_some(true);
            }
            What::Renewed => {}
        }
        to_cbor(&body)
    }

    /// `None` for a kind that is no deed.
    ///
    /// # Errors
    /// If the body does not fit its kind, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Option<Deed>, DecodeError> {
        if !is_deed(kind) {
            return Ok(None);
        }
        let said: Body = from_cbor(body)?;
        let height = said.height;
        Ok(Some(Deed { height, what: said.meaning(kind)? }))
    }
}

/// Whether entries of a kind say who is in a private room.
pub fn is_deed(kind: u8) -> bool {
    matches!(
        kind,
        kind::GENESIS
            | kind::ADD
            | kind::REMOVE
            | kind::GRANT
            | kind::INVITE
            | kind::REVOKE
            | kind::APPOINT
            | kind::RENEWED
    )
}

/// All deeds share one map of keys, so that what they have in common reads alike.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
struct Body {
    /// The salt of a genesis, the secret of an invite.
    #[n(0)]
    salt: Option<ByteArray<16>>,
    #[n(1)]
    name: Option<String>,
    #[n(2)]
    device: Option<ByteArray<32>>,
    #[n(3)]
    admin: Option<bool>,
    #[n(4)]
    invite: Option<ByteArray<16>>,
    #[n(5)]
    after: Option<Vec<ByteArray<32>>>,
    #[n(6)]
    heads: Option<Vec<Head>>,
    #[n(7)]
    epoch: Option<u32>,
    #[n(8)]
    key: Option<ByteArray<16>>,
    #[n(9)]
    boxes: Option<Vec<Boxed>>,
    #[n(10)]
    expires: Option<u64>,
    #[n(11)]
    deeds: Option<Vec<ByteArray<DEED_MARK>>>,
    #[n(14)]
    height: u32,
    /// The author's name stands under the same key as in messages.
    #[n(15)]
    author: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Head {
    #[n(0)]
    log: ByteArray<8>,
    #[n(1)]
    seq: u64,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Boxed {
    #[n(0)]
    to: ByteArray<32>,
    #[n(1)]
    sealed: ByteArray<BOX_BYTES>,
}

impl Body {
    fn meaning(self, kind: u8) -> Result<What, DecodeError> {
        let Body {
            salt, name, device, admin, invite, after, heads, epoch, key, boxes, expires, deeds, ..
        } = self;
        let lacking = DecodeError::Malformed;
        let device = device.map(|device| PeerId(device.into()));
        let invite = invite.map(|invite| InviteId(invite.into()));
        let admin = admin == Some(true);
        Ok(match kind {
            kind::GENESIS => What::Genesis {
                salt: salt.ok_or(lacking)?.into(),
                name: private_name(&name.unwrap_or_default()).ok_or(lacking)?,
                key: KeyId(key.ok_or(lacking)?.into()),
            },
            kind::ADD => What::Add {
                device: device.ok_or(lacking)?,
                admin,
                invite,
                after: at_most(after.unwrap_or_default(), MAX_AFTER)?
                    .into_iter()
                    .map(|entry| EntryId(entry.into()))
                    .collect(),
                name: text::clean_line(&name.unwrap_or_default(), MAX_NAME),
            },
            kind::REMOVE => What::Remove {
                device: device.ok_or(lacking)?,
                heads: at_most(heads.unwrap_or_default(), MAX_NAMED_HEADS)?
                    .into_iter()
                    .map(|head| (LogId(head.log.into()), Seq(head.seq)))
                    .collect(),
                deeds: deeds
                    .map(|deeds| at_most(deeds, MAX_NAMED_DEEDS))
                    .transpose()?
                    .map(|deeds| deeds.into_iter().map(Into::into).collect()),
            },
            kind::GRANT => What::Grant {
                epoch: epoch.ok_or(lacking)?,
                key: KeyId(key.ok_or(lacking)?.into()),
                boxes: at_most(boxes.unwrap_or_default(), MAX_BOXES)?
                    .into_iter()
                    .map(|one| (PeerId(one.to.into()), one.sealed.into()))
                    .collect(),
            },
            kind::INVITE => What::Invite {
                secret: salt.ok_or(lacking)?.into(),
                expires: UnixMillis(expires.ok_or(lacking)?),
            },
            kind::REVOKE => What::Revoke { invite: invite.ok_or(lacking)? },
            kind::APPOINT => What::Appoint { device: device.ok_or(lacking)?, admin },
            kind::RENEWED => What::Renewed,
            _ => return Err(lacking),
        })
    }
}

/// The beginning of an entry's id, by which a removal names a deed.
pub type DeedMark = [u8; DEED_MARK];

pub fn deed_mark(id: EntryId) -> DeedMark {
    core::array::from_fn(|i| id.0[i])
}

/// 128 bits: nobody finds another deed of the same mark.
pub const DEED_MARK: usize = 16;
/// A sealed key: 32 bytes and the tag.
pub const BOX_BYTES: usize = 48;
/// Keys sealed in one entry: 256 of about 90 bytes fit an entry's body.
pub const MAX_BOXES: usize = 256;
/// Logs that a removal names: 1024 of about 20 bytes fit an entry's body. Of those beyond, what a removed device may
/// still fetch is nothing.
pub const MAX_NAMED_HEADS: usize = 1024;
/// Deeds that a removal names: 512 of 17 bytes fit an entry's body beside its heads. Of a device that did more, heads
/// alone say what counts.
pub const MAX_NAMED_DEEDS: usize = 512;
/// Removals that one addition ends: there is one for each admin that removed the device at the same time.
pub const MAX_AFTER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::entry::MAX_BODY;
    use proptest::prelude::*;

    fn every() -> Vec<What> {
        let device = PeerId([3; 32]);
        vec![
            What::Genesis { salt: [1; 16], name: "design".into(), key: KeyId([2; 16]) },
            What::Add {
                device,
                admin: true,
                invite: Some(InviteId([2; 16])),
                after: vec![EntryId([4; 32]); MAX_AFTER],
                name: "Bob".into(),
            },
            What::Add { device, admin: false, invite: None, after: vec![], name: String::new() },
            What::Remove {
                device,
                heads: vec![(LogId([5; 8]), Seq(u64::MAX)); MAX_NAMED_HEADS],
                deeds: Some(vec![[6; DEED_MARK]; MAX_NAMED_DEEDS]),
            },
            What::Remove { device, heads: vec![], deeds: None },
            What::Grant {
                epoch: u32::MAX,
                key: KeyId([6; 16]),
                boxes: vec![(device, [7; BOX_BYTES]); MAX_BOXES],
            },
            What::Invite { secret: [8; 16], expires: UnixMillis(u64::MAX) },
            What::Revoke { invite: InviteId([9; 16]) },
            What::Appoint { device, admin: false },
            What::Renewed,
        ]
    }

    #[test]
    fn every_deed_reads_back_and_the_largest_fits_an_entry() {
        for what in every() {
            let deed = Deed { height: u32::MAX, what };
            let body = deed.encode(&"n".repeat(MAX_NAME));
            assert!(body.len() + 40 <= MAX_BODY, "{} bytes", body.len());
            assert_eq!(Deed::decode(deed.kind(), &body), Ok(Some(deed)));
        }
    }

    #[test]
    fn a_deed_beyond_a_bound_is_none() {
        let device = PeerId([3; 32]);
        let heads = vec![(LogId([5; 8]), Seq(1)); MAX_NAMED_HEADS + 1];
        let boxes = vec![(device, [7; BOX_BYTES]); MAX_BOXES + 1];
        let after = vec![EntryId([4; 32]); MAX_AFTER + 1];
        let beyond = [
            What::Remove { device, heads, deeds: None },
            What::Remove { device, heads: vec![], deeds: Some(vec![[6; DEED_MARK]; MAX_NAMED_DEEDS + 1]) },
            What::Grant { epoch: 1, key: KeyId([6; 16]), boxes },
            What::Add { device, admin: false, invite: None, after, name: String::new() },
        ];
        for what in beyond {
            let deed = Deed { height: 1, what };
            assert_eq!(Deed::decode(deed.kind(), &deed.encode("Ann")), Err(DecodeError::TooLong));
        }
        let what = What::Genesis { salt: [1; 16], name: " # ".into(), key: KeyId([2; 16]) };
        let nameless = Deed { height: 0, what };
        assert_eq!(Deed::decode(kind::GENESIS, &nameless.encode("Ann")), Err(DecodeError::Malformed));
        let keyless = Body { salt: Some([1; 16].into()), name: Some("design".into()), ..Body::default() };
        assert_eq!(Deed::decode(kind::GENESIS, &to_cbor(&keyless)), Err(DecodeError::Malformed));
        assert_eq!(Deed::decode(kind::TEXT, b"whatever"), Ok(None));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(kind: u8, body: Vec<u8>) {
            let _ = Deed::decode(kind, &body);
        }
    }
}

//! Which room is meant by what a person writes. It is one answer for all that is asked of rooms: whoever reads who is in
//! #design and then writes to #design must have named the same room.

use lanyard_proto::effects::RoomRecord;
use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::node::Refusal;
use lanyard_proto::rooms::{self, MAX_ROOM_NAME, RoomKind};
use lanyard_proto::wire::datagram::MAX_NAME;
use lanyard_proto::wire::text::clean_line;

use crate::api::{self, ApiError, ErrorCode, Membership, Room};
use crate::engine::commands::{invalid, refused};
use crate::engine::run::Run;
use crate::saying;
use crate::says;

impl Run {
    /// A room that this device takes part in: `#name`, an id or the beginning of one; `@person` where the conversation is
    /// open.
    ///
    /// # Errors
    /// If there is none, or several are meant.
    pub fn find_room(&self, to: &str) -> Result<RoomId, ApiError> {
        if let Some(person) = to.strip_prefix('@') {
            let peer = self.find_peer(person)?;
            let room = rooms::direct_room_id(self.node.me(), peer);
            return match self.node.room(room) {
                Some(_) => Ok(room),
                None => Err(says!(ErrorCode::NoSuch, "Nothing was said to or by {person} yet.", person)),
            };
        }
        if let Some(room) = RoomId::parse(to).filter(|room| self.node.room(*room).is_some()) {
            return Ok(room);
        }
        check_room_name(to)?;
        let meant = Meant::of(to);
        match (&self.rooms_meant(&meant)[..], meant.name) {
            ([one], _) => Ok(one.id),
            ([], Some(name)) => {
                let code = ErrorCode::NoSuch;
                Err(says!(code, "You are not in #{name}. Join it first: lanyard room join {name}", name))
            }
            ([], None) => {
                Err(invalid(saying!("“{to}” is neither a room nor a person. Write #room or @person.", to)))
            }
            (several, _) => Err(self.ambiguous(to, several)),
        }
    }

    /// A room that this device takes part in; or the conversation with a person that would be begun by saying something.
    ///
    /// # Errors
    /// As [`Run::find_room`], and if nobody is meant.
    pub fn look_at(&self, to: &str) -> Result<Room, ApiError> {
        if let Some(person) = to.strip_prefix('@') {
            let (me, peer) = (self.node.me(), self.find_peer(person)?);
            if peer == me {
                return Err(refused(Refusal::Yourself));
            }
            let id = rooms::direct_room_id(me, peer);
            return Ok(self.room(id).unwrap_or_else(|| self.unbegun(id, peer)));
        }
        let id = self.find_room(to)?;
        self.room(id).ok_or_else(|| says!(ErrorCode::NoSuch, "It is no longer there."))
    }

    fn unbegun(&self, id: RoomId, peer: PeerId) -> Room {
        Room {
            id: id.to_string(),
            kind: api::RoomKind::Direct,
            name: self.name_of(peer),
            peer: Some(peer.to_string()),
            alike: !self.alike(peer).is_empty(),
            unread: 0,
            mentions: 0,
            topic: String::new(),
            draft: String::new(),
            membership: Membership::Member,
            role: None,
            keep_days: None,
            notify: None,
            last: None,
            read: None,
            members: 2,
            forked: Vec::new(),
        }
    }

    fn rooms_meant(&self, meant: &Meant) -> Vec<&RoomRecord> {
        self.node.rooms().map(|room| room.record()).filter(|room| meant.is(room)).collect()
    }

    fn ambiguous(&self, to: &str, several: &[&RoomRecord]) -> ApiError {
        let ids = |open: bool| {
            let of_kind = several.iter().filter(|room| (room.kind == RoomKind::Open) == open);
            let ids: Vec<String> = of_kind.map(|room| self.shortest(room.id)).collect();
            ids.join(", ")
        };
        let (open, sealed) = (ids(true), ids(false));
        invalid(match (open.is_empty(), sealed.is_empty()) {
            (false, false) => saying!(
                "“{to}” is an open room and a private one. Write {open} for the open one, {sealed} for the private one.",
                to,
                open,
                sealed
            ),
            _ => {
                let ids = open + &sealed;
                saying!("“{to}” means several rooms. Write the id of the one that you mean: {ids}.", to, ids)
            }
        })
    }

    /// The shortest beginning of a room's id by which it is found.
    fn shortest(&self, room: RoomId) -> String {
        let whole = room.to_string();
        let fits = |length: &usize| self.rooms_meant(&Meant::of(&whole[..*length])).len() == 1;
        let length = (MIN_ROOM_PREFIX..whole.len()).find(fits).unwrap_or(whole.len());
        whole[..length].to_owned()
    }
}

/// # Errors
/// If a name for a room would be cut.
pub(super) fn check_room_name(name: &str) -> Result<(), ApiError> {
    if !rooms::is_long_name(name) {
        return Ok(());
    }
    let most = MAX_ROOM_NAME;
    Err(invalid(saying!("A room's name has at most {most} bytes. Write a shorter one.", most)))
}

/// The name that others see, cleaned.
///
/// # Errors
/// If nothing is left of it, or it would be cut.
pub(super) fn own_name(name: &str) -> Result<String, ApiError> {
    let (clean, most) = (clean_line(name, usize::MAX), MAX_NAME);
    match clean.len() {
        0 => Err(invalid(saying!("A name needs at least one character that can be seen."))),
        length if length > most => {
            Err(invalid(saying!("A name has at most {most} bytes. Write a shorter one.", most)))
        }
        _ => Ok(clean),
    }
}

/// What somebody wrote for a room: its name, the beginning of its id, or what may be either.
struct Meant {
    name: Option<String>,
    prefix: Option<String>,
}

impl Meant {
    fn of(to: &str) -> Meant {
        let named = to.strip_prefix('#');
        let prefix = named.unwrap_or(to).to_lowercase();
        let is_prefix =
            prefix.len() >= MIN_ROOM_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        Meant { name: named.and_then(rooms::normal_name), prefix: is_prefix.then_some(prefix) }
    }

    fn is(&self, room: &RoomRecord) -> bool {
        let by_name = match room.kind {
            RoomKind::Direct(_) => false,
            RoomKind::Open | RoomKind::Private => {
                self.name.is_some() && rooms::normal_name(&room.name) == self.name
            }
        };
        by_name || self.prefix.as_ref().is_some_and(|prefix| room.id.to_string().starts_with(prefix))
    }
}

/// Characters of a room's id that mean it: as many as a room without a name is shown by.
const MIN_ROOM_PREFIX: usize = 8;

//! Private rooms: what people ask of them, and what is told about them.

use std::time::Duration;

use lanyard_proto::effects::Input;
use lanyard_proto::model::{InviteId, PeerId, RoomId, UnixMillis};
use lanyard_proto::node::{MAX_INVITE, Membership as NodeMembership};
use lanyard_proto::rooms::{self, Deed, KnownInvite, Role as NodeRole, What};
use lanyard_proto::wire::entry::Entry;

use crate::api::{
    ApiError, Command, ErrorCode, Event, Invite, Member, Membership, Note, NoteKind, Reply, Role,
};
use crate::engine::commands::{Outcome, done, invalid, refused};
use crate::engine::gate::Answering;
use crate::engine::naming::check_room_name;
use crate::engine::run::{Report, Run};
use crate::saying;
use crate::says;
use crate::store::StoreError;

impl Run {
    pub(super) fn private_command(&mut self, command: Command) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        match command {
            Command::CreateRoom { name } => {
                check_room_name(&name)?;
                let (room, effects) = self.node.create_room(&name, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Room(room)))
            }
            Command::Members { room } => {
                let room = self.find_room(&room)?;
                Ok(Outcome::Now(Reply::Members(self.members(room))))
            }
            Command::AddMember { room, peer } => {
                let (room, peer) = (self.find_room(&room)?, self.find_person(&peer)?);
                Ok(done(self.node.add_member(room, peer, now).map_err(refused)?))
            }
            Command::RemoveMember { room, peer } => {
                let room = self.find_room(&room)?;
                let peer = self.find_member(room, &peer)?;
                if peer == self.node.me() {
                    return Err(invalid(saying!(
                        "This is your own device. Whoever goes leaves: lanyard room leave"
                    )));
                }
                Ok(done(self.node.remove_member(room, peer, now).map_err(refused)?))
            }
            Command::SetRole { room, peer, role } => {
                let room = self.find_room(&room)?;
                let peer = self.find_member(room, &peer)?;
                let admin = match role {
                    Role::Admin => true,
                    Role::Member => false,
                    Role::Creator => return Err(invalid(saying!("A room has one creator: who began it."))),
                };
                Ok(done(self.node.appoint(room, peer, admin, now).map_err(refused)?))
            }
            Command::RenewKeys { room } => {
                let room = self.find_room(&room)?;
                let effects = self.node.renew_keys(room, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Room(room)))
            }
            Command::Invite { room, hours } => {
                let room = self.find_room(&room)?;
                let hours = u64::from(hours.unwrap_or(INVITE_HOURS));
                let span = Duration::from_secs(hours * 3600);
                if hours == 0 || span > MAX_INVITE {
                    let most = MAX_INVITE.as_secs() / 3600;
                    return Err(invalid(saying!("An invite holds for 1 to {most} hours.", most)));
                }
                let (invite, effects) = self.node.invite(room, span, now).map_err(refused)?;
                let reply = Invite {
                    id: invite.id().to_string(),
                    room: room.to_string(),
                    link: invite.link(),
                    expires: invite.expires.0,
                    by: invite.inviter.to_string(),
                };
                Ok(Outcome::After(effects, Answering::Ready(Box::new(Reply::Invite(reply)))))
            }
            Command::Invites { room } => {
                let room = self.find_room(&room)?;
                Ok(Outcome::Now(Reply::Invites(self.invites(room, now.unix))))
            }
            Command::RevokeInvite { room, invite } => {
                let room = self.find_room(&room)?;
                let invite = self.find_invite(room, &invite, now.unix)?;
                Ok(done(self.node.revoke_invite(room, invite, now).map_err(refused)?))
            }
            _ => unreachable!("the others are carried out in `commands`"),
        }
    }

    /// Takes part in an open room, or asks to be let into a private one.
    pub(super) fn join(&mut self, name: &str) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        let joined = if rooms::Invite::is_meant(name) {
            let invite = rooms::Invite::parse(name).map_err(|error| refused(error.into()))?;
            self.node.join_by_invite(invite, now)
        } else {
            check_room_name(name)?;
            self.node.join(name, now)
        };
        let (room, effects) = joined.map_err(refused)?;
        Ok(Outcome::After(effects, Answering::Room(room)))
    }

    pub(super) fn find_person(&self, wanted: &str) -> Result<PeerId, ApiError> {
        self.find_peer(wanted.strip_prefix('@').unwrap_or(wanted))
    }

    /// A member by name or id, also one that was never met.
    fn find_member(&self, room: RoomId, wanted: &str) -> Result<PeerId, ApiError> {
        let wanted = wanted.strip_prefix('@').unwrap_or(wanted);
        let prefix = wanted.to_lowercase();
        let held = self.node.room(room);
        let roles = held.into_iter().flat_map(|held| held.roles().map(|(peer, _)| peer));
        let is_meant = |peer: &PeerId| {
            self.member_name(room, *peer).to_lowercase() == prefix
                || (prefix.len() >= 4 && peer.to_string().starts_with(&prefix))
        };
        let found: Vec<PeerId> = roles.filter(is_meant).collect();
        match found[..] {
            [one] => Ok(one),
            _ => self.find_peer(wanted),
        }
    }

    fn find_invite(&self, room: RoomId, wanted: &str, now: UnixMillis) -> Result<InviteId, ApiError> {
        let prefix = wanted.to_lowercase();
        let open = self.node.invites(room, now).into_iter().map(|(id, _)| id);
        let found: Vec<InviteId> = open.filter(|id| id.to_string().starts_with(&prefix)).collect();
        match found[..] {
            [one] if !prefix.is_empty() => Ok(one),
            [] => Err(says!(ErrorCode::NoSuch, "This room has no invite “{wanted}” that holds.", wanted)),
            _ => {
                Err(invalid(saying!("Several invites begin with “{wanted}”: write more of the id.", wanted)))
            }
        }
    }

    fn members(&self, room: RoomId) -> Vec<Member> {
        let Some(held) = self.node.room(room) else { return Vec::new() };
        let me = self.node.me();
        let mut members: Vec<(PeerId, NodeRole)> = match held.record().kind {
            rooms::RoomKind::Private => held.roles().collect(),
            _ => held.members().into_iter().chain([me]).map(|peer| (peer, NodeRole::Member)).collect(),
        };
        let forked = held.forked();
        let name_of = |peer: PeerId| self.member_name(room, peer);
        members.sort_by_key(|(peer, role)| (std::cmp::Reverse(*role), name_of(*peer).to_lowercase(), *peer));
        let member = |(peer, role): (PeerId, NodeRole)| Member {
            peer: peer.to_string(),
            short: peer.short(),
            name: name_of(peer),
            me: peer == me,
            online: peer == me || self.node.is_online(peer),
            role: api_role(role),
            forked: forked.contains(&peer),
        };
        members.into_iter().map(member).collect()
    }

    /// What a member calls itself, or called itself when it was let in.
    fn member_name(&self, room: RoomId, peer: PeerId) -> String {
        let let_in = || self.node.room(room)?.name_of_member(peer).map(str::to_owned);
        self.known_name(peer).or_else(let_in).unwrap_or_else(|| peer.short())
    }

    fn invites(&self, room: RoomId, now: UnixMillis) -> Vec<Invite> {
        let me = self.node.me();
        let invite = |(id, known): (InviteId, KnownInvite)| Invite {
            id: id.to_string(),
            room: room.to_string(),
            link: if known.by == me {
                rooms::Invite { room, secret: known.secret, inviter: me, expires: known.expires }.link()
            } else {
                String::new()
            },
            expires: known.expires.0,
            by: known.by.to_string(),
        };
        self.node.invites(room, now).into_iter().map(invite).collect()
    }

    /// What happened in a room, as an entry tells it.
    pub(super) fn note(&self, entry: &Entry, deed: &Deed) -> Option<Note> {
        let author = entry.header.author;
        let (kind, peer, named) = match &deed.what {
            What::Genesis { .. } => (NoteKind::Created, None, ""),
            What::Add { device, invite: Some(_), name, .. } => {
                (NoteKind::Joined, Some(*device), name.as_str())
            }
            What::Add { device, name, .. } => (NoteKind::Added, Some(*device), name.as_str()),
            What::Remove { device, .. } if *device == author => (NoteKind::Left, None, ""),
            What::Remove { device, .. } => (NoteKind::Removed, Some(*device), ""),
            What::Appoint { device, admin: true } => (NoteKind::Promoted, Some(*device), ""),
            What::Appoint { device, .. } => (NoteKind::Demoted, Some(*device), ""),
            What::Renewed => (NoteKind::KeysRenewed, None, ""),
            What::Grant { .. } | What::Invite { .. } | What::Revoke { .. } => return None,
        };
        let name = peer.map(|peer| {
            let known = self.member_name(entry.header.room, peer);
            if known == peer.short() && !named.is_empty() { named.to_owned() } else { known }
        });
        Some(Note { kind, peer: peer.map(|peer| peer.to_string()), name, text: String::new() })
    }

    pub(super) fn tell_of_members(&mut self, room: RoomId) {
        self.tell(Event::MembersChanged { room: room.to_string() });
        self.tell_of_room(room);
        self.judge(room);
    }

    /// Reads entries whose keys came.
    pub(super) fn reread(&self, room: RoomId, epochs: Vec<u32>) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            for epoch in epochs {
                let mut after = 0;
                loop {
                    let report = match store.of_epoch(room, epoch, after).await {
                        Ok((_, None)) => break,
                        Ok((found, Some(last))) => {
                            after = last;
                            Report::Reread { room, found }
                        }
                        Err(error) => Report::Failed(error),
                    };
                    // The engine's task may have ended.
                    if reports.send(report).await.is_err() {
                        return;
                    }
                }
            }
            let _ = reports.send(Report::Unsealed).await;
        });
    }

    pub(super) async fn reread_found(
        &mut self,
        room: RoomId,
        entries: Vec<crate::store::Arrived>,
    ) -> Result<(), StoreError> {
        self.handle(Input::Reread { room, entries }).await
    }
}

/// How this device stands to a room.
pub(super) fn membership(held: &lanyard_proto::node::Room) -> Membership {
    match held.membership() {
        NodeMembership::Member => Membership::Member,
        NodeMembership::Joining => Membership::Joining,
        NodeMembership::Refused(_) => Membership::Refused,
        NodeMembership::Removed => Membership::Removed,
    }
}

pub(super) fn api_role(role: NodeRole) -> Role {
    match role {
        NodeRole::Creator => Role::Creator,
        NodeRole::Admin => Role::Admin,
        NodeRole::Member => Role::Member,
    }
}

/// For how long an invite holds if nobody says otherwise: a week.
const INVITE_HOURS: u32 = 7 * 24;

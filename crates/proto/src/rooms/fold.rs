//! Who is in a private room: a pure function of the set of deeds, so that all who have the same deeds agree, whatever
//! the order in which they arrived.
//!
//! Deeds are sorted by (height, hybrid clock, author, place in the log), and each counts only if its author had the right to
//! it there. A removal also cuts what its device wrote unseen by the remover. Since that could be further removals, it is
//! done in three rounds: the creator's removals are final first, then the admins', then everything else is.
//!
//! Everybody can write deeds that come to nothing. So nothing that the creator or an admin does rests on what a member did:
//! heights may leave steps out, and [`Quotas`] say how many deeds of whom are kept.

mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::model::{EntryId, Hlc, InviteId, KeyId, LogId, PeerId, RoomId, Seq, UnixMillis};
use crate::rooms::deed::{Deed, DeedMark, MAX_AFTER, MAX_NAMED_DEEDS, What, deed_mark};
use crate::rooms::private_room_id;
use crate::rooms::quota::{Quotas, Sort};
use crate::wire::entry::Entry;

pub use keys::{Grant, MAX_KEYS_OF_EPOCH};

/// What a member may do. More is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Member,
    /// Adds and removes members, invites, renews keys.
    Admin,
    /// Began the room; the only one to make and to remove admins.
    Creator,
}

/// A deed and the entry that it stands in. Deeds sort in the order in which they are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub author: PeerId,
    pub log: LogId,
    pub seq: Seq,
    pub id: EntryId,
    pub hlc: Hlc,
    /// With which epoch's key the entry is sealed: whoever had that key could read it.
    pub epoch: u32,
    pub deed: Deed,
}

impl Done {
    pub fn of(entry: &Entry, deed: Deed) -> Done {
        let header = &entry.header;
        let (author, seq, hlc, epoch) = (header.author, header.seq, header.hlc, header.epoch);
        Done { author, log: entry.log(), seq, id: entry.id(), hlc, epoch, deed }
    }

    pub(super) fn place(&self) -> Place {
        (self.deed.height, self.hlc, self.author, self.seq, self.id)
    }
}

pub(super) type Place = (u32, Hlc, PeerId, Seq, EntryId);

/// All deeds of a room that are here and readable.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    done: BTreeMap<Place, Arc<Done>>,
    quotas: Quotas,
    /// As of the last fold.
    named: BTreeSet<PeerId>,
}

impl Deeds {
    /// Takes a deed in, unless others are kept before it: what is kept is a function of the set, too.
    pub fn insert(&mut self, room: RoomId, done: Done) -> Inserted {
        let (id, place) = (done.id, done.place());
        let begins = match &done.deed.what {
            What::Genesis { salt, .. } if private_room_id(done.author, salt) == room => true,
            What::Genesis { .. } => return Inserted { new: false, dropped: vec![id] },
            _ => false,
        };
        if self.done.contains_key(&place) {
            return Inserted::default();
        }
        self.quotas.note(&done);
        self.quotas.note_appointment(&done);
        let mut authors = BTreeSet::from([done.author]);
        if begins && self.quotas.creator().is_none() {
            self.quotas.begin(done.author);
            self.done.values().for_each(|done| self.quotas.note_appointment(done));
            authors = self.quotas.authors();
        }
        self.done.insert(place, Arc::new(done));
        let mut dropped = Vec::new();
        for author in authors {
            while let Some(place) = self.quotas.take_surplus(author) {
                dropped.extend(self.done.remove(&place).map(|done| done.id));
            }
        }
        Inserted { new: !dropped.contains(&id), dropped }
    }

    /// The entries that they stand in, in the order in which they are folded.
    pub fn ids(&self) -> impl Iterator<Item = EntryId> {
        self.done.values().map(|done| done.id)
    }

    /// As [`Deeds::ids`], of those that stand where `open` says that it is open.
    pub fn ids_within(&self, open: impl Fn(LogId) -> Seq) -> impl Iterator<Item = EntryId> {
        self.done.values().filter(move |done| done.seq <= open(done.log)).map(|done| done.id)
    }

    /// By which a removal names what a device did; `None` if that is more than it can name.
    pub fn marks_of(&self, author: PeerId) -> Option<Vec<DeedMark>> {
        let theirs = self.done.values().filter(|done| done.author == author);
        let marks: Vec<DeedMark> = theirs.map(|done| deed_mark(done.id)).take(MAX_NAMED_DEEDS + 1).collect();
        (marks.len() <= MAX_NAMED_DEEDS).then_some(marks)
    }

    /// How far the logs of a device reach by its deeds, also where nothing else of them is here.
    pub fn heads_of(&self, author: PeerId) -> BTreeMap<LogId, Seq> {
        let mut heads = BTreeMap::new();
        for done in self.done.values().filter(|done| done.author == author) {
            let head: &mut Seq = heads.entry(done.log).or_default();
            *head = done.seq.max(*head);
        }
        heads
    }

    /// Whether entries of this author belong into the room, as of the last fold.
    pub fn names(&self, author: PeerId) -> bool {
        self.named.contains(&author)
    }

    /// Everybody of whom that is so.
    pub fn named(&self) -> impl Iterator<Item = PeerId> {
        self.named.iter().copied()
    }

    /// How many deeds of a sort somebody wrote, of those that are kept.
    pub fn written(&self, author: PeerId, sort: Sort) -> usize {
        self.quotas.written(author, sort)
    }

    /// Whether so many more of somebody's deeds would be kept.
    pub fn has_place(&self, author: PeerId, sort: Sort, more: usize) -> bool {
        self.quotas.has_place(author, sort, more)
    }

    /// Whether somebody wrote so many deeds that he is out for good.
    pub fn is_flooding(&self, author: PeerId) -> bool {
        self.quotas.is_flooding(author)
    }

    pub fn len(&self) -> usize {
        self.done.len()
    }

    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// What they come to.
    pub fn fold(&mut self) -> Fold {
        self.named = self.find_named();
        let nothing = Cuts::new();
        let by_creator = self.round(&nothing, Role::Creator).cuts;
        let by_admins = self.round(&by_creator, Role::Admin).cuts;
        let mut fold = self.round(&by_admins, Role::Member).fold;
        for author in self.quotas.flooding() {
            if let Some(role) = fold.members.remove(&author) {
                let theirs = self.done.values().filter(|done| done.author == author);
                let epoch = theirs.map(|done| done.epoch).max().unwrap_or_default();
                fold.former.insert(author, Former { role: Some(role), removals: BTreeMap::new(), epoch });
            }
        }
        fold
    }

    /// `least`: removals by this role and above become cuts for the next round.
    fn round(&self, cuts: &Cuts, least: Role) -> Round {
        let mut round = Round { cuts: cuts.clone(), ..Round::default() };
        for done in self.done.values() {
            if round.fold.creator.is_none() && done.deed.height > 0 {
                round.fold.incomplete = true;
                break;
            }
            let rules = self.quotas.is_ruler(done.author);
            if round.climb(done.deed.height, rules, self.quotas.creator() == Some(done.author)) {
                if rules && let What::Grant { epoch, key, .. } = &done.deed.what {
                    round.fold.mentioned.insert((*epoch, *key));
                }
                if !round.is_cut(cuts, done) {
                    round.apply(done, least);
                }
            }
        }
        round
    }

    /// Devices whose entries are kept: whoever an admin let in, and whoever came by an invite that an admin made, whether it
    /// counts or not, so that all who have the same deeds keep the same entries.
    fn find_named(&self) -> BTreeSet<PeerId> {
        let rules = |author| self.quotas.is_ruler(author);
        let invites: BTreeSet<InviteId> = self
            .done
            .values()
            .filter(|done| rules(done.author))
            .filter_map(|done| match &done.deed.what {
                What::Invite { secret, .. } => Some(super::invite_id(secret)),
                _ => None,
            })
            .collect();
        let mut named: BTreeSet<PeerId> = self.quotas.creator().into_iter().collect();
        let mut by_invite = BTreeSet::new();
        for done in self.done.values() {
            let What::Add { device, invite, .. } = &done.deed.what else { continue };
            match invite {
                None if rules(done.author) => drop(named.insert(*device)),
                Some(invite) if invites.contains(invite) && by_invite.len() < MAX_NAMED_BY_INVITES => {
                    by_invite.insert(*device);
                }
                _ => {}
            }
        }
        named.extend(by_invite);
        named
    }
}

/// What became of a deed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Whether it was not here before, and is now.
    pub new: bool,
    /// What is not kept: it, or others for it.
    pub dropped: Vec<EntryId>,
}

/// First 16 bytes of SHA-256 over ids in their order.
pub fn digest_of(ids: impl Iterator<Item = EntryId>) -> [u8; 16] {
    let mut hash = Sha256::new();
    ids.for_each(|id| hash.update(id.0));
    let full = hash.finalize();
    core::array::from_fn(|i| full[i])
}

/// What the deeds of a room come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    pub creator: Option<PeerId>,
    pub name: String,
    pub members: BTreeMap<PeerId, Role>,
    /// Devices that were put out or left, and are not in again.
    pub former: BTreeMap<PeerId, Former>,
    pub invites: BTreeMap<InviteId, KnownInvite>,
    /// By epoch, the one that counts first: that of the lowest entry id.
    pub grants: BTreeMap<u32, Vec<Grant>>,
    /// The highest of all deeds, but for those that are too high to be true.
    height: u32,
    /// The highest of those by admins.
    ruled: u32,
    /// When the room began, by its creator's clock.
    pub begun: Hlc,
    /// The key that the room began with.
    first: Option<KeyId>,
    /// Whether there are deeds above some that are not here.
    pub incomplete: bool,
    /// Keys that an admin ever spoke of, also where that does not count: something may be sealed with them.
    mentioned: BTreeSet<(u32, KeyId)>,
    /// What devices called themselves when they were let in, for those who never met them. Claims.
    pub names: BTreeMap<PeerId, String>,
    /// In which epoch each device was last let in.
    added: BTreeMap<PeerId, u32>,
    /// Who let a device in by no invite, and by which entry.
    adders: BTreeMap<PeerId, (PeerId, LogId, Seq)>,
    /// The highest epoch in which somebody was put out.
    removed_in: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// What it was; `None` if it never was in, as far as is known.
    pub role: Option<Role>,
    /// Every removal that was not ended by an addition: its entry, and what it leaves.
    pub removals: BTreeMap<EntryId, Cut>,
    /// The highest epoch of these.
    pub epoch: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInvite {
    pub secret: [u8; 16],
    pub by: PeerId,
    pub expires: UnixMillis,
    pub revoked: bool,
    epoch: u32,
}

impl Fold {
    pub fn role(&self, peer: PeerId) -> Option<Role> {
        self.members.get(&peer).copied()
    }

    /// Whether an entry of a room means anything: its author is in, or wrote it before it was put out.
    pub fn counts(&self, author: PeerId, log: LogId, seq: Seq) -> bool {
        if self.members.contains_key(&author) {
            return true;
        }
        self.former.get(&author).is_some_and(|former| former.role.is_some() && former.covers(log, seq))
    }

    /// Who let a device in and in which entry, if that was not by an invite.
    pub fn adder(&self, peer: PeerId) -> Option<(PeerId, LogId, Seq)> {
        self.adders.get(&peer).copied()
    }

    /// The epoch in which a device was let in, last.
    pub fn added_in(&self, peer: PeerId) -> Option<u32> {
        self.added.get(&peer).copied()
    }

    /// Removals that an addition of the device has to name.
    pub fn removals_of(&self, peer: PeerId) -> Vec<EntryId> {
        self.former.get(&peer).map(|former| former.removals.keys().copied().collect()).unwrap_or_default()
    }

    /// The invite, if it lets somebody in who comes at this time.
    pub fn open_invite(&self, invite: InviteId, at: UnixMillis) -> Option<&KnownInvite> {
        self.invites
            .get(&invite)
            .filter(|known| !known.revoked && at <= known.expires && !self.is_void(known))
    }

    /// Whoever was put out may know the secret of every invite that was made before.
    fn is_void(&self, invite: &KnownInvite) -> bool {
        self.removed_in.is_some_and(|epoch| epoch >= invite.epoch)
    }

    pub fn is_revoked(&self, invite: InviteId) -> bool {
        self.invites.get(&invite).is_some_and(|known| known.revoked || self.is_void(known))
    }

    /// The height of whatever is done next.
    pub fn next_height(&self) -> u32 {
        self.height.saturating_add(1).min(self.ruled.saturating_add(MAX_STEP))
    }
}

impl Former {
    /// Whether an entry was seen by everybody who removed its author. Whoever put himself out has said nothing.
    pub fn covers(&self, log: LogId, seq: Seq) -> bool {
        !self.removals.is_empty() && self.removals.values().all(|cut| cut.covers(log, seq))
    }

    fn covers_deed(&self, done: &Done) -> bool {
        !self.removals.is_empty() && self.removals.values().all(|cut| cut.covers_deed(done))
    }

    /// How far this device may still fetch each log: what all its removers had.
    pub fn may_fetch(&self, log: LogId) -> Seq {
        let heads = self.removals.values().map(|cut| cut.heads.get(&log).copied().unwrap_or_default());
        heads.min().unwrap_or_default()
    }
}

/// What a removal leaves of a device's logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Up to where they count.
    heads: BTreeMap<LogId, Seq>,
    /// Which deeds do; `None`: heads alone say so.
    deeds: Option<BTreeSet<DeedMark>>,
}

impl Cut {
    fn covers(&self, log: LogId, seq: Seq) -> bool {
        self.heads.get(&log).is_some_and(|head| seq <= *head)
    }

    fn covers_deed(&self, done: &Done) -> bool {
        let named = self.deeds.as_ref().is_none_or(|deeds| deeds.contains(&deed_mark(done.id)));
        named && self.covers(done.log, done.seq)
    }
}

/// What removals cut of a device's logs, by the entry of the removal.
type Cuts = BTreeMap<PeerId, BTreeMap<EntryId, Cut>>;

#[derive(Default)]
struct Round {
    fold: Fold,
    /// For the next round.
    cuts: Cuts,
    /// Removals that an addition ended.
    ended: BTreeSet<EntryId>,
}

impl Round {
    /// Whether a deed may stand at this height. Nobody can push later ones out of their order by a made-up one; but what an
    /// admin did stands, though something that it was built on is not kept. The creator's word stands in any case.
    fn climb(&mut self, height: u32, rules: bool, creates: bool) -> bool {
        let fold = &mut self.fold;
        fold.incomplete |= height > fold.height.saturating_add(1);
        if !creates && height > fold.ruled.saturating_add(MAX_STEP) {
            return false;
        }
        fold.height = fold.height.max(height);
        if rules {
            fold.ruled = fold.ruled.max(height);
        }
        true
    }

    fn is_cut(&self, cuts: &Cuts, done: &Done) -> bool {
        let Some(removals) = cuts.get(&done.author) else { return false };
        removals.iter().any(|(id, cut)| !self.ended.contains(id) && *id != done.id && !cut.covers_deed(done))
    }

    /// The role of whoever did something, there.
    fn authority(&self, done: &Done) -> Option<Role> {
        let was = |former: &Former| former.role.filter(|_| former.covers_deed(done));
        self.fold.role(done.author).or_else(|| self.fold.former.get(&done.author).and_then(was))
    }

    fn apply(&mut self, done: &Done, least: Role) {
        if let What::Genesis { name, key, .. } = &done.deed.what {
            if self.fold.creator.is_none() {
                self.fold.creator = Some(done.author);
                self.fold.first = Some(*key);
                self.fold.name = name.clone();
                self.fold.begun = done.hlc;
                self.fold.members.insert(done.author, Role::Creator);
            }
            return;
        }
        let Some(role) = self.authority(done) else { return };
        match &done.deed.what {
            What::Add { device, admin, invite, after, name } => {
                let is_added = self.add(done, role, *device, *admin, *invite, after);
                if is_added && !name.is_empty() {
                    self.fold.names.insert(*device, name.clone());
                }
            }
            What::Remove { device, heads, deeds } => {
                let cut = cut_by(done, heads, deeds.as_deref());
                self.remove(done, role, *device, cut, least);
            }
            What::Appoint { device, admin } if role == Role::Creator => {
                if let Some(theirs) = self.fold.members.get_mut(device).filter(|role| **role != Role::Creator)
                {
                    *theirs = if *admin { Role::Admin } else { Role::Member };
                }
            }
            What::Grant { epoch, key, boxes } if role >= Role::Admin => self.grant(done, *epoch, *key, boxes),
            What::Invite { secret, expires } if role >= Role::Admin => {
                let known = KnownInvite {
                    secret: *secret,
                    by: done.author,
                    expires: *expires,
                    revoked: false,
                    epoch: done.epoch,
                };
                self.fold.invites.entry(super::invite_id(secret)).or_insert(known);
            }
            What::Revoke { invite } if role >= Role::Admin => {
                if let Some(known) = self.fold.invites.get_mut(invite) {
                    known.revoked = true;
                }
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        done: &Done,
        role: Role,
        device: PeerId,
        admin: bool,
        invite: Option<InviteId>,
        after: &[EntryId],
    ) -> bool {
        let allowed = match invite {
            Some(invite) => self.fold.open_invite(invite, done.hlc.unix()).is_some(),
            None => role >= Role::Admin,
        };
        let fold = &mut self.fold;
        let is_out = fold
            .former
            .get(&device)
            .is_some_and(|former| former.removals.keys().any(|removal| !after.contains(removal)));
        let is_in = fold.members.contains_key(&device);
        let places = if invite.is_some() { MAX_MEMBERS_BY_INVITES } else { MAX_MEMBERS };
        if !allowed || is_out || (!is_in && fold.members.len() >= places) {
            return false;
        }
        if let Some(former) = fold.former.remove(&device) {
            self.ended.extend(former.removals.keys());
        }
        // Who began the room and left it is its creator again: nobody else could make admins.
        let rank = match device {
            _ if fold.creator == Some(device) => Role::Creator,
            _ if admin && role == Role::Creator => Role::Admin,
            _ => Role::Member,
        };
        fold.members.entry(device).or_insert(rank);
        let added = fold.added.entry(device).or_default();
        *added = (*added).max(done.epoch);
        if invite.is_none() {
            fold.adders.insert(device, (done.author, done.log, done.seq));
        }
        true
    }

    fn remove(&mut self, done: &Done, role: Role, device: PeerId, cut: Cut, least: Role) {
        let fold = &mut self.fold;
        let theirs = fold.role(device).or_else(|| fold.former.get(&device).and_then(|former| former.role));
        let leaves = device == done.author;
        if !leaves && (role < Role::Admin || theirs.is_some_and(|theirs| theirs >= role)) {
            return;
        }
        // More than an addition could end would keep the device out for good.
        if fold.former.get(&device).is_some_and(|former| former.removals.len() >= MAX_AFTER) {
            return;
        }
        if role >= least || leaves {
            self.cuts.entry(device).or_default().insert(done.id, cut.clone());
        }
        if !leaves {
            fold.removed_in = Some(fold.removed_in.map_or(done.epoch, |epoch| epoch.max(done.epoch)));
        }
        fold.members.remove(&device);
        let fresh = Former { role: theirs, removals: BTreeMap::new(), epoch: done.epoch };
        let former = fold.former.entry(device).or_insert(fresh);
        former.removals.insert(done.id, cut);
        former.epoch = former.epoch.max(done.epoch);
    }
}

fn cut_by(done: &Done, heads: &[(LogId, Seq)], deeds: Option<&[DeedMark]>) -> Cut {
    let mut heads: BTreeMap<LogId, Seq> = heads.iter().copied().collect();
    // Nobody can name the entry that he is about to write.
    heads.insert(done.log, done.seq);
    let own = deed_mark(done.id);
    let deeds = deeds.map(|deeds| deeds.iter().copied().chain([own]).collect());
    Cut { heads, deeds }
}

/// Devices that are in a room at a time.
pub const MAX_MEMBERS: usize = 4096;
/// Members beyond which nobody comes in by an invite: an admin always finds room for somebody.
pub const MAX_MEMBERS_BY_INVITES: usize = 3072;
/// Devices whose entries are kept because some member let them in.
const MAX_NAMED_BY_INVITES: usize = 8192;
/// Between two deeds of admins there may be so many of others, one upon the other.
const MAX_STEP: u32 = 1024;

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;

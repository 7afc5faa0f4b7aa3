//! How many deeds of whom are kept, so that nobody can crowd out what others did.
//!
//! What is kept is a function of the set of deeds and not of their order: of each author the lowest of each sort, and of
//! all together those who count for more first. Who may ever be an admin is told by the creator's deeds alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::PeerId;
use crate::rooms::deed::What;
use crate::rooms::fold::{Done, Place};
pub use crate::wire::frame::MAX_DEEDS;

/// Two sorts of deeds, which do not take each other's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Counts only if an admin did it.
    Ruling,
    /// Any member may: let somebody in for an invite, leave.
    Plain,
}

/// Whose deeds stay when there are too many of all: the greater goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Creator,
    Admin,
    Member,
    /// What its author is not known to have had the right to, ever.
    Idle,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Quotas {
    creator: Option<PeerId>,
    /// The creator, and whomever he ever made an admin.
    rulers: BTreeSet<PeerId>,
    places: BTreeMap<(PeerId, Sort), BTreeSet<Place>>,
    kept: usize,
}

impl Sort {
    pub fn of(author: PeerId, what: &What) -> Sort {
        match what {
            What::Add { invite: Some(_), .. } => Sort::Plain,
            What::Remove { device, .. } if *device == author => Sort::Plain,
            _ => Sort::Ruling,
        }
    }
}

impl Quotas {
    pub(super) fn creator(&self) -> Option<PeerId> {
        self.creator
    }

    pub(super) fn is_ruler(&self, author: PeerId) -> bool {
        self.rulers.contains(&author)
    }

    pub(super) fn begin(&mut self, creator: PeerId) {
        self.creator = Some(creator);
        self.rulers.insert(creator);
    }

    pub(super) fn note(&mut self, done: &Done) {
        let sort = Sort::of(done.author, &done.deed.what);
        self.kept += usize::from(self.places.entry((done.author, sort)).or_default().insert(done.place()));
    }

    /// What the creator does may make somebody an admin.
    pub(super) fn note_appointment(&mut self, done: &Done) {
        let (What::Appoint { device, admin: true } | What::Add { device, admin: true, .. }) = done.deed.what
        else {
            return;
        };
        if self.creator == Some(done.author) {
            self.rulers.insert(device);
        }
    }

    /// Everybody who did anything.
    pub(super) fn authors(&self) -> BTreeSet<PeerId> {
        self.places.keys().map(|(author, _)| *author).collect()
    }

    /// A deed that has no place, if this author has one, or all have too many. It is forgotten here.
    pub(super) fn take_surplus(&mut self, author: PeerId) -> Option<Place> {
        let mut sorts = [Sort::Ruling, Sort::Plain].into_iter();
        let own = sorts.find(|sort| self.written(author, *sort) > self.limit(author, *sort));
        // Until it is known who began the room, nobody can be told from its creator.
        let most = if self.creator.is_some() { MAX_DEEDS } else { MAX_UNSORTED };
        let group = own.map(|sort| (author, sort)).or_else(|| {
            let last =
                |(author, sort), places: &BTreeSet<Place>| (self.class(author, sort), places.last().copied());
            let groups = self.places.iter().filter(|_| self.kept > most);
            groups.max_by_key(|(group, places)| last(**group, places)).map(|(group, _)| *group)
        })?;
        let place = self.places.get_mut(&group)?.pop_last()?;
        self.kept -= 1;
        Some(place)
    }

    /// How many deeds of a sort somebody has here.
    pub(super) fn written(&self, author: PeerId, sort: Sort) -> usize {
        self.places.get(&(author, sort)).map_or(0, BTreeSet::len)
    }

    pub(super) fn has_place(&self, author: PeerId, sort: Sort, more: usize) -> bool {
        let written = |sort| self.written(author, sort);
        match sort {
            _ if self.creator.is_none_or(|creator| creator == author) => {
                written(Sort::Ruling) + written(Sort::Plain) + more <= MAX_DEEDS
            }
            Sort::Ruling => written(sort) + more <= MAX_RULING_OF_AUTHOR,
            Sort::Plain => written(sort) + more <= MAX_PLAIN_OF_AUTHOR,
        }
    }

    /// Whether somebody wrote more of what any member may do than anybody has reason to. It stays so, whatever else comes:
    /// so nobody gains by crowding out what he did himself.
    pub(super) fn is_flooding(&self, author: PeerId) -> bool {
        self.creator.is_some_and(|creator| creator != author)
            && self.written(author, Sort::Plain) > MAX_PLAIN_OF_AUTHOR
    }

    /// Those of whom that is so.
    pub(super) fn flooding(&self) -> impl Iterator<Item = PeerId> {
        self.places
            .keys()
            .filter(|(author, sort)| *sort == Sort::Plain && self.is_flooding(*author))
            .map(|(a, _)| *a)
    }

    fn limit(&self, author: PeerId, sort: Sort) -> usize {
        match sort {
            _ if self.creator.is_none_or(|creator| creator == author) => usize::MAX,
            Sort::Ruling => MAX_RULING_OF_AUTHOR,
            // One more proves that there were too many.
            Sort::Plain => MAX_PLAIN_OF_AUTHOR + 1,
        }
    }

    fn class(&self, author: PeerId, sort: Sort) -> Class {
        match sort {
            _ if self.creator == Some(author) => Class::Creator,
            _ if self.rulers.contains(&author) => Class::Admin,
            Sort::Plain => Class::Member,
            Sort::Ruling => Class::Idle,
        }
    }
}

/// As long as the genesis is not here.
const MAX_UNSORTED: usize = 4 * MAX_DEEDS;
/// Of one author who is not the creator: the keys of a full room a hundred times, or two thousand members.
pub const MAX_RULING_OF_AUTHOR: usize = 2048;
/// So many does a device let in by invites, and leave, at the most.
pub const MAX_PLAIN_OF_AUTHOR: usize = 256;
/// At this a device leaves it to others to let people in for invites.
pub const PLAIN_IS_MUCH: usize = 192;

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;

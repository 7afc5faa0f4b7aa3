//! Who gets which piece from whom. Two machines that move no byte: [`Fetch`] chooses for a receiver, [`Handout`] for the
//! author. Holders and takers are connections, numbered by the engine.
//!
//! The author sends to each receiver **any** pieces it chooses, up to a credit, and chooses those that nobody has: so its
//! upload comes to about one copy, however many receive. When there are none it says SPREAD, and receivers get the rest from
//! each other: the rarest first, from near ones before far ones. What no other receiver has or gives they ask the author for
//! by number.

mod handout;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::Instant;
use crate::transfer::bitmap::Bitmap;

pub use handout::Handout;

/// A connection, as the engine numbers them.
pub type Link = u32;

/// Pieces under way from one holder.
pub const WINDOW: u32 = 16;

/// Copies of a piece that may arrive damaged before its files are given up.
pub const MAX_TRIES: u8 = 3;

/// Damaged pieces of one holder that is not the author, until it is asked no more.
const MAX_STRIKES: u8 = 3;

/// Pieces looked at to find the rarest: all of a gigabyte.
const LOOKED_AT: usize = 1024;

/// How long a piece may be under way before somebody who has nothing to do is asked for it too.
const LATE: Duration = Duration::from_secs(4);

/// How long a piece may be under way from a holder that is not the author, until nothing is expected of it any more: unless
/// something comes from it all the time, and be it as little as where somebody limits how fast it may.
const STALLED: Duration = Duration::from_secs(120);
const SLOWEST: u64 = 512;

/// How long nothing may come of others, nor to them, until a receiver asks the author by number for what it lacks. Where many
/// share the author's wire, a piece takes this long to each, and whoever has to wait must not ask for it once more.
const PATIENCE: Duration = Duration::from_secs(2);

/// What somebody connected to may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The author: has everything that can be read, and chooses itself.
    Author,
    /// Whoever says what it has.
    Holder,
}

/// What to ask of one holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub pieces: Vec<u32>,
    /// So many more that the author chooses.
    pub any: u32,
}

impl Order {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.any == 0
    }
}

/// What came of a piece that did not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is asked for again.
    Again,
    /// It was damaged too often, whoever sent it.
    GivenUp,
}

/// The receiver's side: what is here, what is under way, and whom to ask for the rest.
#[derive(Debug)]
pub struct Fetch {
    have: Bitmap,
    /// Here, under way, or given up: nothing to ask for.
    settled: Bitmap,
    given_up: Bitmap,
    /// The author cannot give these.
    unreadable: Bitmap,
    holders: BTreeMap<Link, Holder>,
    /// How many holders, the author apart, have each piece.
    counts: Vec<u16>,
    tries: BTreeMap<u32, Tries>,
    /// Where the next look for pieces begins, so that receivers do not all ask for the same.
    cursor: u32,
    /// Something came of others, or to them, or is to be expected from now on.
    stirs: bool,
    /// Until when it is better to wait for others.
    patient_until: Option<Instant>,
    /// The author has said that others fetch, too.
    company: bool,
    /// Only some pieces are wanted, or it is not known yet which: the author is not to choose.
    picky: bool,
}

#[derive(Debug)]
struct Holder {
    role: Role,
    /// The smaller, the nearer.
    distance: u32,
    has: Bitmap,
    asked: BTreeMap<u32, Asked>,
    /// Pieces that the author may still choose for us.
    credit: u32,
    /// The author has nothing more that nobody has.
    spread: bool,
    strikes: u8,
    /// Bytes that came from it.
    heard: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// What had come from the holder by then.
    heard: u64,
    /// Somebody else was asked too.
    late: bool,
}

#[derive(Debug, Default)]
struct Tries {
    count: u8,
    of: BTreeSet<Link>,
}

impl Fetch {
    /// `seed` is any number that differs between receivers.
    pub fn new(have: Bitmap, seed: u32) -> Fetch {
        let length = have.length();
        Fetch {
            settled: have.clone(),
            have,
            given_up: Bitmap::new(length),
            unreadable: Bitmap::new(length),
            holders: BTreeMap::new(),
            counts: vec![0; length as usize],
            tries: BTreeMap::new(),
            cursor: if length == 0 { 0 } else { seed % length },
            stirs: true,
            patient_until: None,
            company: false,
            picky: false,
        }
    }

    /// From now on pieces are asked for by number, in their order: what the author would choose may not be wanted.
    pub fn choose(&mut self) {
        self.picky = true;
        self.cursor = 0;
    }

    /// A piece is not to be asked for until [`Fetch::release`]: it may turn out to be here.
    pub fn hold(&mut self, piece: u32) {
        self.settled.insert(piece);
    }

    /// A piece turned out to be here.
    pub fn found(&mut self, piece: u32) {
        self.have.insert(piece);
        self.settled.insert(piece);
    }

    pub fn release(&mut self, piece: u32) {
        self.unsettle(piece);
    }

    /// What is here and verified.
    pub fn have(&self) -> &Bitmap {
        &self.have
    }

    /// What will not come.
    pub fn given_up(&self) -> &Bitmap {
        &self.given_up
    }

    /// Whether nothing more is to come.
    pub fn is_over(&self) -> bool {
        self.have.count() + self.given_up.count() == self.have.length()
    }

    /// Whether no holder is connected.
    pub fn is_alone(&self) -> bool {
        self.holders.is_empty()
    }

    pub fn has_author(&self) -> bool {
        self.holders.values().any(|holder| holder.role == Role::Author)
    }

    pub fn joined(&mut self, link: Link, role: Role, distance: u32) {
        let has = Bitmap::new(self.have.length());
        let asked = BTreeMap::new();
        self.stirs |= role == Role::Holder;
        self.holders.insert(
            link,
            Holder { role, distance, has, asked, credit: 0, spread: false, strikes: 0, heard: 0 },
        );
    }

    /// So many bytes have come from a holder so far.
    pub fn heard(&mut self, link: Link, bytes: u64) {
        if let Some(holder) = self.holders.get_mut(&link) {
            holder.heard = bytes;
        }
    }

    /// A holder says what it has, in place of what it said before.
    pub fn has(&mut self, link: Link, has: Bitmap) {
        let Some(holder) = self.holders.get_mut(&link).filter(|holder| holder.role == Role::Holder) else {
            return;
        };
        self.stirs = true;
        let before = std::mem::replace(&mut holder.has, has);
        before.iter().for_each(|piece| self.counts[piece as usize] -= 1);
        let holder = &self.holders[&link];
        holder.has.iter().for_each(|piece| self.counts[piece as usize] += 1);
    }

    /// A holder has something more.
    pub fn got(&mut self, link: Link, piece: u32) {
        if let Some(holder) = self.holders.get_mut(&link)
            && holder.role == Role::Holder
            && holder.has.insert(piece)
        {
            self.stirs = true;
            self.counts[piece as usize] += 1;
        }
    }

    /// The author has nothing more to choose.
    pub fn spread(&mut self, link: Link) {
        if let Some(holder) = self.holders.get_mut(&link) {
            holder.spread = true;
            self.stirs = true;
        }
    }

    /// Whether others fetch at this moment, connected or not: what the author has spread is better had from them.
    pub fn set_company(&mut self, company: bool) {
        self.company = company;
    }

    /// The author cannot give these pieces; others may.
    pub fn unreadable(&mut self, pieces: impl IntoIterator<Item = u32>) {
        for piece in pieces {
            if self.have.has(piece) || !self.unreadable.insert(piece) {
                continue;
            }
            // What was asked of the author will not come.
            let authors = self.holders.values_mut().filter(|holder| holder.role == Role::Author);
            let asked: Vec<Asked> = authors.filter_map(|author| author.asked.remove(&piece)).collect();
            if asked.iter().any(|asked| !asked.late) {
                self.unsettle(piece);
            }
        }
    }

    /// A holder is gone; what it was asked for is asked of others.
    pub fn left(&mut self, link: Link) {
        let Some(gone) = self.holders.remove(&link) else { return };
        gone.has.iter().for_each(|piece| self.counts[piece as usize] -= 1);
        for (piece, asked) in gone.asked {
            if !asked.late {
                self.unsettle(piece);
            }
        }
    }

    /// Whether a piece that comes from here was asked for, or may come unasked.
    pub fn expects(&self, link: Link, piece: u32) -> bool {
        self.holders
            .get(&link)
            .is_some_and(|holder| holder.asked.contains_key(&piece) || holder.role == Role::Author)
    }

    /// A piece is here and verified.
    pub fn arrived(&mut self, link: Link, piece: u32) {
        self.stirs |= self.holders.get(&link).is_some_and(|holder| holder.role == Role::Holder);
        self.no_longer_asked(link, piece);
        self.have.insert(piece);
        self.settled.insert(piece);
        self.given_up.remove(piece);
        self.tries.remove(&piece);
    }

    /// A piece is here without some files, which the author cannot read.
    pub fn partial(&mut self, link: Link, piece: u32) {
        self.no_longer_asked(link, piece);
        self.give_up(piece);
    }

    /// A piece came that is not what it should be.
    pub fn damaged(&mut self, link: Link, piece: u32) -> Damage {
        self.no_longer_asked(link, piece);
        // What comes of somebody who is gone was asked of others meanwhile.
        if self.have.has(piece) || !self.holders.contains_key(&link) {
            return Damage::Again;
        }
        let tries = self.tries.entry(piece).or_default();
        tries.count += 1;
        tries.of.insert(link);
        if let Some(holder) = self.holders.get_mut(&link) {
            holder.strikes = holder.strikes.saturating_add(1);
        }
        if tries.count >= MAX_TRIES {
            self.give_up(piece);
            return Damage::GivenUp;
        }
        self.unsettle(piece);
        Damage::Again
    }

    /// Whether a holder sent so much that is wrong that it is better to be without it.
    pub fn is_bad(&self, link: Link) -> bool {
        let bad = |holder: &Holder| holder.role == Role::Holder && holder.strikes >= MAX_STRIKES;
        self.holders.get(&link).is_some_and(bad)
    }

    /// Nobody can give these, or they are not wanted.
    pub fn give_up(&mut self, piece: u32) {
        if !self.have.has(piece) {
            self.given_up.insert(piece);
            self.settled.insert(piece);
        }
    }

    /// Gives up what the author cannot read and nobody else who is here has. Whether there was any.
    pub fn give_up_hopeless(&mut self) -> bool {
        let hopeless = |piece: &u32| self.counts[*piece as usize] == 0;
        let lost: Vec<u32> = self.unreadable.without(&self.settled).filter(hopeless).collect();
        lost.iter().for_each(|piece| self.give_up(*piece));
        !lost.is_empty()
    }

    /// Whether anything is under way.
    pub fn is_waiting(&self) -> bool {
        self.holders.values().any(|holder| holder.credit > 0 && !holder.spread || !holder.asked.is_empty())
    }

    /// What to ask of whom now, near holders first. `checkable` says whether a piece from somebody who is not the author
    /// could be checked.
    pub fn orders(&mut self, now: Instant, checkable: impl Fn(u32) -> bool) -> Vec<(Link, Order)> {
        if std::mem::take(&mut self.stirs) {
            self.patient_until = Some(now + PATIENCE);
        }
        self.patient_until = self.patient_until.filter(|until| *until > now);
        let mut links: Vec<(u32, Link)> =
            self.holders.iter().map(|(link, holder)| (holder.distance, *link)).collect();
        links.sort_unstable();
        let mut orders = Vec::new();
        for role in [Role::Holder, Role::Author] {
            for (_, link) in &links {
                if self.holders[link].role != role {
                    continue;
                }
                let order = match role {
                    Role::Holder => self.ask_holder(*link, now, &checkable),
                    Role::Author => self.ask_author(*link, now),
                };
                if !order.is_empty() {
                    orders.push((*link, order));
                }
            }
        }
        orders
    }

    /// A holder that says to have what it does not send.
    pub fn stalled(&self, now: Instant) -> Option<Link> {
        let stalls = |holder: &Holder| {
            let mut asked = holder.asked.values();
            holder.role == Role::Holder
                && asked.any(|asked| {
                    let waited = now.since(asked.at);
                    waited >= STALLED && holder.heard - asked.heard < SLOWEST * waited.as_secs()
                })
        };
        self.holders.iter().find(|(_, holder)| stalls(holder)).map(|(link, _)| *link)
    }

    /// A holder that has nothing more to give, where nobody who is connected has what is lacking: somebody else may do better
    /// in its place.
    pub fn idle(&self) -> Option<Link> {
        let gives = |holder: &Holder| holder.role == Role::Author && !holder.spread;
        let nowhere = |piece: u32| !self.settled.has(piece) && self.counts[piece as usize] == 0;
        if self.holders.values().any(gives) || !(0..self.have.length()).any(nowhere) {
            return None;
        }
        let idle = self.holders.iter().filter(|(_, holder)| {
            let has_more = holder.has.without(&self.settled).next().is_some();
            holder.role == Role::Holder && holder.asked.is_empty() && !has_more
        });
        idle.max_by_key(|(_, holder)| holder.distance).map(|(link, _)| *link)
    }

    /// When to call [`Fetch::orders`] again, though nothing happened.
    pub fn deadline(&self) -> Option<Instant> {
        let asked = self.holders.values().flat_map(|holder| holder.asked.values());
        let late = asked.filter(|asked| !asked.late).map(|asked| asked.at + LATE).min();
        let patient = self.patient_until.filter(|_| !self.is_over());
        late.into_iter().chain(patient).min()
    }

    fn ask_holder(&mut self, link: Link, now: Instant, checkable: impl Fn(u32) -> bool) -> Order {
        let free = self.free(link);
        // Asked for a few at a time, each request would cost a frame.
        if free < WINDOW / 2 {
            return Order::default();
        }
        let mut pieces = self.rarest(link, free as usize, &checkable);
        if pieces.is_empty() && self.holders[&link].asked.is_empty() {
            pieces = self.late(link, free as usize, now, &checkable);
        }
        self.ask(link, &pieces, now);
        Order { pieces, any: 0 }
    }

    fn ask_author(&mut self, link: Link, now: Instant) -> Order {
        let holder = &self.holders[&link];
        let free = self.free(link);
        let missing = self.have.length() - self.settled.count();
        if !holder.spread && !self.picky {
            let any = free.min(missing.saturating_sub(holder.credit));
            // All that is missing may be less than half a window.
            if any < (WINDOW / 2).min(missing) {
                return Order::default();
            }
            self.holders.get_mut(&link).expect("looked at above").credit += any;
            return Order { pieces: Vec::new(), any };
        }
        let others = self.company || self.holders.values().any(|holder| holder.role == Role::Holder);
        let impatient = self.picky || !others || self.patient_until.is_none();
        let mut pieces = Vec::new();
        if impatient && free >= WINDOW / 2 {
            // What somebody sent damaged is not expected of those who have it either.
            let lonely = |piece: &u32| self.counts[*piece as usize] == 0 || self.tries.contains_key(piece);
            pieces = self.missing(link).filter(lonely).take(free as usize).collect();
        }
        if pieces.is_empty() && self.holders[&link].asked.is_empty() {
            pieces = self.late(link, free as usize, now, |_| true);
        }
        self.ask(link, &pieces, now);
        Order { pieces, any: 0 }
    }

    /// Pieces that may still be asked of a holder at this moment.
    fn free(&self, link: Link) -> u32 {
        let holder = &self.holders[&link];
        let under_way = holder.asked.values().filter(|asked| !asked.late).count() as u32;
        WINDOW.saturating_sub(under_way + if holder.spread { 0 } else { holder.credit })
    }

    /// What is wanted and this holder has, from the cursor on; what it sent damaged before only if nobody else has it.
    fn missing(&self, link: Link) -> impl Iterator<Item = u32> + '_ {
        let holder = &self.holders[&link];
        let length = self.have.length();
        let mut at = self.cursor;
        let mut wrapped = false;
        let wanted = std::iter::from_fn(move || {
            loop {
                match self.settled.next_absent(at) {
                    Some(piece) if !wrapped || piece < self.cursor => {
                        at = piece + 1;
                        return Some(piece);
                    }
                    None if !wrapped => (at, wrapped) = (0, true),
                    _ => return None,
                }
            }
        });
        wanted.take(length as usize).filter(move |piece| {
            let gives = match holder.role {
                Role::Author => !self.unreadable.has(*piece),
                Role::Holder => holder.has.has(*piece),
            };
            gives && !self.is_distrusted(link, *piece)
        })
    }

    fn is_distrusted(&self, link: Link, piece: u32) -> bool {
        let Some(tries) = self.tries.get(&piece).filter(|tries| tries.of.contains(&link)) else {
            return false;
        };
        self.holders.iter().any(|(other, holder)| {
            !tries.of.contains(other)
                && match holder.role {
                    Role::Author => !self.unreadable.has(piece),
                    Role::Holder => holder.has.has(piece),
                }
        })
    }

    fn rarest(&mut self, link: Link, most: usize, checkable: impl Fn(u32) -> bool) -> Vec<u32> {
        let candidates = self.missing(link).filter(|piece| checkable(*piece)).take(LOOKED_AT);
        let mut found: Vec<(u16, u32)> =
            candidates.map(|piece| (self.counts[piece as usize], piece)).collect();
        found.sort_by_key(|(count, _)| *count);
        found.truncate(most);
        if let Some((_, last)) = found.last() {
            self.cursor = (last + 1) % self.have.length();
        }
        found.into_iter().map(|(_, piece)| piece).collect()
    }

    /// What others were asked for long ago and this one has too.
    fn late(&self, link: Link, most: usize, now: Instant, checkable: impl Fn(u32) -> bool) -> Vec<u32> {
        let holder = &self.holders[&link];
        let others = self.holders.iter().filter(|(other, _)| **other != link);
        let under_way = others.flat_map(|(_, other)| &other.asked);
        let late = under_way.filter(|(piece, asked)| {
            let gives = match holder.role {
                Role::Author => !self.unreadable.has(**piece),
                Role::Holder => holder.has.has(**piece) && checkable(**piece),
            };
            gives && !asked.late && now.since(asked.at) >= LATE
        });
        late.map(|(piece, _)| *piece).take(most).collect()
    }

    fn ask(&mut self, link: Link, pieces: &[u32], now: Instant) {
        for piece in pieces {
            self.settled.insert(*piece);
            for holder in self.holders.values_mut() {
                if let Some(asked) = holder.asked.get_mut(piece) {
                    asked.late = true;
                }
            }
            if let Some(holder) = self.holders.get_mut(&link) {
                holder.asked.insert(*piece, Asked { at: now, heard: holder.heard, late: false });
            }
        }
    }

    fn no_longer_asked(&mut self, link: Link, piece: u32) {
        if let Some(holder) = self.holders.get_mut(&link)
            && holder.asked.remove(&piece).is_none()
        {
            holder.credit = holder.credit.saturating_sub(1);
        }
    }

    /// A piece is to be asked for again, unless it is under way from somebody else.
    fn unsettle(&mut self, piece: u32) {
        let under_way =
            self.holders.values().any(|holder| holder.asked.get(&piece).is_some_and(|asked| !asked.late));
        if !self.have.has(piece) && !self.given_up.has(piece) && !under_way {
            self.settled.remove(piece);
        }
    }
}

#[cfg(test)]
#[path = "swarm_tests.rs"]
mod tests;

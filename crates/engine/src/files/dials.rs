//! Whom a pull knows, whom it is dialling, and when it dials again.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use lanyard_proto::model::PeerId;
use lanyard_proto::wire::file::Source;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::link::{Dial, Dialled};

/// Connections of one pull, dialled or standing.
pub(super) const MAX_LINKS: usize = 8;

/// Devices that a pull remembers.
const MAX_KNOWN: usize = 64;

/// Tries to reach a device that is not the author, until nothing is expected of it any more.
const MAX_TRIES: u32 = 4;

/// Before a device is dialled again; doubles each time.
const FIRST_REST: Duration = Duration::from_secs(1);
const MAX_REST: Duration = Duration::from_secs(30);

pub(super) struct Dials<D: Dial> {
    dial: D,
    author: PeerId,
    /// In which order devices are dialled: another one at each receiver. If all dialled the same few, what the others have would
    /// be asked of nobody.
    order: u64,
    known: BTreeMap<PeerId, Known>,
    running: JoinSet<(Source, io::Result<Dialled<D::Stream>>)>,
}

struct Known {
    source: Source,
    state: State,
    tries: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Dialling,
    Connected,
    Resting(Instant),
    /// It does not serve us, or sends what is wrong.
    Useless,
}

impl Known {
    fn rest(&self) -> Duration {
        (FIRST_REST * 2u32.saturating_pow(self.tries.min(10))).min(MAX_REST)
    }
}

impl<D: Dial> Dials<D> {
    /// Nobody is dialled before [`Dials::dial_due`]: whoever connects and asks for nothing is hung up on.
    pub fn new(dial: D, author: PeerId, sources: Vec<Source>) -> Dials<D> {
        let order = getrandom::u64().unwrap_or_default();
        let mut dials = Dials { dial, author, order, known: BTreeMap::new(), running: JoinSet::new() };
        let (first, rest): (Vec<Source>, Vec<Source>) =
            sources.into_iter().partition(|source| source.peer == author);
        dials.note(first.into_iter().chain(rest));
        dials
    }

    pub fn is_author(&self, peer: PeerId) -> bool {
        self.author == peer
    }

    /// Takes devices that may have pieces, and dials as many as may be.
    pub fn learn(&mut self, sources: impl IntoIterator<Item = Source>) {
        self.note(sources);
        self.dial_due();
    }

    fn note(&mut self, sources: impl IntoIterator<Item = Source>) {
        for source in sources {
            if self.known.contains_key(&source.peer) || self.known.len() >= MAX_KNOWN {
                continue;
            }
            let state = State::Resting(Instant::now());
            self.known.insert(source.peer, Known { source, state, tries: 0 });
        }
    }

    /// Dials whoever may be dialled now, the author before others.
    pub fn dial_due(&mut self) {
        let now = Instant::now();
        let in_use = |known: &&Known| matches!(known.state, State::Dialling | State::Connected);
        let mut free = MAX_LINKS.saturating_sub(self.known.values().filter(in_use).count());
        let due = |known: &Known| matches!(known.state, State::Resting(until) if until <= now);
        let mut peers: Vec<PeerId> =
            self.known.iter().filter(|(_, known)| due(known)).map(|(peer, _)| *peer).collect();
        peers.sort_by_key(|peer| (*peer != self.author, self.known[peer].tries > 0, self.place(*peer)));
        for peer in peers {
            if free == 0 && peer != self.author {
                return;
            }
            free = free.saturating_sub(1);
            let Some(known) = self.known.get_mut(&peer) else { continue };
            known.state = State::Dialling;
            known.tries += 1;
            let (dial, source) = (self.dial.clone(), known.source.clone());
            self.running.spawn(async move {
                let dialled = dial.dial(source.clone()).await;
                (source, dialled)
            });
        }
    }

    fn place(&self, peer: PeerId) -> u64 {
        let first = peer.0.first_chunk().copied().unwrap_or_default();
        self.order ^ u64::from_be_bytes(first)
    }

    /// How the next dial ended; `None` where none is under way.
    pub async fn next(&mut self) -> Option<(Source, io::Result<Dialled<D::Stream>>)> {
        let (source, dialled) = self.running.join_next().await?.ok()?;
        if dialled.is_err() {
            self.rest(source.peer);
        } else if let Some(known) = self.known.get_mut(&source.peer) {
            known.state = State::Connected;
        }
        Some((source, dialled))
    }

    pub fn is_dialling(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether anybody but the author may be dialled again.
    pub fn is_resting(&self) -> bool {
        let rests = |known: &Known| matches!(known.state, State::Resting(_));
        self.known.iter().any(|(peer, known)| *peer != self.author && rests(known))
    }

    /// Whether somebody could be dialled now, were there room for one more connection.
    pub fn is_crowded(&self) -> bool {
        let now = Instant::now();
        let due = |known: &Known| matches!(known.state, State::Resting(until) if until <= now);
        self.known.iter().any(|(peer, known)| *peer != self.author && due(known))
    }

    /// A device makes room for another one, and may be dialled again after a rest.
    pub fn make_room(&mut self, peer: PeerId) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.state = State::Resting(Instant::now() + known.rest());
        }
    }

    /// A device is not connected any more, and may be dialled again after a rest.
    pub fn rest(&mut self, peer: PeerId) {
        let author = peer == self.author;
        if let Some(known) = self.known.get_mut(&peer) {
            known.state = match known.tries {
                MAX_TRIES.. if !author => State::Useless,
                _ => State::Resting(Instant::now() + known.rest()),
            };
        }
    }

    /// A device is of no use.
    pub fn give_up(&mut self, peer: PeerId) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.state = State::Useless;
        }
    }

    /// When somebody may be dialled next; who waits for room only is not waited for.
    pub fn deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let resting = self.known.values().filter_map(|known| match known.state {
            State::Resting(until) if until > now => Some(until),
            _ => None,
        });
        resting.min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::io::DuplexStream;

    use super::*;

    /// Nobody ever answers.
    #[derive(Clone)]
    struct Silence;

    impl Dial for Silence {
        type Stream = DuplexStream;

        async fn dial(&self, _: Source) -> io::Result<Dialled<DuplexStream>> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_comes_before_who_made_it() {
        let people: Vec<Source> =
            (1..=10).map(|n| Source { peer: PeerId([n; 32]), addresses: Vec::new() }).collect();
        let mut dials = Dials::new(Silence, people[0].peer, people);
        dials.dial_due();
        let dialling = |dials: &Dials<Silence>| -> BTreeSet<PeerId> {
            let dialling = dials.known.iter().filter(|(_, known)| known.state == State::Dialling);
            dialling.map(|(peer, _)| *peer).collect()
        };
        let first = dialling(&dials);
        assert!(dials.is_crowded());
        assert_eq!(dials.deadline(), None, "nobody is waited for");
        let left: Vec<PeerId> =
            first.iter().copied().filter(|peer| !dials.is_author(*peer)).take(2).collect();
        left.iter().for_each(|peer| dials.make_room(*peer));
        dials.dial_due();
        assert!(!dials.is_crowded(), "all who waited are dialled");
        assert!(left.iter().all(|peer| !dialling(&dials).contains(peer)));
        tokio::time::advance(MAX_REST).await;
        assert!(dials.is_crowded(), "and who made room may come back");
    }

    #[tokio::test]
    async fn all_have_the_author_and_whatever_a_device_has_some_other_one_asks_of_it() {
        let people: Vec<Source> =
            (1..=20).map(|n| Source { peer: PeerId([n; 32]), addresses: Vec::new() }).collect();
        let author = people[0].peer;
        let mut asked = BTreeSet::new();
        for _ in 0..100 {
            let mut dials = Dials::new(Silence, author, people.clone());
            assert!(!dials.is_dialling());
            dials.dial_due();
            let dialling = dials.known.iter().filter(|(_, known)| known.state == State::Dialling);
            let dialling: Vec<PeerId> = dialling.map(|(peer, _)| *peer).collect();
            assert_eq!(dialling.len(), MAX_LINKS);
            assert!(dialling.contains(&author));
            asked.extend(dialling);
        }
        assert_eq!(asked.len(), people.len(), "nobody is left out by all of a hundred");
    }
}

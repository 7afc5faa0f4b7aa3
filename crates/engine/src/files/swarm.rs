//! A pull under way: connections to holders, threads that verify and write, and the choice of what to ask of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanyard_proto::detour::Way;
use lanyard_proto::model::{Instant, PeerId, TransferId};
use lanyard_proto::transfer::{Damage, Fetch, Link, Order, Piece, Role};
use lanyard_proto::wire::file::{Frame, MAX_GOT, MAX_WANTED, Source, Want};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::comparing::Comparing;
use super::dials::Dials;
use super::here::Compared;
use super::link::{Closed, Dial, Dialled, Holder, Hub, News, Open, Told, nonsense, refused};
use super::serve::GOODBYE;
use super::sink::{Outcome, Sink, Sunk};
use super::staging::{PullError, Received, Staging, Whole};
use super::stream::{BLOCK_BYTES, Buffers};
use crate::saying;

/// Threads that verify and write. More than there are holders' worth of work would only share the disk.
const SINKS: usize = 2;

/// Blocks that wait for them, of 1.1 MB; meanwhile nobody is read from.
const BLOCKS: usize = 4;

/// News and outcomes that wait to be heard.
const WAITING: usize = 1024;

/// Others are told this often which pieces came, and at once when there are so many.
const TELL: Duration = Duration::from_millis(50);
const TELL_AT_ONCE: usize = 16;

/// How long nothing may come, nor be expected, until it is better to begin anew later.
const IDLE: Duration = Duration::from_secs(15);

/// How often a holder that has nothing more may be left for somebody else.
const ROOM: Duration = Duration::from_millis(250);

/// A holder this much farther away is asked later than any near one.
const FAR: u32 = 1000;

pub(super) type Progress = Box<dyn Fn(Told) + Send>;

/// The connection on which the manifest came.
pub(super) struct First<S> {
    pub source: Source,
    pub near: bool,
    pub way: Way,
    pub open: Open<S>,
}

pub(super) struct Swarm<D: Dial> {
    staging: Arc<Staging>,
    dials: Dials<D>,
    progress: Progress,
    first: Option<First<D::Stream>>,
    fetch: Fetch,
    comparing: Comparing,
    holders: BTreeMap<Link, Holder>,
    /// The device that was last told to pass bytes on.
    through: Option<PeerId>,
    next_link: Link,
    writers: JoinSet<()>,
    /// Gone when nothing more is to arrive.
    hub: Option<Hub>,
    news: mpsc::Receiver<(Link, News)>,
    sunk: mpsc::Receiver<Sunk>,
    sinks: JoinSet<()>,
    /// Pieces that others were not told of yet, and when they are.
    got: Vec<u32>,
    tell_at: Option<tokio::time::Instant>,
    /// From when on a holder may be left for somebody else.
    room_at: tokio::time::Instant,
    started: tokio::time::Instant,
    /// When something last came or was expected.
    busy: tokio::time::Instant,
    last: PullError,
}

/// What happened.
enum Cause<S> {
    News(Link, News),
    Sunk(Sunk),
    Dialled(Source, std::io::Result<Dialled<S>>),
    Compared(Result<Vec<(u32, Compared)>, PullError>),
    Timer,
}

impl<D: Dial> Swarm<D> {
    /// Of `held` it is not known yet whether it is here already.
    pub fn new(
        staging: Arc<Staging>,
        held: BTreeSet<u32>,
        dials: Dials<D>,
        progress: Progress,
        first: Option<First<D::Stream>>,
    ) -> Swarm<D> {
        let fetch = begin(&staging, &held);
        let comparing = Comparing::new(staging.clone(), held);
        let (told, news) = mpsc::channel(WAITING);
        let (pieces, arriving) = mpsc::channel(BLOCKS);
        let (said, sunk) = mpsc::channel(WAITING);
        let buffers = Buffers::new(BLOCK_BYTES);
        let arriving = Arc::new(Mutex::new(arriving));
        let mut sinks = JoinSet::new();
        for _ in 0..SINKS {
            let (staging, arriving) = (staging.clone(), arriving.clone());
            let sink = Sink { staging, arriving, buffers: buffers.clone(), said: said.clone() };
            sinks.spawn_blocking(move || sink.run());
        }
        let hub = Hub { holding: staging.holding.clone(), news: told, pieces, buffers };
        let now = tokio::time::Instant::now();
        Swarm {
            staging,
            dials,
            progress,
            first,
            fetch,
            comparing,
            holders: BTreeMap::new(),
            through: None,
            next_link: 0,
            writers: JoinSet::new(),
            hub: Some(hub),
            news,
            sunk,
            sinks,
            got: Vec::new(),
            tell_at: None,
            room_at: now,
            started: now,
            busy: now,
            last: PullError::nobody(),
        }
    }

    /// Fetches until nothing more is to come.
    pub async fn run(&mut self, transfer: TransferId) -> Result<(), PullError> {
        (self.progress)(Told::Moved(self.staging.moved()));
        if let Some(First { source, near, way, open }) = self.first.take() {
            self.connected(source, (near, way), Duration::ZERO, open);
        }
        while !self.fetch.is_over() {
            self.dials.dial_due();
            self.compare()?;
            self.ask();
            if self.fetch.is_over() {
                break;
            }
            self.check_life()?;
            match self.next().await {
                Cause::Sunk(sunk) => self.sunk(sunk)?,
                Cause::News(link, news) => self.news(link, news)?,
                Cause::Compared(compared) => self.compared(compared?)?,
                Cause::Timer => {}
                Cause::Dialled(source, Ok(dialled)) => {
                    let asked = tokio::time::Instant::now();
                    let Dialled { stream, near, way } = dialled;
                    match Open::ask(stream, transfer, true).await {
                        Ok(open) => self.connected(source, (near, way), asked.elapsed(), open),
                        Err(error) => {
                            self.dials.rest(source.peer);
                            self.last = error;
                        }
                    }
                }
                Cause::Dialled(_, Err(error)) => self.last = PullError::lost(error),
            }
            self.hear_more()?;
        }
        Ok(())
    }

    /// Makes what came durable and gives it its names.
    pub async fn finish(&mut self) -> Result<Received, PullError> {
        self.tell();
        // What still arrives is not wanted, and must not be written while files get their names.
        self.holders.values().for_each(Holder::stop_reading);
        self.hub = None;
        while self.sinks.join_next().await.is_some() {}
        let staging = self.staging.clone();
        let finished = tokio::task::spawn_blocking(move || staging.finish());
        finished.await.expect("disk work does not panic")
    }

    /// Says how it ended, and waits until it is said and nobody writes any more.
    pub async fn say_goodbye(mut self, ended: &Result<Received, PullError>) {
        let files = self.staging.whole_files();
        let frame = match ended {
            Ok(received) => Some(Frame::Done {
                digest: received.end.digest(),
                files: matches!(received.end, Whole::Part(_)).then_some(&files[..]),
            }),
            Err(PullError::Stopped | PullError::NoSpace(_) | PullError::Failed { .. }) => Some(Frame::Cancel),
            Err(PullError::Lost(_) | PullError::Cut(_) | PullError::Held) => None,
        };
        if let Some(frame) = frame {
            for holder in self.holders.values() {
                holder.say(&frame);
            }
        }
        self.holders.clear();
        self.hub = None;
        let writers = async { while self.writers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GOODBYE, writers).await;
        self.comparing.end().await;
        // The threads end when the connections are gone and what they sent is written.
        drop(self.sunk);
        while self.sinks.join_next().await.is_some() {}
    }

    async fn next(&mut self) -> Cause<D::Stream> {
        let deadline = self.deadline();
        tokio::select! {
            Some(sunk) = self.sunk.recv() => Cause::Sunk(sunk),
            Some((link, news)) = self.news.recv() => Cause::News(link, news),
            Some(compared) = self.comparing.next(), if self.comparing.is_comparing() => {
                Cause::Compared(compared)
            }
            Some((source, dialled)) = self.dials.next(), if self.dials.is_dialling() => {
                Cause::Dialled(source, dialled)
            }
            () = tokio::time::sleep_until(deadline) => Cause::Timer,
        }
    }

    /// Takes what else is there already, so that one order answers it all.
    fn hear_more(&mut self) -> Result<(), PullError> {
        for _ in 0..WAITING {
            match self.sunk.try_recv() {
                Ok(sunk) => self.sunk(sunk)?,
                Err(_) => break,
            }
        }
        for _ in 0..WAITING {
            match self.news.try_recv() {
                Ok((link, news)) => self.news(link, news)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn deadline(&self) -> tokio::time::Instant {
        let asked = self.fetch.deadline().map(|at| self.started + at.since(Instant(0)));
        let idle = self.busy + IDLE;
        let room = self.dials.is_crowded().then_some(self.room_at);
        let times = [asked, self.dials.deadline(), self.comparing.deadline(), self.tell_at, room, Some(idle)];
        let next = times.into_iter().flatten().min().unwrap_or(idle);
        // Whatever is due already was looked at in this turn.
        next.max(tokio::time::Instant::now() + Duration::from_millis(5))
    }

    fn connected(&mut self, source: Source, (near, way): (bool, Way), took: Duration, open: Open<D::Stream>) {
        let Some(hub) = &self.hub else { return };
        self.next_link += 1;
        let link = self.next_link;
        let role = if self.dials.is_author(source.peer) { Role::Author } else { Role::Holder };
        let distance = u32::try_from(took.as_millis()).unwrap_or(u32::MAX).min(FAR - 1);
        let holder = Holder::start(open, link, (source.peer, role, way), hub, &mut self.writers);
        let bits = self.fetch.have().to_bytes();
        if self.fetch.have().count() > 0 {
            holder.say(&Frame::Have { bits: &bits });
        }
        self.fetch.joined(link, role, distance + if near { 0 } else { FAR });
        self.holders.insert(link, holder);
        self.tell_way();
    }

    /// Says through whom bytes come, when that changed.
    fn tell_way(&mut self) {
        let through = self.holders.values().find_map(|holder| holder.way.through());
        if through != self.through {
            self.through = through;
            (self.progress)(Told::Through(through));
        }
    }

    /// Asks for what is to be asked for now, and tells others what came.
    fn ask(&mut self) {
        let now = Instant(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        for (link, holder) in &self.holders {
            self.fetch.heard(*link, holder.heard());
        }
        while let Some(link) = self.fetch.stalled(now) {
            self.drop_holder(link);
        }
        let orders = {
            let held = self.staging.holding.lock();
            let layout = &self.staging.holding.layout;
            self.fetch.orders(now, |piece| held.leaves.has_all(layout.needed_for(piece)))
        };
        for (link, order) in orders {
            self.order(link, order);
        }
        self.make_room();
        let due = self.tell_at.is_some_and(|at| at <= tokio::time::Instant::now());
        if self.got.len() >= TELL_AT_ONCE || due {
            self.tell();
        }
        if self.fetch.is_waiting() || self.comparing.is_busy() {
            self.busy = tokio::time::Instant::now();
        } else if !self.dials.is_dialling() {
            // Nobody brings anything: what the author cannot read will not come.
            self.fetch.give_up_hopeless();
        }
    }

    /// Leaves a holder that has nothing more for somebody else. Whoever comes late to many is named when all have dialled
    /// others, and what only it has would never be asked of it.
    fn make_room(&mut self) {
        let now = tokio::time::Instant::now();
        if now < self.room_at || !self.dials.is_crowded() {
            return;
        }
        self.room_at = now + ROOM;
        if let Some(link) = self.fetch.idle()
            && let Some(holder) = self.holders.remove(&link)
        {
            self.dials.make_room(holder.peer);
            self.left(&holder);
            self.fetch.left(link);
            self.dials.dial_due();
        }
    }

    fn order(&mut self, link: Link, order: Order) {
        let Some(holder) = self.holders.get(&link) else { return };
        let mut any = order.any;
        let mut said = true;
        let mut pieces = order.pieces.chunks(MAX_WANTED);
        loop {
            let next = pieces.next().unwrap_or_default();
            if next.is_empty() && any == 0 {
                break;
            }
            let mut want = Want { any, ..Want::default() };
            for piece in next {
                match self.staging.wanted_of(*piece) {
                    None => want.pieces.push(*piece),
                    Some(part) => want.parts.push(part),
                }
            }
            said &= holder.say(&Frame::Want(want));
            any = 0;
        }
        if !said {
            self.drop_holder(link);
        }
    }

    /// Lets everybody know which pieces came.
    fn tell(&mut self) {
        self.tell_at = None;
        for pieces in std::mem::take(&mut self.got).chunks(MAX_GOT) {
            let frame = Frame::Got { pieces: pieces.to_vec() };
            let deaf: Vec<Link> = self
                .holders
                .iter()
                .filter(|(_, holder)| !holder.say(&frame))
                .map(|(link, _)| *link)
                .collect();
            deaf.into_iter().for_each(|link| self.drop_holder(link));
        }
    }

    fn check_life(&mut self) -> Result<(), PullError> {
        // Others may be back in a moment; of the author alone the node knows when it is.
        let dead = self.fetch.is_alone() && !self.dials.is_dialling() && !self.dials.is_resting();
        if dead || self.busy.elapsed() >= IDLE {
            let nothing = PullError::lost(saying!("nobody who is here has the rest"));
            let last = std::mem::replace(&mut self.last, PullError::Stopped);
            return Err(if dead { last } else { nothing });
        }
        Ok(())
    }

    fn sunk(&mut self, sunk: Sunk) -> Result<(), PullError> {
        let (link, piece, outcome) = match sunk {
            Sunk::Broken(error) => return Err(error),
            Sunk::Piece { link, piece, outcome } => (link, piece, outcome),
        };
        let author = self.holders.get(&link).is_some_and(|holder| holder.role == Role::Author);
        let asked = self.fetch.expects(link, piece) || !self.holders.contains_key(&link);
        // Of a piece that was asked of two the second copy is no offence.
        let unasked = !asked && outcome != Outcome::Known;
        match outcome {
            Outcome::Here | Outcome::Known => {
                self.fetch.arrived(link, piece);
                if outcome == Outcome::Here {
                    self.got.push(piece);
                    self.tell_at.get_or_insert(tokio::time::Instant::now() + TELL);
                    self.staging.holding.notify();
                    (self.progress)(Told::Moved(self.staging.moved()));
                }
            }
            Outcome::Partial => {
                self.fetch.partial(link, piece);
                (self.progress)(Told::Moved(self.staging.moved()));
            }
            Outcome::Refused => {
                self.fetch.partial(link, piece);
                self.refused(piece);
            }
            Outcome::Damaged => {
                if self.fetch.damaged(link, piece) == Damage::GivenUp {
                    tracing::warn!(piece, "a piece is given up: it came damaged each time");
                }
                if self.fetch.is_bad(link) {
                    self.give_up_holder(link);
                }
            }
            Outcome::Nonsense(what) if author => return Err(nonsense(what)),
            Outcome::Nonsense(_) => self.give_up_holder(link),
        }
        if unasked {
            self.give_up_holder(link);
        }
        Ok(())
    }

    /// The disk does not take the file that a piece is of: its other pieces would come in vain.
    fn refused(&mut self, piece: u32) {
        let layout = &self.staging.holding.layout;
        if let Piece::Chunk(chunk) = layout.piece(piece) {
            layout.pieces_of(chunk.file).for_each(|piece| self.fetch.give_up(piece));
            self.fetch.choose();
        }
    }

    fn news(&mut self, link: Link, news: News) -> Result<(), PullError> {
        let Some(holder) = self.holders.get(&link) else { return Ok(()) };
        let (peer, way, author) = (holder.peer, holder.way, holder.role == Role::Author);
        match news {
            News::Have(pieces) => self.fetch.has(link, pieces),
            News::Got(pieces) => pieces.into_iter().for_each(|piece| self.fetch.got(link, piece)),
            News::Leaves => self.comparing.heard(),
            News::Spread => self.fetch.spread(link),
            News::FileFailed(file, failure) if author => {
                let layout = &self.staging.holding.layout;
                if file >= layout.files() {
                    return Err(nonsense(saying!("a file that does not exist")));
                }
                self.staging.holding.lock().failed.insert(file, failure);
                self.comparing.heard();
                // A bundle comes without the file.
                if layout.pieces_of(file).len() > 1 {
                    self.fetch.unreadable(layout.pieces_of(file));
                }
            }
            News::Peers(peers) if author => {
                self.fetch.set_company(!peers.is_empty());
                self.dials.learn(peers);
            }
            // Only the author speaks for the offer.
            News::FileFailed(..) | News::Peers(_) => {}
            News::Closed(Closed::Lost(why)) => {
                self.last = PullError::Lost(match way {
                    Way::Relayed(_) => saying!("it went through another device: {why}", why).into(),
                    Way::Direct | Way::Knocked => why,
                });
                self.drop_holder(link);
            }
            News::Closed(Closed::Paused) => {
                if author {
                    self.last = PullError::Held;
                }
                self.drop_holder(link);
            }
            // Only the author speaks for the offer.
            News::Closed(Closed::Refused) if author => {
                self.last = refused();
                self.give_up_holder(link);
            }
            // Whoever was named by the author a moment ago may be about to have something to give.
            News::Closed(Closed::Refused) => self.drop_holder(link),
            News::Closed(Closed::Nonsense(what)) => {
                tracing::info!(peer = %peer.short(), %what, "a holder sent what makes no sense");
                if author {
                    return Err(nonsense(what));
                }
                self.give_up_holder(link);
            }
        }
        Ok(())
    }

    /// A holder is gone; it may be dialled again.
    fn drop_holder(&mut self, link: Link) {
        if let Some(holder) = self.holders.remove(&link) {
            self.dials.rest(holder.peer);
            self.left(&holder);
        }
        self.fetch.left(link);
    }

    /// A holder is of no use.
    fn give_up_holder(&mut self, link: Link) {
        if let Some(holder) = self.holders.remove(&link) {
            self.dials.give_up(holder.peer);
            self.left(&holder);
        }
        self.fetch.left(link);
    }

    fn left(&mut self, holder: &Holder) {
        self.tell_way();
        if holder.role == Role::Author {
            self.comparing.author_left();
        }
    }

    /// Finds out what is here already.
    fn compare(&mut self) -> Result<(), PullError> {
        let author = self.holders.values().find(|holder| holder.role == Role::Author);
        let to_fetch = self.comparing.go_on(author)?;
        to_fetch.into_iter().for_each(|piece| self.fetch.release(piece));
        Ok(())
    }

    fn compared(&mut self, compared: Vec<(u32, Compared)>) -> Result<(), PullError> {
        for (piece, what) in compared {
            match what {
                Compared::Here => {
                    self.fetch.found(piece);
                    self.got.push(piece);
                    self.tell_at.get_or_insert(tokio::time::Instant::now() + TELL);
                }
                Compared::Fetch => self.fetch.release(piece),
                Compared::Enough => self.fetch.give_up(piece),
                Compared::Open => {}
            }
        }
        (self.progress)(Told::Moved(self.staging.moved()));
        self.staging.holding.notify();
        Ok(())
    }
}

/// What is to be fetched.
fn begin(staging: &Staging, held: &BTreeSet<u32>) -> Fetch {
    let layout = &staging.holding.layout;
    let have = staging.holding.lock().have.clone();
    let missing: Vec<u32> = (0..layout.pieces()).filter(|piece| !have.has(*piece)).collect();
    let mut fetch = Fetch::new(have, getrandom::u32().unwrap_or_default());
    let is_part = |piece: &u32| staging.wanted_of(*piece).is_some();
    if held.is_empty() && !staging.plan.is_part() && !missing.iter().any(is_part) {
        return fetch;
    }
    fetch.choose();
    let wanted = |piece: &u32| match layout.piece(*piece) {
        Piece::Chunk(chunk) => staging.plan.files[chunk.file as usize].chosen,
        Piece::Bundle { .. } => staging.wanted_of(*piece).is_none_or(|part| !part.is_empty()),
    };
    missing.iter().filter(|piece| !wanted(piece)).for_each(|piece| fetch.give_up(*piece));
    held.iter().for_each(|piece| fetch.hold(*piece));
    fetch
}

//! The engine's task: waits for a cause, calls the node, and lets the effects pass.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::effects::{Effects, Input, Job, Stock, Transmit};
use lanyard_proto::model::{ConnId, EntryId, Instant, LogId, Now, PeerId, RoomId, TransferId};
use lanyard_proto::node::Node;
use lanyard_proto::wire::entry::Entry;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::{ApiError, Event};
use crate::config::Config;
use crate::engine::budget::Budgets;
use crate::engine::bulk::{PullReport, Pulling, Serving};
use crate::engine::calls::{CallReport, TALK, Talking};
use crate::engine::choosing::Choosing;
use crate::engine::commands::Offering;
use crate::engine::comparing::{Comparing, ComparisonReport};
use crate::engine::detours::{Coming, DetourReport, Detours};
use crate::engine::diagnosing::{Diagnosing, LOOK, ReachReport};
use crate::engine::gate::{Answer, Gate, Passing};
use crate::engine::handle::Request;
use crate::engine::history::{Keeping, PRUNE};
use crate::engine::links::{Dialled, Standing};
use crate::engine::lock::ProfileLock;
use crate::engine::messages::{Found, Marked};
use crate::engine::news::{Looked, News};
use crate::engine::progress::ProgressBoard;
use crate::engine::queue::{Looks, Weighed};
use crate::engine::serving::SERVE_ROOMS;
use crate::engine::shares::{ShareReport, Shares};
use crate::engine::trust::Trusting;
use crate::engine::view::View;
use crate::files::{Handles, Lists, Shelf, Verdict};
use crate::net::cut::Shunned;
use crate::net::framing::{SyncEvent, SyncWriter};
use crate::net::hearing::Hearing;
use crate::net::interfaces::Watch;
use crate::net::multicast::Sockets;
use crate::net::pace::Pace;
use crate::net::stream::{self, Secure};
use crate::net::tls::Credentials;
use crate::store::{Cursor, Pruning, Settings, Store, StoreError};

/// Everything that the engine's task owns.
pub struct Run {
    pub config: Config,
    pub settings: Settings,
    pub clock: Clock,
    pub node: Node,
    pub store: Store,
    pub shelf: Shelf,
    pub lists: Lists,
    pub handles: Handles,
    /// Looks at the disk that files go to.
    pub looks: Looks,
    pub gate: Gate,
    pub sockets: Sockets,
    pub watch: Watch,
    pub credentials: Credentials,
    pub tcp_port: u16,
    /// What the node does not keep and user interfaces want to see.
    pub view: View,
    pub news: News,
    pub progress: ProgressBoard,
    /// How fast files are given and fetched.
    pub up: Pace,
    pub down: Pace,
    pub conns: HashMap<ConnId, SyncWriter>,
    pub next_conn: u64,
    /// Connections to peers that were given by address, to be dialled again when they end.
    pub standing: HashMap<ConnId, Standing>,
    /// Addresses that were given and are dialled, or will be again.
    pub addresses: BTreeSet<String>,
    pub keeping: Keeping,
    pub shares: Shares,
    pub trusting: Trusting,
    /// Of those whom the rule lets in.
    pub budgets: Budgets,
    pub comparing: Comparing,
    pub pulls: HashMap<TransferId, Pulling>,
    pub serves: HashMap<u64, Serving>,
    pub next_serve: u64,
    pub detours: Detours,
    /// What came over which interface.
    pub hearing: Hearing,
    pub diagnosing: Diagnosing,
    /// The sound of the call that this device is in.
    pub talking: Talking,
    /// Whom people blocked, for whatever runs on its own.
    pub shunned: Shunned,
    pub requests: mpsc::Receiver<Request>,
    pub arrivals: mpsc::Receiver<Secure>,
    pub reports: mpsc::Sender<Report>,
    pub reported: mpsc::Receiver<Report>,
    pub sync_events: mpsc::Sender<SyncEvent>,
    pub synced: mpsc::Receiver<SyncEvent>,
    pub events: broadcast::Sender<Event>,
    pub _serving: stream::Serving,
    pub _lock: ProfileLock,
}

/// What a task that took long has to say.
pub enum Report {
    Dialled(Box<Dialled>),
    Redial(String),
    Served(ConnId),
    Pulled(Box<PullReport>),
    Sent {
        transfer: TransferId,
        to: PeerId,
        digest: [u8; 32],
    },
    /// A receiver said what it wants.
    Asked {
        serve: u64,
        transfer: TransferId,
        answer: oneshot::Sender<Verdict>,
    },
    Moved {
        transfer: TransferId,
        peer: PeerId,
        moved: u64,
        sent: u64,
    },
    /// So much in what is fetched is no file or folder, and does not come.
    Skips {
        transfer: TransferId,
        skipped: u64,
    },
    /// What is fetched comes through another device, or through none any more.
    Through {
        transfer: TransferId,
        through: Option<PeerId>,
    },
    ServeEnded(u64),
    /// About devices that cannot be dialled.
    Detour(Box<DetourReport>),
    /// What came of dialling somebody only to know that.
    Reached(ReachReport),
    /// Something read from the store, to be shown with what the node knows.
    Read(Box<dyn FnOnce(&Run) + Send>),
    Surveyed(Box<Offering>),
    Chosen(Box<Choosing>),
    /// A room was read up to some message: how far it is, and what is left, is to be told, to whoever marked it and all others.
    Marked(Box<Marked>),
    CountRooms,
    /// What stands in rooms was moved: so far they are read.
    Rearranged(Vec<(RoomId, Option<Cursor>)>),
    Looked(Box<Looked>),
    /// The message was looked for that something is to be done with.
    Found(Box<Found>),
    Pruned(Pruning),
    Recalled(Option<Arc<Entry>>),
    /// Messages of a log that contradicts itself, newest first.
    Disputed {
        room: RoomId,
        found: Vec<EntryId>,
    },
    Collected {
        conn: ConnId,
        stock: Stock,
        room: RoomId,
        log: LogId,
        entries: Vec<Arc<Entry>>,
    },
    Retrieved {
        room: RoomId,
        entries: Vec<Arc<Entry>>,
    },
    AcceptByRule(TransferId),
    /// About shared folders, from whoever answers or asks.
    Share(Box<ShareReport>),
    Comparison(Box<ComparisonReport>),
    #[cfg_attr(not(feature = "calls"), expect(dead_code, reason = "nobody makes one without voices"))]
    Call(Box<CallReport>),
    /// It is time to write down what was learned of somebody.
    Learned(PeerId),
    /// It is time to tell of others that are called alike.
    Warn,
    Weighed(Box<Weighed>),
    /// Entries of a private room whose key came.
    Reread {
        room: RoomId,
        found: Vec<crate::store::Arrived>,
    },
    /// Those were all: what lies in the store unopened can be opened.
    Unsealed,
    /// What was opened in a private room may have been judged by whoever moderated it before.
    Opened(RoomId),
    /// The store judged all deletes of a room, and some otherwise than before.
    Judged {
        room: RoomId,
        changed: bool,
    },
    Failed(StoreError),
}

/// Both clocks of this process.
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// What it says at its start: beginning at a second lets the protocol look back without meeting zero.
    pub const STARTED: Instant = Instant(1_000_000);

    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now() }
    }

    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { instant: Clock::STARTED + Duration::from_micros(micros), unix: super::start::unix_now() }
    }

    fn when(&self, instant: Instant) -> tokio::time::Instant {
        let since_start = instant.since(Clock::STARTED);
        tokio::time::Instant::from_std(self.start + since_start)
    }
}

impl Run {
    /// Runs until a shell says so, or the store fails.
    pub async fn until_shutdown(mut self) -> Result<(), ApiError> {
        let ready = Event::Ready { me: self.me(), network: self.network() };
        self.tell(ready);
        match self.turn_until_shutdown().await {
            Ok(ended) => {
                let closed = self.say_goodbye().await;
                drop(self);
                if let Some(ended) = ended {
                    // Whoever asked may be gone.
                    let _ = ended.send(());
                }
                closed
            }
            Err(error) => {
                let error = ApiError::from(error);
                self.tell(Event::Notice { error: error.clone() });
                Err(error)
            }
        }
    }

    async fn turn_until_shutdown(&mut self) -> Result<Option<oneshot::Sender<()>>, StoreError> {
        let mut datagram = vec![0; DATAGRAM_BUFFER];
        let mut refresh = tokio::time::interval(REFRESH_GROUPS);
        let mut prune = tokio::time::interval(PRUNE);
        let mut tick = tokio::time::interval(PROGRESS);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut serve = tokio::time::interval(SERVE_ROOMS);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut talk = tokio::time::interval(TALK);
        talk.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.let_pass()?;
            if self.gate.is_full() {
                self.gate.opened().await?;
                continue;
            }
            let deadline = self.node.deadline(self.clock.now());
            let wake = deadline.map(|at| self.clock.when(at));
            tokio::select! {
                opened = self.gate.opened() => opened?,
                request = self.requests.recv() => match request {
                    Some(Request::Call(command, answer, shell)) => {
                        self.comparing.shell = shell;
                        self.command(command, answer).await?;
                    }
                    Some(Request::Left(shell)) => {
                        self.shell_left(shell);
                        let effects = self.end_call_of(shell);
                        self.enter(effects, None).await?;
                    }
                    Some(Request::Shutdown(done)) => return Ok(Some(done)),
                    None => return Ok(None),
                },
                (length, from) = self.sockets.recv(&mut datagram) => {
                    self.hear(from, &datagram[..length]).await?;
                }
                Some(secure) = self.arrivals.recv() => self.arrived(secure).await?,
                Some(event) = self.synced.recv() => self.synced(event).await?,
                Some(report) = self.reported.recv() => self.report(report).await?,
                change = self.watch.next() => self.interfaces_changed(change).await?,
                _ = refresh.tick() => {
                    self.sockets.refresh();
                    // Tries again what failed before.
                    self.sockets.update(self.watch.current());
                }
                _ = prune.tick() => self.keep_history(),
                _ = tick.tick(), if self.progress.is_dirty() => {
                    let event = self.progress_event();
                    self.tell(event);
                }
                _ = serve.tick(), if self.config.relay => self.join_rooms_heard_of().await?,
                _ = talk.tick(), if self.talking.is_on() => self.listen().await?,
                _ = look.tick(), if self.diagnosing.is_looking() => self.look_at_network().await?,
                () = sleep_until(wake) => {
                    self.hear_first(&mut datagram).await?;
                    self.handle(Input::Timer).await?;
                }
            }
        }
    }

    /// Hears what has come before a timer decides what to say: much of it was said by somebody else meanwhile.
    async fn hear_first(&mut self, buffer: &mut [u8]) -> Result<(), StoreError> {
        for _ in 0..HEARD_FIRST {
            if self.gate.is_full() {
                break;
            }
            let Some((length, from)) = self.sockets.recv_now(buffer) else { break };
            self.hear(from, &buffer[..length]).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<(), StoreError> {
        // The system brings broadcasts of all interfaces, wherever this device listens.
        if !self.credentials.filter().hears(from) {
            return Ok(());
        }
        self.hearing.count(self.watch.current(), from);
        self.handle(Input::Datagram { from, bytes }).await
    }

    /// Says goodbye and makes everything durable.
    async fn say_goodbye(&mut self) -> Result<(), ApiError> {
        self.stop_bulk();
        self.hear_pulls_out().await?;
        let effects = self.end_calls();
        self.enter(effects, None).await?;
        let effects = self.node.goodbye();
        self.enter(effects, None).await?;
        self.let_pass()?;
        while !self.gate.is_empty() {
            self.gate.opened().await?;
            self.let_pass()?;
        }
        // What ended made room for others to begin.
        self.stop_bulk();
        for writer in self.conns.values() {
            writer.close();
        }
        // Over links a goodbye is heard where no multicast passes.
        let written = async {
            for writer in self.conns.values() {
                writer.written().await;
            }
        };
        let (closed, _) = tokio::join!(self.store.close(), tokio::time::timeout(PARTING, written));
        self.talking.close();
        Ok(closed?)
    }

    fn stop_bulk(&mut self) {
        self.pulls.values_mut().for_each(Pulling::stop);
        self.serves.values().for_each(|serving| serving.stop.cancel());
    }

    /// Waits for what pulls that were stopped have to say: one that was about to be complete may be complete.
    async fn hear_pulls_out(&mut self) -> Result<(), StoreError> {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while !self.pulls.is_empty() {
            tokio::select! {
                Some(report) = self.reported.recv() => if let Report::Pulled(report) = report {
                    self.pulled(*report).await?;
                },
                () = &mut patience => break,
            }
        }
        Ok(())
    }

    pub async fn handle(&mut self, input: Input<'_>) -> Result<(), StoreError> {
        let effects = self.node.handle(input, self.clock.now());
        self.enter(effects, None).await
    }

    /// Queues effects behind those that came before.
    pub async fn enter(&mut self, effects: Effects, answer: Option<Answer>) -> Result<(), StoreError> {
        if effects.is_empty() && answer.is_none() {
            return Ok(());
        }
        self.count_written(&effects);
        let openings = self.openings(&effects);
        self.gate.enter(&self.store, effects, openings, answer).await
    }

    fn let_pass(&mut self) -> Result<(), StoreError> {
        while let Some(passing) = self.gate.pass()? {
            self.perform(passing);
        }
        Ok(())
    }

    /// Does what the node wants, in its order.
    fn perform(&mut self, passing: Passing) {
        for transmit in passing.send {
            match transmit {
                Transmit::Multicast { reach, bytes } => {
                    self.sockets.send(reach, &bytes);
                }
                Transmit::Frame { conn, bytes } => self.send_frame(conn, bytes),
            }
        }
        for job in passing.run {
            self.start(job);
        }
        for transfer in passing.done {
            // Of a part the rest can be fetched later, beside what is here.
            let incoming = self.node.transfer(transfer).is_some_and(|record| record.from != self.node.me());
            if incoming && !self.is_part(transfer) {
                self.discard(transfer);
            }
        }
        for event in passing.tell {
            self.translate(event);
        }
        self.tell_of_places();
        if let Some(answer) = passing.answer {
            self.answer(answer);
        }
    }

    fn start(&mut self, job: Job) {
        match job {
            Job::Dial { peer, addresses, detour } => self.dial(peer, addresses, detour),
            Job::HangUp { conn } => {
                if let Some(writer) = self.conns.get(&conn) {
                    writer.close();
                }
            }
            Job::Serve { conn, room, wanted, deeds } => self.serve_entries(conn, room, wanted, deeds),
            Job::Reread { room, epochs } => self.reread(room, epochs),
            Job::Recall { room, log, seq } => self.recall(room, log, seq),
            Job::Collect { conn, stock, room, log, span } => self.collect(conn, stock, room, log, span),
            Job::Retrieve { room, ranges } => self.retrieve(room, ranges),
            Job::Pull { transfer, author, sources } => self.start_pull(transfer, author, sources),
            Job::StopPull { transfer, staged } => self.stop_pull(transfer, staged),
            // The shelf knows the audience since before the offer was written.
            Job::Shelve { .. } => {}
            Job::Unshelve { transfer } => self.unshelve(transfer),
            Job::Cut { transfer } => self.cut(transfer),
            Job::Recheck { room } => self.recheck(room),
            Job::Probe { conn, addresses } => self.try_to_reach(conn, addresses),
            Job::Come { peer, via, token, wish, addresses } => {
                self.come(Coming { peer, via, token, wish }, addresses);
            }
        }
    }

    async fn report(&mut self, report: Report) -> Result<(), StoreError> {
        match report {
            Report::Dialled(dialled) => self.dialled(*dialled).await,
            Report::Redial(address) => {
                self.dial_address(&address);
                Ok(())
            }
            Report::Served(conn) => self.handle(Input::Served { conn }).await,
            Report::Pulled(report) => self.pulled(*report).await,
            Report::Sent { transfer, to, digest } => self.handle(Input::Sent { transfer, to, digest }).await,
            Report::Asked { serve, transfer, answer } => {
                // Whoever asked may be gone.
                let _ = answer.send(self.asked(serve, transfer));
                Ok(())
            }
            Report::Moved { transfer, peer, moved, sent } => {
                self.moved(transfer, peer, moved, sent);
                Ok(())
            }
            Report::Skips { transfer, skipped } => {
                self.skips(transfer, skipped);
                Ok(())
            }
            Report::Through { transfer, through } => {
                self.comes_through(transfer, through);
                Ok(())
            }
            Report::Detour(report) => self.detour(*report).await,
            Report::Reached(report) => self.reached(report).await,
            Report::ServeEnded(id) => {
                self.serve_ended(id);
                Ok(())
            }
            Report::Read(show) => {
                show(self);
                Ok(())
            }
            Report::Surveyed(offering) => self.surveyed(*offering).await,
            Report::Chosen(choosing) => {
                self.chosen(*choosing);
                Ok(())
            }
            Report::Marked(marked) => {
                self.marked(*marked);
                Ok(())
            }
            Report::Rearranged(read) => {
                self.rearranged(read);
                Ok(())
            }
            Report::CountRooms => {
                self.count_rooms();
                Ok(())
            }
            Report::Looked(looked) => {
                self.looked(*looked);
                Ok(())
            }
            Report::Found(found) => self.found(*found).await,
            Report::Recalled(entry) => self.handle(Input::Recalled { entry }).await,
            Report::Disputed { room, found } => {
                self.tell_of_disputed(room, found);
                Ok(())
            }
            Report::Collected { conn, stock, room, log, entries } => {
                self.handle(Input::Collected { conn, stock, room, log, entries }).await
            }
            Report::Retrieved { room, entries } => self.handle(Input::Retrieved { room, entries }).await,
            Report::Pruned(pruning) => self.pruned(pruning).await,
            Report::Reread { room, found } => self.reread_found(room, found).await,
            Report::Unsealed => {
                self.open_what_can_be_opened();
                Ok(())
            }
            Report::Opened(room) => {
                self.recount(room);
                self.judge_anew(room);
                Ok(())
            }
            Report::Judged { room, changed } => {
                self.judged(room, changed);
                Ok(())
            }
            Report::AcceptByRule(transfer) => {
                self.accepted_by_rule(transfer);
                Ok(())
            }
            Report::Weighed(weighed) => self.weighed(*weighed).await,
            Report::Share(report) => self.share_report(*report).await,
            Report::Comparison(report) => self.comparison_report(*report).await,
            Report::Call(report) => self.call_report(*report).await,
            Report::Learned(peer) => self.learned(peer).await,
            Report::Warn => {
                self.warn_again();
                Ok(())
            }
            Report::Failed(error) => Err(error),
        }
    }

    pub fn tell(&self, event: Event) {
        // Nobody listens right now: then nobody needs to know.
        let _ = self.events.send(event);
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Reports of tasks that wait for the engine's task.
pub const CAUSES: usize = 1024;
/// Frames of all connections that wait for the engine's task, of 64 KiB for the most part: meanwhile nobody is read from.
pub const FRAMES: usize = 64;
/// A datagram of ours has 1200 bytes at the most; a longer one is cut and then dropped.
const DATAGRAM_BUFFER: usize = 2048;
/// Datagrams that are heard before a timer: what a socket buffer holds of the longest, and a few milliseconds of work.
const HEARD_FIRST: u32 = 64;
/// Switches without a querier forget groups after some minutes.
const REFRESH_GROUPS: Duration = Duration::from_secs(120);
/// A pull that is stopped says so within a second or two; one that is being made durable takes as long as the disk.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long the end waits for last words to be written: whoever does not read is not waited for.
const PARTING: Duration = Duration::from_millis(500);
/// Ten times a second is as fast as a progress bar needs to move.
const PROGRESS: Duration = Duration::from_millis(100);

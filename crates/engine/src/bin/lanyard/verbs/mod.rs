//! The verbs: each asks the node, prints what it answers, and ends with the exit code that fits.

mod arrivals;
mod call;
mod chat;
mod contents;
mod delivery;
mod doctor;
mod files;
mod following;
mod history;
mod log;
mod manual;
mod message;
mod network;
mod notify;
mod peers;
mod private;
mod queue;
mod retention;
mod rooms;
mod shares;
mod status;
mod transfers;
mod trust;
mod up;

use std::path::PathBuf;
use std::time::Duration;

use lanyard_engine::api::{ApiError, Command, ErrorCode, Event, Peer, Reply, Room, Snapshot, Transfer};
use lanyard_engine::config::Policy;
use lanyard_engine::control::Node;
use lanyard_engine::{Config, Events};
use tokio::time::{Instant, timeout_at};

use crate::args::{Args, RoomVerb, Verb};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::signals;

/// With what whoever administers this device decided.
fn as_decided(mut config: Config) -> Result<Config, Failure> {
    config.follow(Policy::of_this_device()?);
    Ok(config)
}

/// Carries out the command line.
pub async fn run(args: Args) -> Result<(), Failure> {
    let out = if args.json { Output::Program } else { Output::Person };
    let mut config = Config::new(profile(args.profile)?);
    config.network = args.network;
    let node = match &args.verb {
        Verb::Manual { into } => return manual::write(into),
        Verb::Up(options) => Node::start(as_decided(up::configure(config, options)?)?).await?,
        Verb::Doctor => doctor::open(as_decided(config)?, out).await?,
        _ => Node::open(as_decided(config)?).await?,
    };
    let until_interrupted = args.verb.runs_until_interrupted();
    let result = tokio::select! {
        // Listens before the first word is printed: whoever reads that may ask for the end at once.
        biased;
        asked = signals::asked_to_end() => match asked {
            Ok(()) if until_interrupted => Ok(()),
            Ok(()) => Err(Failure::new(Exit::Failed, "Stopped before it was done.")),
            Err(error) => Err(error.into()),
        },
        result = perform(&node, out, args.verb) => result,
        () = node.ended() => ended(&node, until_interrupted),
    };
    // Why the node could not go on explains more than what the verb made of it.
    node.finish().await?;
    result
}

/// A node of our own that ends was told to by another program; why it failed comes from [`Node::finish`].
fn ended(node: &Node, until_interrupted: bool) -> Result<(), Failure> {
    if node.is_ours() && until_interrupted {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "The node of this profile has ended meanwhile."))
}

async fn perform(node: &Node, out: Output, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Up(options) => up::run(node, out, &options.interfaces).await,
        Verb::Status { settled } => status::run(node, out, settled).await,
        Verb::Doctor => doctor::run(node, out).await,
        Verb::Network(wanted) => network::run(node, out, wanted).await,
        Verb::Peers { watch: true, .. } => peers::watch(node, out).await,
        Verb::Peers { wait, .. } => peers::list(node, out, wait).await,
        Verb::Rooms { all: false } => rooms::list(node, out).await,
        Verb::Rooms { all: true } => rooms::directory(node, out).await,
        Verb::Read { to, .. } => rooms::read(node, out, to).await,
        Verb::Retention(wanted) => retention::run(node, out, wanted).await,
        Verb::Room(verb) => room(node, out, verb).await,
        Verb::Say(words) => chat::say(node, out, words).await,
        Verb::Log(wanted) => log::run(node, out, wanted).await,
        Verb::Search { words, to, from, limit } => log::search(node, out, words, to, from, limit).await,
        Verb::Export { to, html, into } => history::export(node, out, to, html, into).await,
        Verb::Topic { to, text } => history::set_topic(node, out, to, text).await,
        Verb::Send { to, paths, wait } => files::send(node, out, to, &paths, wait).await,
        Verb::Offers => {
            hear_what_there_is(node).await;
            transfers::offers(node, out).await
        }
        Verb::Accept(words) => files::accept(node, out, words).await,
        Verb::Files { id } => contents::list(node, out, id).await,
        Verb::Decline { id } => transfers::decline(node, out, id).await,
        Verb::Share(words) => shares::share(node, out, words).await,
        Verb::Browse { peer, at } => shares::browse(node, out, peer, at).await,
        Verb::Get(words) => shares::get(node, out, words).await,
        Verb::Transfers { watch: true } => following::watch(node, out).await,
        Verb::Transfers { watch: false } => transfers::list(node, out).await,
        Verb::Cancel { id } => transfers::cancel(node, out, id).await,
        Verb::Pause { id } => queue::pause(node, out, id).await,
        Verb::Resume { id, wait } => queue::resume(node, out, id, wait).await,
        Verb::Reorder { id, before } => queue::reorder(node, out, id, before).await,
        Verb::Forget { id, .. } => queue::forget(node, id).await,
        Verb::Limits(limits) => queue::limits(node, out, limits).await,
        Verb::Call(words) => call::run(node, out, words).await,
        Verb::Verify(words) => trust::verify(node, out, words).await,
        Verb::Block(words) => trust::block(node, out, words).await,
        Verb::Unblock(words) => trust::unblock(node, out, words).await,
        Verb::Notify(wanted) => notify::run(node, out, wanted).await,
        // Was carried out without a node.
        Verb::Manual { .. } => Ok(()),
    }
}

async fn room(node: &Node, out: Output, verb: RoomVerb) -> Result<(), Failure> {
    match verb {
        RoomVerb::Create { name, private: true } => private::create(node, out, name).await,
        RoomVerb::Create { name, private: false } => rooms::join(node, out, &name).await,
        RoomVerb::Join { name, wait: Some(seconds) } => private::join(node, out, name, seconds).await,
        RoomVerb::Join { name, wait: None } => rooms::join(node, out, &name).await,
        RoomVerb::Leave { room } => rooms::leave(node, out, &room).await,
        RoomVerb::Invite { room, list: true, .. } => private::invites(node, out, &room).await,
        RoomVerb::Invite { room, revoke: Some(invite), .. } => {
            private::revoke(node, out, &room, invite).await
        }
        RoomVerb::Invite { room, hours, qr, .. } => private::invite(node, out, &room, hours, qr).await,
        RoomVerb::Members { room } => private::members(node, out, &room).await,
        RoomVerb::Add { room, peer } => private::add(node, out, &room, peer).await,
        RoomVerb::Remove { room, peer } => private::remove(node, out, &room, peer).await,
        RoomVerb::Role { room, peer, role } => private::set_role(node, out, &room, peer, role).await,
        RoomVerb::Renew { room } => private::renew(node, out, &room).await,
    }
}

fn profile(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let none = "This system does not say where programs keep their data. Name a folder with --profile.";
    let profile = given.or_else(Config::default_profile).ok_or_else(|| Failure::new(Exit::WrongUse, none))?;
    Ok(std::path::absolute(profile)?)
}

/// Asks, and takes the value out of the reply that belongs to the command.
macro_rules! ask {
    ($asked:expr => $reply:ident) => {
        match $asked.await? {
            Reply::$reply(value) => Ok::<_, ApiError>(value),
            _ => Err(misunderstood()),
        }
    };
}
use ask;

async fn snapshot(node: &Node) -> Result<Snapshot, ApiError> {
    ask!(node.call(Command::Snapshot {}) => Snapshot).map(|snapshot| *snapshot)
}

async fn all_peers(node: &Node) -> Result<Vec<Peer>, ApiError> {
    ask!(node.call(Command::Peers {}) => Peers)
}

async fn all_rooms(node: &Node) -> Result<Vec<Room>, ApiError> {
    ask!(node.call(Command::Rooms {}) => Rooms)
}

async fn all_transfers(node: &Node) -> Result<Vec<Transfer>, ApiError> {
    ask!(node.call(Command::Transfers {}) => Transfers)
}

fn misunderstood() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        "The node gave an answer that does not belong to the question. Update it.",
    )
}

/// The next event; for ever pending once there are no more, because then the end of the node ends the verb.
async fn next(events: &mut Events) -> Event {
    match events.next().await {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

/// Carries out a command that names a person or a transfer. A node that has just been started needs a moment to find them.
async fn call_when_found(node: &Node, command: Command) -> Result<Reply, ApiError> {
    let mut arriving = Arriving::now(node);
    loop {
        let goes_on = match node.call(command.clone()).await {
            Err(error) if error.code == ErrorCode::NotFound && names_person(&command) => {
                arriving.somebody_changed(node).await.then_some(()).ok_or(error)
            }
            Err(error) if error.code == ErrorCode::NoSuch && names_transfer(&command) => {
                arriving.something_came(node).await.then_some(()).ok_or(error)
            }
            result => return result,
        };
        goes_on?;
    }
}

/// Lets a node that has just been started hear what others have for it.
async fn hear_what_there_is(node: &Node) {
    let mut arriving = Arriving::now(node);
    while arriving.something_came(node).await {}
}

fn names_person(command: &Command) -> bool {
    match command {
        Command::Open { to } | Command::Find { to } | Command::Say { to, reply: None, .. } => {
            !to.starts_with('#')
        }
        Command::Call { room: to, .. } | Command::DeclineCall { room: to } => !to.starts_with('#'),
        Command::PeerShares { .. }
        | Command::Browse { .. }
        | Command::Get { .. }
        | Command::Share { .. }
        | Command::Trust { .. } => true,
        _ => false,
    }
}

fn names_transfer(command: &Command) -> bool {
    matches!(
        command,
        Command::Accept { .. }
            | Command::Decline { .. }
            | Command::Cancel { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Reorder { .. }
            | Command::TransferFiles { .. }
    )
}

/// What comes to a node in the moments after its start.
struct Arriving {
    events: Events,
    deadline: Instant,
}

impl Arriving {
    fn now(node: &Node) -> Arriving {
        Arriving { events: node.subscribe(), deadline: Instant::now() + FINDING }
    }

    /// Waits until somebody came, went, or is called otherwise. False if there is nothing to wait for any more.
    async fn somebody_changed(&mut self, node: &Node) -> bool {
        node.is_ours() && timeout_at(self.deadline, somebody_changed(&mut self.events)).await.is_ok()
    }

    /// Waits until something came. False if all who are here have said what there is and it has come, or the time is over.
    async fn something_came(&mut self, node: &Node) -> bool {
        if !node.is_ours() {
            return false;
        }
        loop {
            // Rooms of which nothing is known here yet are spoken of right behind the others.
            let caught_up =
                matches!(node.call(Command::CaughtUp {}).await, Ok(Reply::CaughtUp(true)) | Err(_));
            let quiet = Instant::now() + if caught_up { SETTLING } else { LOOKING };
            match timeout_at(quiet.min(self.deadline), next(&mut self.events)).await {
                Ok(Event::Offer { .. } | Event::TransferChanged { .. } | Event::Lagged { .. }) => {
                    return true;
                }
                Ok(_) => {}
                Err(_) if caught_up || Instant::now() >= self.deadline => return false,
                Err(_) => {}
            }
        }
    }
}

async fn somebody_changed(events: &mut Events) {
    while !matches!(
        next(events).await,
        Event::PeerOnline { .. }
            | Event::PeerOffline { .. }
            | Event::PeerChanged { .. }
            | Event::Lagged { .. }
    ) {}
}

/// How long a node of our own stays for what it has to say.
const LINGER: Duration = Duration::from_secs(3);

/// Three announcements of a device that is there.
const FINDING: Duration = Duration::from_secs(3);

/// So long nothing new was said by those who had said everything.
const SETTLING: Duration = Duration::from_millis(400);

/// Between two looks whether all was said.
const LOOKING: Duration = Duration::from_millis(100);

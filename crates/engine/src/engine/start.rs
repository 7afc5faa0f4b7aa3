//! From a configuration to a node that runs.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use lanyard_proto::effects::{Loaded, LoadedLog, LoadedRoom, TransferRecord, Trust};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{LogId, PeerId, Platform, RoomId, Span, UnixMillis};
use lanyard_proto::node::{Node, Profile};
use lanyard_proto::transfer::TransferState;
use lanyard_proto::wire::datagram::MAX_NAME;
use lanyard_proto::wire::entry::log_id;
use lanyard_proto::wire::text::clean_line;
use tokio::sync::{broadcast, mpsc};

use crate::api::{ApiError, ErrorCode};
use crate::config::{Config, Multicast};
use crate::engine::budget::Budgets;
use crate::engine::calls::Talking;
use crate::engine::comparing::Comparing;
use crate::engine::detours::Detours;
use crate::engine::diagnosing::Diagnosing;
use crate::engine::gate::Gate;
use crate::engine::handle::{COMMANDS, EVENTS, Handle, Shell};
use crate::engine::links::check_address;
use crate::engine::lock::ProfileLock;
use crate::engine::naming::own_name;
use crate::engine::news::News;
use crate::engine::progress::ProgressBoard;
use crate::engine::queue::{Looks, lay_accepted};
use crate::engine::run::{CAUSES, Clock, FRAMES, Run};
use crate::engine::shares::Shares;
use crate::engine::trust::Trusting;
use crate::engine::view::{FINISHED_TRANSFERS, Judging, RoomView, SENT_WATCHED, Sent, TransferView, View};
use crate::files::{Handles, Lists, Pasted, Shelf};
use crate::net::cut::Shunned;
use crate::net::hearing::Hearing;
use crate::net::interfaces::{Rule, Watch};
use crate::net::multicast::Sockets;
use crate::net::pace::Pace;
use crate::net::stream::Listener;
use crate::net::tls::Credentials;
use crate::says;
use crate::store::{LogPosition, OwnMessage, Settings, Store, StoreError, profile};

/// Opens everything that can fail before the node is told to be running.
pub async fn start(config: Config, looks: Looks) -> Result<(Run, Handle), ApiError> {
    for address in &config.peers {
        check_address(address)?;
    }
    let lock = ProfileLock::take(&config.profile)?;
    profile::prepare(&config.profile)?;
    let identity = profile::identity(&config.profile)?;
    let clock = Clock::start();
    let database = Config::database(&config.profile);
    let wall = clock.now().unix;
    // SQLite may have to recover, which takes as long as it takes.
    let (store, loaded) = tokio::task::spawn_blocking(move || Store::open(&database, wall))
        .await
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
    let settings = chosen(&store, &config).await?;
    let shelf = Shelf::open(&config.profile).map_err(|error| {
        says!(
            ErrorCode::Storage,
            "Lanyard cannot use its folder {folder}: {error}.",
            folder = config.profile,
            error
        )
    })?;

    let shelf = shelf.signed_by(Arc::new(Identity::from_seed(&identity.seed())));

    let mut sockets = open_sockets(&config)?;
    let (listener, tcp_port) = Listener::bind(config.port).map_err(|error| {
        let code = ErrorCode::Network;
        says!(code, "Lanyard cannot accept connections: {error}. Check the firewall and free ports.", error)
    })?;
    let credentials = Credentials::new(&identity);
    let rule = Rule { named: config.interfaces.clone(), chosen: store.interface_choices().await? };
    let watch = Watch::new(rule);
    credentials.filter().set(watch.current(), watch.listed());
    sockets.update(watch.current());
    let (arriving, arrivals) = mpsc::channel(ARRIVALS);
    let serving = listener.serve(&credentials, arriving);

    let platform = match std::env::consts::OS {
        "linux" => Platform::Linux,
        "macos" => Platform::Macos,
        "windows" => Platform::Windows,
        _ => Platform::Other,
    };
    let me = Profile {
        name: settings.name.clone().unwrap_or_default(),
        platform,
        avatar: settings.avatar.clone(),
        tcp_port,
        network: config.network.clone(),
    };
    let shares = Shares::new(store.shares().await?);
    let view = load_view(&store, &loaded, &identity).await?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let (mut node, effects) = Node::new(identity, me, loaded, seed, clock.now());
    let called = node.presence().peers().map(|peer| (peer.id, peer.name.as_str()));
    let called = called.chain([(node.me(), node.profile().name.as_str())]);
    let trusting = Trusting::new(store.acquaintances().await?, called);
    let shunned = Shunned::default();
    let blocked = node.presence().peers().filter(|peer| peer.trust == Trust::Blocked);
    blocked.for_each(|peer| shunned.shun(peer.id, true));
    lay_accepted(&mut node, &view, &settings, &config).await;
    claim_what_was_fetched(&mut node, &shelf);
    let given = |record: &&TransferRecord| match record.from == node.me() {
        true => !record.is_given_and_over(),
        false => record.state == TransferState::Done,
    };
    let offered = node.transfers().filter(given).map(|record| record.id).collect();
    if let Err(error) = Pasted::of(&config.profile).sweep(&offered) {
        tracing::warn!(%error, "pasted pictures that nobody needs stay on disk");
    }
    let strays = shelf.strays(&offered).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot look for offers that are over");
        Vec::new()
    });

    let (requests, requested) = mpsc::channel(COMMANDS);
    let (events, _) = broadcast::channel(EVENTS);
    let (reports, reported) = mpsc::channel(CAUSES);
    let (sync_events, synced) = mpsc::channel(FRAMES);
    let handle = Handle { requests, events: events.clone(), shell: Shell::default() };
    let mut run = Run {
        config,
        settings,
        clock,
        node,
        store,
        shelf,
        lists: Lists::default(),
        handles: Handles::new(),
        looks,
        gate: Gate::default(),
        sockets,
        watch,
        credentials,
        tcp_port,
        view,
        news: News::default(),
        progress: ProgressBoard::default(),
        up: Pace::default(),
        down: Pace::default(),
        conns: HashMap::new(),
        next_conn: 0,
        addresses: BTreeSet::new(),
        standing: HashMap::new(),
        keeping: Default::default(),
        shares,
        trusting,
        budgets: Budgets::default(),
        comparing: Comparing::default(),
        pulls: HashMap::new(),
        serves: HashMap::new(),
        next_serve: 0,
        detours: Detours::default(),
        hearing: Hearing::default(),
        diagnosing: Diagnosing::default(),
        talking: Talking::default(),
        shunned,
        requests: requested,
        arrivals,
        reports,
        reported,
        sync_events,
        synced,
        events,
        _serving: serving,
        _lock: lock,
    };
    run.enter(effects, None).await?;
    let limited = run.limit_holding();
    run.enter(limited, None).await?;
    let limited = run.limit_transfers();
    run.enter(limited, None).await?;
    run.clear_away(strays);
    run.accept_offers_by_rule();
    run.dial_configured_peers();
    run.open_what_can_be_opened();
    // The last run may have ended before it had judged by what it learned.
    let rooms: Vec<RoomId> = run.node.rooms().map(|room| room.record().id).collect();
    rooms.into_iter().for_each(|room| run.judge(room));
    Ok((run, handle))
}

/// Lets the node know for which of the offers that somebody asked for somebody came before this run.
fn claim_what_was_fetched(node: &mut Node, shelf: &Shelf) {
    let asked = |record: &&TransferRecord| record.from == node.me() && record.share().is_some();
    let asked: Vec<_> = node.transfers().filter(asked).map(|record| record.id).collect();
    asked.into_iter().filter(|id| shelf.was_fetched(*id)).for_each(|id| node.came_for(id));
}

fn open_sockets(config: &Config) -> Result<Sockets, ApiError> {
    if config.multicast == Multicast::Off {
        return Ok(Sockets::none());
    }
    Sockets::open(config.port).map_err(|error| {
        let port = config.port;
        says!(
            ErrorCode::Network,
            "Lanyard {error}. Another program may have the port: end it, or choose another with --port; all devices \
             of a network need the same (now {port}).",
            error,
            port
        )
    })
}

/// Stored settings, with what this run's configuration overrides, and what the system suggests where nothing is set.
async fn chosen(store: &Store, config: &Config) -> Result<Settings, ApiError> {
    let stored = store.settings().await?;
    let mut settings = stored.clone();
    if let Some(name) = &config.name {
        settings.name = Some(own_name(name)?);
        settings.named = true;
    }
    if let Some(downloads) = &config.downloads {
        settings.downloads = Some(std::path::absolute(downloads).unwrap_or_else(|_| downloads.clone()));
    }
    if config.relay {
        (settings.relay, settings.hold) = (Some(true), Some(true));
    }
    if settings != stored {
        store.set_settings(settings.clone()).await?.await?;
    }
    if settings.name.is_none() {
        settings.name = Some(suggested_name());
    }
    settings.downloads.get_or_insert_with(|| suggested_downloads(config));
    Ok(settings)
}

fn suggested_name() -> String {
    let names = [whoami::realname().ok(), whoami::username().ok(), whoami::hostname().ok()];
    let mut usable =
        names.into_iter().flatten().map(|name| clean_line(&name, MAX_NAME)).filter(|name| !name.is_empty());
    usable.next().unwrap_or_else(|| "Somebody".to_owned())
}

fn suggested_downloads(config: &Config) -> PathBuf {
    let user = directories::UserDirs::new();
    let folder = user.as_ref().and_then(|user| {
        user.download_dir().map(PathBuf::from).or_else(|| Some(user.home_dir().join("Downloads")))
    });
    folder.unwrap_or_else(|| config.profile.join("downloads"))
}

async fn load_view(store: &Store, loaded: &Loaded, identity: &Identity) -> Result<View, StoreError> {
    let mut rooms = BTreeMap::new();
    let me = identity.peer_id();
    let kept: BTreeMap<_, _> = store.kept().await?.into_iter().collect();
    let levels = store.notify_levels().await?;
    for room in &loaded.rooms {
        let id = room.record.id;
        let view = RoomView {
            counts: store.counts(id, me).await?,
            read: store.read_mark(id).await?,
            last: store.last(id).await?,
            topic: store.topic(id).await?,
            draft: store.draft(id).await?,
            sent: sent(store, room, me).await?,
            keep_days: kept.get(&id).copied(),
            notify: levels.get(&id).copied(),
            judging: Judging::default(),
        };
        rooms.insert(id, view);
    }
    let finished = store.transfers(FINISHED_TRANSFERS).await?;
    let mut transfers = BTreeMap::new();
    for noted in finished {
        let (id, told) = (noted.record.id, Some(noted.record.state));
        let over =
            TransferView { note: noted.note, record: Some(noted.record), told, ..TransferView::default() };
        transfers.insert(id, over);
    }
    for record in &loaded.transfers {
        // Those that are over were found above, with their notes.
        if let Entry::Vacant(view) = transfers.entry(record.id) {
            let note = store.transfer(record.id).await?.map(|noted| noted.note).unwrap_or_default();
            view.insert(TransferView { note, told: Some(record.state), ..TransferView::default() });
        }
    }
    Ok(View {
        began: store.newest_arrival().await?,
        rooms,
        transfers,
        queue_changed: false,
        notifications: store.notifications().await?,
    })
}

/// The newest messages of this device, of all its logs in a room, and how many hold them: of what was delivered before,
/// this run was told when it was loaded; what comes now is news.
async fn sent(store: &Store, room: &LoadedRoom, me: PeerId) -> Result<VecDeque<Sent>, StoreError> {
    let mut own: Vec<&LoadedLog> = room.logs.iter().filter(|log| log.author == me).collect();
    own.sort_by_key(|log| log.newest);
    let mut sent = VecDeque::new();
    for log in own.into_iter().map(|log| log_id(me, log.nonce)) {
        // What was said last of a message may stand in a later log.
        let holds = |covered: &(PeerId, LogId, Span), said: &LogPosition| {
            covered.1 == said.log && covered.2.contains(said.seq)
        };
        let holders = |said: &LogPosition| room.covered.iter().filter(|covered| holds(covered, said)).count();
        let newest = store.newest_sent(room.record.id, log, SENT_WATCHED as u32).await?;
        let newest = newest.into_iter().rev();
        sent.extend(newest.map(|OwnMessage { id, at, newest }| {
            let told = holders(&newest);
            Sent { position: newest, id, at, told, kept: Vec::new() }
        }));
        sent.drain(..sent.len().saturating_sub(SENT_WATCHED));
    }
    Ok(sent)
}

/// Wall-clock milliseconds, or zero on a device whose clock stands before 1970.
pub fn unix_now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Proven connections that wait for the engine's task.
const ARRIVALS: usize = 64;

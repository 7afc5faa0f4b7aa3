//! `lanyard up`: a node until Ctrl-C.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lanyard_engine::Config;
use lanyard_engine::api::{
    Arrived, Call, CallEnd, Comparison, ComparisonState, Event, Message, Network, Room, Transfer,
    TransferDirection, TransferState, Trust,
};
use lanyard_engine::control::Node;

use super::arrivals::{Arrivals, Told};
use super::{files, log, message, next, snapshot, transfers};
use crate::args::Up;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, Output, QUIET, STRONG, paint};
use crate::text;

/// What the options say.
pub fn configure(mut config: Config, options: &Up) -> Result<Config, Failure> {
    config.name = options.name.clone();
    config.downloads = options.downloads.as_deref().map(std::path::absolute).transpose()?;
    config.accept = options.accept.into();
    config.accept_limit = options.accept_limit.filter(|bytes| *bytes > 0);
    config.peers = options.peers.clone();
    config.interfaces = Some(options.interfaces.clone()).filter(|names| !names.is_empty());
    config.multicast = options.multicast();
    config.relay = options.relay;
    config.port = options.port;
    Ok(config)
}

/// Prints what happens, from the state at the start on: first that the node is ready, and everyone who is there.
pub async fn run(node: &Node, out: Output, asked: &[String]) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let mut teller = Teller::default();
    let now = snapshot(node).await?;
    let missing = missing(asked, &now.network);
    if !missing.is_empty() {
        out.note(&format!(
            "No interface of this machine is called {}, or it has no address. It is used as soon as it has.",
            text::line(&missing.join(" or "))
        ));
    }
    for room in now.rooms {
        teller.rooms.insert(room.id.clone(), room);
    }
    let ready = Event::Ready { me: now.me, network: now.network };
    teller.tell(out, &ready)?;
    for peer in now.peers.into_iter().filter(|peer| peer.online) {
        teller.tell(out, &Event::PeerOnline { peer })?;
    }
    let mut arrivals = Arrivals::since_start();
    catch_up(node, out, &mut arrivals, &mut teller).await?;
    loop {
        let event = next(&mut events).await;
        if teller.lacks(&event) {
            catch_up(node, out, &mut arrivals, &mut teller).await?;
        }
        if teller.was_told(&event) {
            continue;
        }
        match event {
            // How it read then; what was done with it since must not be undone here.
            Event::MessageChanged { message } => {
                for message in log::current(node, &message).await? {
                    let changed = Event::MessageChanged { message };
                    if !teller.was_told(&changed) {
                        teller.tell(out, &changed)?;
                    }
                }
            }
            event => teller.tell(out, &event)?,
        }
    }
}

/// Interfaces that were named and are not used.
fn missing<'a>(asked: &'a [String], network: &Network) -> Vec<&'a str> {
    let is_used = |name: &str| network.interfaces.iter().any(|interface| interface.name == name);
    asked.iter().map(String::as_str).filter(|name| !is_used(name)).collect()
}

fn where_it_is(network: &Network) -> String {
    match network.interfaces.is_empty() {
        true => "is up, and on no network yet".to_owned(),
        false => format!("is on the network, port {}", network.tcp_port),
    }
}

/// Tells every message that arrived meanwhile, each once, and what was done with those that were here.
async fn catch_up(
    node: &Node,
    out: Output,
    arrivals: &mut Arrivals,
    teller: &mut Teller,
) -> Result<(), Failure> {
    let tell = |arrived: Arrived| {
        for message in arrived.messages {
            teller.tell(out, &Event::Message { message })?;
        }
        for message in arrived.changed {
            let changed = Event::MessageChanged { message };
            if !teller.was_told(&changed) {
                teller.tell(out, &changed)?;
            }
        }
        Ok(())
    };
    arrivals.take(node, tell).await
}

/// Tells events, each once although the state at the start and the first events overlap.
#[derive(Default)]
struct Teller {
    online: BTreeSet<String>,
    names: BTreeMap<String, String>,
    rooms: BTreeMap<String, Room>,
    messages: Told,
    /// The calls that rang.
    rang: BTreeSet<String>,
    /// How far comparisons with people have come.
    compared: BTreeMap<String, ComparisonState>,
    /// What was offered last, each told once, though it comes as an offer and as a message.
    offered: VecDeque<String>,
}

impl Teller {
    /// Whether something may have arrived that was not told. One question answers for many messages, whose events follow.
    fn lacks(&self, event: &Event) -> bool {
        match event {
            Event::Message { message } => self.messages.get(&message.id).is_none(),
            Event::MessageChanged { message } => !self.messages.reads_so(message),
            Event::History { .. } | Event::Lagged { .. } | Event::Ready { .. } => true,
            _ => false,
        }
    }

    fn was_told(&self, event: &Event) -> bool {
        match event {
            // What arrived was told by then.
            Event::Ready { .. } | Event::Message { .. } => true,
            Event::MessageChanged { message } => self.messages.reads_so(message),
            Event::PeerOnline { peer } => self.online.contains(&peer.id),
            // A private room is left, and later forgotten.
            Event::RoomLeft { room } => !self.rooms.contains_key(room),
            _ => false,
        }
    }

    fn tell(&mut self, out: Output, event: &Event) -> Result<(), Failure> {
        let words = self.words(event);
        self.note(event);
        match (out, words) {
            (Output::Person, None) => Ok(()),
            (_, words) => out.item(event, |_| words.unwrap_or_default()),
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::PeerOnline { peer } => {
                self.names.insert(peer.id.clone(), peer.name.clone());
                self.online.insert(peer.id.clone());
            }
            // Strangers come and go; who is here again says anew how it is called.
            Event::PeerOffline { peer } => {
                self.online.remove(&peer.id);
                self.names.remove(&peer.id);
                self.compared.remove(&peer.id);
            }
            Event::Comparison { comparison } if comparison.state == ComparisonState::Ended => {
                self.compared.remove(&comparison.peer);
            }
            Event::Comparison { comparison } => {
                self.compared.insert(comparison.peer.clone(), comparison.state);
            }
            Event::Call { call } if call.ringing && !call.joined => drop(self.rang.insert(call.id.clone())),
            Event::CallEnded { id, .. } => drop(self.rang.remove(id)),
            Event::RoomLeft { room } => drop(self.rooms.remove(room)),
            Event::Message { message } => {
                self.messages.note(message);
                self.note_offer(message.transfer.as_ref());
            }
            Event::MessageChanged { message } => self.messages.note(message),
            Event::Offer { transfer } => self.note_offer(Some(&transfer.id)),
            Event::RoomChanged { room } => drop(self.rooms.insert(room.id.clone(), room.clone())),
            _ => {}
        }
    }

    fn note_offer(&mut self, transfer: Option<&String>) {
        let Some(transfer) = transfer.filter(|transfer| !self.offered.contains(transfer)) else { return };
        if self.offered.len() >= OFFERED {
            self.offered.pop_front();
        }
        self.offered.push_back(transfer.clone());
    }

    /// What a person wants to read of it, if anything.
    fn words(&self, event: &Event) -> Option<String> {
        let words = match event {
            Event::Ready { me, network } => {
                let name = paint(STRONG, &text::line(&me.name));
                format!("{name} ({}) {}. Ctrl-C ends it.", me.short, where_it_is(network))
            }
            Event::PeerOnline { peer } => {
                let address = peer.addresses.first().map_or("", String::as_str);
                let name = paint(STRONG, &text::line(&peer.name));
                format!("{} {name} ({}) is here  {}", paint(GOOD, "●"), peer.short, paint(QUIET, address))
            }
            // Nothing more is heard of it: that it is gone is no news.
            Event::PeerOffline { peer } if peer.trust == Trust::Blocked => {
                format!("{} {} ({}) is blocked", paint(QUIET, "○"), text::line(&peer.name), peer.short)
            }
            Event::PeerOffline { peer } => {
                format!("{} {} ({}) has left", paint(QUIET, "○"), text::line(&peer.name), peer.short)
            }
            Event::Message { message }
                if message.transfer.as_ref().is_some_and(|id| self.offered.contains(id)) =>
            {
                return None;
            }
            Event::Message { message } => self.message(message),
            Event::Offer { transfer } if self.offered.contains(&transfer.id) => return None,
            Event::Offer { transfer } => {
                let said = format!("offers {}  {}", transfers::what(transfer), accept(&transfer.id));
                self.said(transfer.offered, &transfer.room, &transfer.from_name, &said)
            }
            Event::TransferFinished { transfer } => finished(transfer),
            Event::RoomLeft { room } => format!("You have left {}", self.room(room)),
            Event::Comparison { comparison } => return self.comparison(comparison),
            Event::Call { call } => return self.ringing(call),
            Event::CallEnded { room, id, why: CallEnd::Unanswered } if self.rang.contains(id) => {
                format!("{} called, and nobody answered", self.room(room))
            }
            Event::PeerChanged { peer } if peer.trust == Trust::Changed => {
                let (name, hint) = (text::line(&peer.name), format!("lanyard verify @{}", peer.short));
                let words =
                    format!("{name} ({}) has the name of somebody verified, and another key", peer.short);
                format!("{}  {}", paint(BAD, &words), paint(QUIET, &hint))
            }
            Event::Notice { error } => paint(BAD, &text::line(&error.message)),
            Event::Lagged { missed } => {
                format!("{missed} events came too fast to be shown; no message is among them")
            }
            Event::PeerChanged { .. }
            | Event::MessageChanged { .. }
            | Event::History { .. }
            | Event::Typing { .. }
            | Event::MembersChanged { .. }
            | Event::DirectoryChanged {}
            | Event::RoomChanged { .. }
            | Event::Delivered { .. }
            | Event::Kept { .. }
            | Event::MailboxChanged { .. }
            | Event::TransferChanged { .. }
            | Event::TransferForgotten { .. }
            | Event::Progress { .. }
            | Event::SharesChanged {}
            | Event::CallEnded { .. }
            | Event::MeChanged { .. }
            | Event::NetworkChanged { .. } => return None,
        };
        Some(words)
    }

    /// Who calls, once.
    fn ringing(&self, call: &Call) -> Option<String> {
        let caller = call.members.iter().find(|member| !member.me)?;
        if !call.ringing || call.joined || self.rang.contains(&call.id) {
            return None;
        }
        let (name, hint) = (text::line(&caller.name), format!("lanyard call @{}", caller.short));
        Some(format!("{} calls  {}", paint(STRONG, &name), paint(QUIET, &hint)))
    }

    /// Whoever is asked should hear of it, and so should whoever may be attacked.
    fn comparison(&self, comparison: &Comparison) -> Option<String> {
        if self.compared.get(&comparison.peer) == Some(&comparison.state) {
            return None;
        }
        let known = self.names.get(&comparison.peer);
        let name = paint(STRONG, &text::line(known.map_or("Somebody", String::as_str)));
        let short = text::short(&comparison.peer);
        match comparison.state {
            ComparisonState::Asked => {
                let hint = paint(QUIET, &format!("lanyard verify @{short} --emoji"));
                Some(format!("{name} ({short}) wants to compare emoji with you  {hint}"))
            }
            ComparisonState::Matched => Some(format!("{} {name} ({short}) is verified", paint(GOOD, "✓"))),
            ComparisonState::Ended if comparison.alarm => {
                let why = comparison.error.as_ref().map(|error| text::line(&error.message));
                Some(paint(BAD, &why.unwrap_or_default()))
            }
            _ => None,
        }
    }

    fn message(&self, message: &Message) -> String {
        let mut said = message::said(message, &message::Offers::default());
        if let Some(transfer) = message.transfer.as_ref().filter(|_| !message.mine && !message.deleted) {
            said = format!("{said}  {}", accept(transfer));
        }
        self.said(message.time, &message.room, &message.name, &said)
    }

    fn said(&self, time: u64, room: &str, name: &str, said: &str) -> String {
        let (time, name) = (paint(QUIET, &text::moment(time)), paint(STRONG, &text::line(name)));
        format!("{time} {} {name}: {said}", self.room(room))
    }

    fn room(&self, id: &str) -> String {
        match self.rooms.get(id) {
            Some(room) => message::title(room),
            None => text::short(id).to_owned(),
        }
    }
}

fn accept(transfer: &str) -> String {
    paint(QUIET, &format!("lanyard accept {}", text::short_transfer(transfer)))
}

fn finished(transfer: &Transfer) -> String {
    let what = transfers::what(transfer);
    let from = text::line(&transfer.from_name);
    match (transfer.direction, transfer.state) {
        (TransferDirection::In, TransferState::Done) => {
            let folder = transfer.folder.as_deref().map(text::line).unwrap_or_default();
            let renamed = files::renamed(transfer);
            format!("{} {what} from {from} is in {folder}{renamed}", paint(GOOD, "✓"))
        }
        (TransferDirection::Out, TransferState::Done) => format!("{} {what} was received", paint(GOOD, "✓")),
        (_, state) => {
            let why = transfer.error.as_ref().map(|error| format!(": {}", text::line(&error.message)));
            format!("{} {what}: {}{}", paint(BAD, "✗"), transfers::state(state), why.unwrap_or_default())
        }
    }
}

/// Offers that are remembered: the message about one follows within moments.
const OFFERED: usize = 256;

#[cfg(test)]
mod tests {
    use lanyard_engine::api::{ApiError, Avatar, ErrorCode, Interface, MessageKind, Peer, Platform};

    use super::*;

    fn plain(words: Option<String>) -> String {
        anstream::adapter::strip_str(&words.expect("words")).to_string()
    }

    #[test]
    fn a_notice_is_shown_without_its_escape_sequences() {
        let error = ApiError::new(ErrorCode::Network, "cut\x1b[2J off");
        let words = Teller::default().words(&Event::Notice { error });
        assert_eq!(plain(words), "cut\u{FFFD}[2J off");
    }

    #[test]
    fn what_was_told_is_not_asked_for_again_until_it_reads_otherwise() {
        let mut teller = Teller::default();
        let said = message::tests::message("tea?");
        assert!(teller.lacks(&Event::Message { message: said.clone() }));
        teller.messages.note(&said);
        assert!(!teller.lacks(&Event::Message { message: said.clone() }));
        assert!(!teller.lacks(&Event::MessageChanged { message: said.clone() }));
        let edited = Message { text: "coffee?".to_owned(), ..said };
        assert!(teller.lacks(&Event::MessageChanged { message: edited }));
        assert!(teller.lacks(&Event::History { room: "a".to_owned() }));
    }

    #[test]
    fn an_interface_that_is_not_there_is_known_and_nobody_is_on_a_network_by_it() {
        let interface = Interface { name: "eth0".to_owned(), addresses: Vec::new() };
        let asked = ["nope".to_owned(), "eth0".to_owned()];
        let network = |interfaces: Vec<Interface>| Network {
            port: 1,
            tcp_port: 2,
            multicast: true,
            interfaces,
            listed: Vec::new(),
            clock_off: None,
            dropped: Vec::new(),
        };
        assert_eq!(missing(&asked, &network(vec![interface.clone()])), ["nope"]);
        assert_eq!(where_it_is(&network(vec![interface])), "is on the network, port 2");
        assert_eq!(where_it_is(&network(Vec::new())), "is up, and on no network yet");
    }

    #[test]
    fn of_whoever_left_nothing_is_kept() {
        let mut teller = Teller::default();
        let mut peer = Peer {
            id: String::new(),
            short: "7KQF".to_owned(),
            name: "Ana".to_owned(),
            avatar: Avatar { color: 1, emoji: "🐙".to_owned() },
            online: true,
            addresses: Vec::new(),
            platform: Platform::Linux,
            trust: Trust::Unknown,
            alike: Vec::new(),
            accept_bytes: None,
            last_seen: 0,
        };
        let blocked = Peer { trust: Trust::Blocked, ..peer.clone() };
        let gone = |peer: &Peer| plain(Teller::default().words(&Event::PeerOffline { peer: peer.clone() }));
        assert_eq!(
            (gone(&peer), gone(&blocked)),
            ("○ Ana (7KQF) has left".into(), "○ Ana (7KQF) is blocked".into())
        );
        for number in 0..100 {
            peer.id = format!("{number:064}");
            teller.note(&Event::PeerOnline { peer: peer.clone() });
            teller.note(&Event::PeerOffline { peer: peer.clone() });
        }
        assert!(teller.names.is_empty() && teller.online.is_empty());
    }

    #[test]
    fn a_step_of_a_comparison_and_a_room_that_is_left_are_told_once() {
        let mut teller = Teller::default();
        let asked = Comparison {
            peer: "a".repeat(52),
            state: ComparisonState::Asked,
            emoji: Vec::new(),
            error: None,
            alarm: false,
        };
        let mut told = |state| {
            let event = Event::Comparison { comparison: Comparison { state, ..asked.clone() } };
            let words = teller.words(&event);
            teller.note(&event);
            words.is_some()
        };
        assert!(told(ComparisonState::Asked) && !told(ComparisonState::Asked));
        assert!(!told(ComparisonState::Ended) && told(ComparisonState::Asked));
        assert!(told(ComparisonState::Matched) && !told(ComparisonState::Matched));
        let left = Event::RoomLeft { room: "b".repeat(64) };
        assert!(teller.was_told(&left), "it was forgotten meanwhile");
    }

    #[test]
    fn an_offer_is_told_once_whether_it_comes_first_as_such_or_as_a_message() {
        let transfer = transfers::tests::transfer(&["plan.pdf"], 1);
        let message = Message {
            kind: MessageKind::Offer,
            transfer: Some(transfer.id.clone()),
            ..message::tests::message("plan.pdf")
        };
        let events = [Event::Offer { transfer }, Event::Message { message }];
        for order in [[0, 1], [1, 0]] {
            let mut teller = Teller::default();
            let told: Vec<_> = order
                .iter()
                .filter_map(|at| {
                    let words = teller.words(&events[*at]);
                    teller.note(&events[*at]);
                    words
                })
                .collect();
            assert_eq!(told.len(), 1, "{told:?}");
            let told = plain(told.into_iter().next());
            assert!(told.contains("offers plan.pdf") && told.contains("lanyard accept"), "{told}");
        }
    }

    #[test]
    fn progress_is_for_programs_only() {
        assert_eq!(Teller::default().words(&Event::Progress { progress: Vec::new() }), None);
    }
}

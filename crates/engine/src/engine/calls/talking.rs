//! The sound of the call that this device is in: opened when it is joined, kept in step with who is in, and told about.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanyard_media::{
    Conference, Hearing, Key, Member, Relay, Report as Sound, SenderId, Setup, Trouble, devices,
};
use lanyard_proto::effects::Effects;
use lanyard_proto::model::{CallId, PeerId, RoomId};
use lanyard_proto::node::{CallKey, OngoingCall, Participant};
use lanyard_proto::wire::call::Hears;

use super::Heard;
use super::ends::{Ends, Input, Output, PIECE, Sink, Source};
use super::packets::Packets;
use super::trouble::sentence;
use crate::api::{
    ApiError, Call, CallAudio, CallDevice, CallDevices, CallRecording, CallWay, Command, ErrorCode, Event,
    Reply, Sentence,
};
use crate::config::Multicast;
use crate::engine::commands::{To, invalid, refused};
use crate::engine::gate::{Answer, Answering};
use crate::engine::handle::Shell;
use crate::engine::run::{Report, Run};
use crate::net::calls::{CallSockets, may_call};
use crate::saying;
use crate::says;
use crate::store::{Settings, StoreError};

#[derive(Default)]
pub struct Talking {
    /// Opened for a call that is about to be joined.
    ready: Option<Ready>,
    on: Option<Talk>,
    /// What is to be fed when there is room.
    feeding: VecDeque<(Vec<i16>, To)>,
}

struct Ready {
    packets: Arc<Packets>,
    ends: Ends,
    shell: Shell,
}

/// The call that this device is in.
struct Talk {
    room: RoomId,
    call: CallId,
    key: CallKey,
    muted: bool,
    conference: Conference,
    packets: Arc<Packets>,
    ends: Ends,
    /// The program that joined it.
    shell: Shell,
    members: Vec<Member>,
    others: Vec<Other>,
    addresses: BTreeMap<PeerId, (Vec<SocketAddr>, Option<SocketAddr>)>,
    sound: Sound,
    told: Option<Call>,
    refreshed: Instant,
    knocked: Instant,
}

/// Somebody else in it.
struct Other {
    peer: PeerId,
    /// Its key when it came, and when that was: a while later it can be said how it is heard.
    key: Option<CallKey>,
    since: Instant,
    to: Option<SocketAddr>,
    through: Option<PeerId>,
}

/// What tasks about calls have to say.
pub enum CallReport {
    Opened {
        wanted: String,
        ends: Result<Ends, ApiError>,
        shell: Shell,
        to: To,
    },
    /// Whatever was joined cannot run.
    Failed(Trouble),
}

impl Talking {
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Whether a program joined the call.
    pub fn is_of(&self, shell: Shell) -> bool {
        self.on.as_ref().is_some_and(|talk| talk.shell == shell)
    }

    /// Ends the sound, so that what is recorded is whole.
    pub fn close(&mut self) {
        (self.on, self.ready) = (None, None);
    }

    pub(super) fn sent(&self) -> (u64, u64) {
        let me = self.on.as_ref().map(|talk| &talk.sound.me);
        me.map_or((0, 0), |me| (me.packets + me.unicast_packets, me.bytes + me.unicast_bytes))
    }

    pub(super) fn trouble(&self) -> Vec<Sentence> {
        self.on.iter().flat_map(|talk| &talk.sound.trouble).map(sentence).collect()
    }

    pub(super) fn heard(&self, peer: PeerId, me: bool) -> Option<Heard> {
        let talk = self.on.as_ref()?;
        if me {
            let sound = &talk.sound.me;
            let (loss, concealed, buffer) = (0.0, 0.0, 0);
            let (level, speaking, way) = (sound.level, sound.speaking, CallWay::Multicast);
            return Some(Heard { level, speaking, way, loss, concealed, buffer });
        }
        let other = talk.others.iter().find(|other| other.peer == peer)?;
        let hearing = talk.hearing(peer)?;
        let way = match (hears(hearing, other.since), other.through) {
            (Hears::Multicast, _) => CallWay::Multicast,
            (Hears::Copies, None) => CallWay::Unicast,
            (Hears::Copies, Some(_)) => CallWay::Relayed,
            (Hears::Unknown | Hears::Nothing, _) => CallWay::None,
        };
        let buffer = u32::try_from(hearing.buffer.as_millis()).unwrap_or(u32::MAX);
        let (loss, concealed) = (tenths(hearing.lost), tenths(hearing.concealed));
        Some(Heard { level: hearing.level, speaking: hearing.speaking, way, loss, concealed, buffer })
    }

    /// Gives what waits as far as there is room.
    fn feed(&mut self) {
        let fed = self.on.as_ref().and_then(|talk| talk.ends.fed.as_ref());
        while let Some((samples, _)) = self.feeding.front() {
            let outcome = match fed {
                Some(fed) if !fed.take(samples) => return,
                Some(_) => Ok(Reply::Done),
                None => Err(says!(ErrorCode::NoSuch, "There is no call that takes sound from a program.")),
            };
            if let Some((_, to)) = self.feeding.pop_front() {
                // Whoever asked may be gone.
                let _ = to.send(outcome);
            }
        }
    }
}

impl Talk {
    fn hearing(&self, peer: PeerId) -> Option<&Hearing> {
        let sender = SenderId(peer.talker());
        self.sound.members.iter().find(|hearing| hearing.sender == sender)
    }
}

impl Run {
    /// Answered later: something is to be opened or listed first.
    pub fn ask_of_calls(&mut self, command: Command, to: To) {
        match command {
            Command::Call { room, audio, record } => self.open_for_call(&room, audio, record, to),
            Command::FeedCall { samples } => match samples_of(&samples) {
                Ok(samples) if self.talking.feeding.len() < MOST_FED => {
                    self.talking.feeding.push_back((samples, to));
                    self.talking.feed();
                }
                Ok(_) => drop(to.send(Err(invalid(saying!("Wait until what was fed before is taken."))))),
                Err(error) => drop(to.send(Err(error))),
            },
            _ => self.list_devices(to),
        }
    }

    fn open_for_call(
        &mut self,
        wanted: &str,
        audio: Option<CallAudio>,
        record: Option<CallRecording>,
        to: To,
    ) {
        let ends = self.wanted_ends(audio, record);
        let checked = ends.and_then(|ends| Ok((self.look_at(wanted)?, ends)));
        let (room, (source, sink)) = match checked {
            Ok(checked) => checked,
            // Whoever asked may be gone.
            Err(error) => return drop(to.send(Err(error))),
        };
        let joined = self.talking.on.as_ref().map(|talk| talk.room);
        if let Some(call) =
            joined.filter(|joined| joined.to_string() == room.id).and_then(|room| self.call_in(room))
        {
            return drop(to.send(Ok(Reply::Call(call))));
        }
        let (wanted, reports, shell) = (wanted.to_owned(), self.reports.clone(), self.comparing.shell);
        tokio::spawn(async move {
            let ends = tokio::task::spawn_blocking(move || Ends::open(source, sink)).await;
            let ends = ends.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()));
            let ends = ends.and_then(|ends| ends.map_err(unopened));
            let report = Report::Call(Box::new(CallReport::Opened { wanted, ends, shell, to }));
            let _ = reports.send(report).await;
        });
    }

    fn wanted_ends(
        &self,
        audio: Option<CallAudio>,
        record: Option<CallRecording>,
    ) -> Result<(Source, Sink), ApiError> {
        let source = match audio {
            None => Source::Microphone(self.settings.microphone.clone()),
            Some(CallAudio::Tone) => Source::Tone,
            Some(CallAudio::Silence) => Source::Silence,
            Some(CallAudio::Fed) => Source::Fed,
            Some(CallAudio::File { handle }) => Source::File(self.path(&handle)?),
        };
        let sink = match record {
            None => Sink::Speaker(self.settings.speaker.clone()),
            Some(CallRecording { into, name }) => Sink::File(self.folder(&into)?.join(plain_name(&name)?)),
        };
        Ok((source, sink))
    }

    pub async fn call_report(&mut self, report: CallReport) -> Result<(), StoreError> {
        match report {
            CallReport::Opened { wanted, ends, shell, to } => match self.join_opened(&wanted, ends, shell) {
                Ok((room, effects)) => {
                    let answer = Answer { to, with: Answering::Call(room) };
                    self.enter(effects, Some(answer)).await
                }
                Err(error) => {
                    let _ = to.send(Err(error));
                    Ok(())
                }
            },
            CallReport::Failed(trouble) => {
                let effects = self.end_calls();
                self.enter(effects, None).await?;
                let sentence = sentence(&trouble);
                self.tell(Event::Notice { error: ApiError::says(ErrorCode::Internal, sentence.says) });
                Ok(())
            }
        }
    }

    fn join_opened(
        &mut self,
        wanted: &str,
        ends: Result<Ends, ApiError>,
        shell: Shell,
    ) -> Result<(RoomId, Effects), ApiError> {
        let ends = ends?;
        let (room, mut effects) = self.resolve(wanted)?;
        self.check_writing(room)?;
        let grouped = self.config.multicast == Multicast::On;
        let filter = self.credentials.filter().clone();
        let sockets = CallSockets::open(self.config.call_port(), grouped, filter)
            .map_err(|error| says!(ErrorCode::Network, "There is no socket for the call: {error}.", error))?;
        if grouped {
            sockets.update(self.watch.current());
        }
        let joined = self.node.join_call(room, sockets.single_port(), self.clock.now());
        effects.extend(joined.map_err(refused)?);
        self.talking.ready = Some(Ready { packets: Arc::new(Packets(sockets)), ends, shell });
        Ok((room, effects))
    }

    /// Brings the sound in step with what the node knows of the call that this device is in.
    pub(super) fn tune(&mut self) {
        let joined = self.node.calls().find(|call| call.me.is_some());
        let Some((call, (key, muted))) = joined.and_then(|mut call| {
            let me = call.me.take()?;
            Some((call, me))
        }) else {
            // What ends waits for its threads, and the engine's task for nobody.
            if let Some(over) = self.talking.on.take() {
                self.talking.feed();
                tokio::task::spawn_blocking(move || drop(over));
            }
            return;
        };
        if self.talking.on.as_ref().is_some_and(|talk| talk.room != call.room) {
            let over = self.talking.on.take();
            tokio::task::spawn_blocking(move || drop(over));
        }
        if let Err(trouble) = self.follow_call(&call, key, muted) {
            self.talking.on = None;
            let reports = self.reports.clone();
            tokio::spawn(async move {
                let _ = reports.send(Report::Call(Box::new(CallReport::Failed(trouble)))).await;
            });
        }
    }

    fn follow_call(&mut self, call: &OngoingCall, key: CallKey, muted: bool) -> Result<(), Trouble> {
        let mut talk = match self.talking.on.take() {
            Some(talk) if talk.call == call.id => talk,
            Some(talk) => {
                Talk::begin(call, key.clone(), muted, talk.packets, talk.ends, talk.shell, self.node.me())?
            }
            None => {
                let Some(Ready { packets, ends, shell }) = self.talking.ready.take() else { return Ok(()) };
                Talk::begin(call, key.clone(), muted, packets, ends, shell, self.node.me())?
            }
        };
        if talk.key != key {
            talk.conference.set_key(media_key(&key));
            talk.key = key;
        }
        if talk.muted != muted {
            talk.conference.set_muted(muted);
            talk.muted = muted;
        }
        talk.others =
            call.others.iter().map(|other| self.other(&mut talk.addresses, &talk.others, other)).collect();
        let members: Vec<Member> =
            call.others.iter().zip(&talk.others).filter_map(|(of, other)| member(of, other)).collect();
        if members != talk.members {
            talk.conference.set_members(members.clone());
            talk.members = members;
        }
        self.talking.on = Some(talk);
        Ok(())
    }

    fn other(
        &self,
        addresses: &mut BTreeMap<PeerId, (Vec<SocketAddr>, Option<SocketAddr>)>,
        known: &[Other],
        participant: &Participant,
    ) -> Other {
        let peer = participant.peer;
        let mut at = self.node.presence().addresses(peer).to_vec();
        at.iter_mut().for_each(|address| address.set_port(participant.port));
        // Which of them may be sent to the system is asked, so not more often than they change.
        let to = match addresses.get(&peer) {
            Some((before, to)) if *before == at => *to,
            _ => {
                let to = at.iter().copied().find(|address| may_call(&self.credentials, *address));
                addresses.insert(peer, (at, to));
                to
            }
        };
        let before = known.iter().find(|other| other.peer == peer && other.key == participant.key);
        let since = before.map_or_else(Instant::now, |other| other.since);
        Other { peer, key: participant.key.clone(), since, to, through: participant.through }
    }

    /// Looks how it goes, so often that a mouth that moves is seen.
    pub async fn listen(&mut self) -> Result<(), StoreError> {
        self.talking.feed();
        let Some(talk) = &mut self.talking.on else { return Ok(()) };
        talk.sound = talk.conference.report();
        let heard = talk
            .others
            .iter()
            .filter_map(|other| Some((other.peer, hears(talk.hearing(other.peer)?, other.since))));
        let heard: Vec<(PeerId, Hears)> = heard.collect();
        if talk.refreshed.elapsed() >= REFRESH {
            talk.packets.0.refresh();
            talk.refreshed = Instant::now();
        }
        if talk.knocked.elapsed() >= KNOCK {
            talk.knocked = Instant::now();
            for (other, (_, hears)) in
                talk.others.iter().zip(&heard).filter(|(_, (_, hears))| *hears != Hears::Multicast)
            {
                // A firewall of this device lets in what answers. A packet of no kind says nothing.
                if let (Some(to), Hears::Copies | Hears::Nothing) = (other.to, hears) {
                    let _ = talk.packets.0.to_one(to, &[0]);
                }
            }
        }
        let room = talk.room;
        let effects = self.node.heard_in_call(&heard, self.clock.now());
        self.enter(effects, None).await?;
        let call = self.call_in(room).map(|call| Call { sent_packets: 0, sent_bytes: 0, ..call });
        let Some(talk) = &mut self.talking.on else { return Ok(()) };
        if call != talk.told {
            talk.told = call;
            if let Some(call) = self.call_in(room) {
                self.tell(Event::Call { call });
            }
        }
        Ok(())
    }

    /// Interfaces are others than before.
    pub fn call_interfaces_changed(&self) {
        let grouped = self.config.multicast == Multicast::On;
        if let Some(talk) = self.talking.on.as_ref().filter(|_| grouped) {
            talk.packets.0.update(self.watch.current());
        }
    }

    fn list_devices(&self, to: To) {
        let (microphone, speaker) = (self.settings.microphone.clone(), self.settings.speaker.clone());
        tokio::task::spawn_blocking(move || {
            let listed =
                devices::list().map_err(|trouble| ApiError::says(ErrorCode::NoSuch, sentence(&trouble).says));
            let listed = listed.map(|found| {
                let device = |one: devices::Device| CallDevice {
                    id: one.name.clone(),
                    name: one.name,
                    default: one.is_default,
                };
                Reply::CallDevices(CallDevices {
                    microphones: found.microphones.into_iter().map(device).collect(),
                    speakers: found.speakers.into_iter().map(device).collect(),
                    microphone,
                    speaker,
                })
            });
            let _ = to.send(listed);
        });
    }

    /// What was chosen instead counts in mid-call.
    pub(super) fn use_devices(&mut self, before: &Settings) {
        let Some(talk) = &mut self.talking.on else { return };
        if talk.ends.microphone && before.microphone != self.settings.microphone {
            talk.ends.input = Input::new(devices::microphone(self.settings.microphone.clone()));
            talk.conference.replace_microphone(talk.ends.input.for_another());
        }
        if talk.ends.speaker && before.speaker != self.settings.speaker {
            talk.ends.output = Output::new(devices::speaker(self.settings.speaker.clone()));
            talk.conference.replace_speaker(talk.ends.output.for_another());
        }
    }
}

impl Talk {
    fn begin(
        call: &OngoingCall,
        key: CallKey,
        muted: bool,
        packets: Arc<Packets>,
        ends: Ends,
        shell: Shell,
        me: PeerId,
    ) -> Result<Talk, Trouble> {
        packets.0.tune_in(call.id.0);
        let (call_id, sender) = (call.id.0, SenderId(me.talker()));
        let setup = Setup { call: call_id, sender, key: media_key(&key), muted };
        let (input, output) = (ends.input.for_another(), ends.output.for_another());
        let conference = Conference::start(setup, packets.clone(), input, output)?;
        let now = Instant::now();
        Ok(Talk {
            room: call.room,
            call: call.id,
            key,
            muted,
            conference,
            packets,
            ends,
            shell,
            members: Vec::new(),
            others: Vec::new(),
            addresses: BTreeMap::new(),
            sound: Sound::default(),
            told: None,
            refreshed: now,
            knocked: now,
        })
    }
}

fn member(of: &Participant, other: &Other) -> Option<Member> {
    let relays = other
        .to
        .filter(|_| !of.relays.is_empty())
        .map(|to| Relay { to, of: of.relays.iter().map(|peer| SenderId(peer.talker())).collect() });
    Some(Member {
        sender: SenderId(of.peer.talker()),
        key: media_key(of.key.as_ref()?),
        old_key: of.old_key.as_ref().map(media_key),
        unicast: other.to.filter(|_| of.wants_copies),
        relay: relays,
    })
}

fn media_key(key: &CallKey) -> Key {
    Key { secret: *key.secret, odd: key.odd }
}

/// How somebody is heard who has been in the call since then.
fn hears(hearing: &Hearing, since: Instant) -> Hears {
    match (hearing.by_multicast, hearing.by_unicast) {
        (true, _) => Hears::Multicast,
        (false, Some(_)) if since.elapsed() >= FIRST => Hears::Copies,
        (false, None) if since.elapsed() >= FIRST => Hears::Nothing,
        (false, _) => Hears::Unknown,
    }
}

fn tenths(percent: f32) -> f32 {
    (percent * 10.0).round() / 10.0
}

fn plain_name(name: &str) -> Result<PathBuf, ApiError> {
    let path = Path::new(name);
    match path.file_name() {
        Some(file) if file == path.as_os_str() => Ok(path.to_owned()),
        _ => Err(invalid(saying!("{name} is no name of a file.", name))),
    }
}

fn samples_of(base64: &str) -> Result<Vec<i16>, ApiError> {
    let bytes = data_encoding::BASE64.decode(base64.as_bytes()).ok();
    let samples = bytes.filter(|bytes| bytes.len() % 2 == 0 && bytes.len() <= 2 * PIECE);
    let samples = samples.map(|bytes| {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    });
    samples.ok_or_else(|| invalid(saying!("This is not a second of sound at the most, as 16 bit in base64.")))
}

fn unopened(trouble: Trouble) -> ApiError {
    let code = match &trouble {
        Trouble::File { .. } => ErrorCode::Storage,
        _ => ErrorCode::Internal,
    };
    ApiError::says(code, sentence(&trouble).says)
}

/// How often it is looked how it goes.
pub const TALK: Duration = Duration::from_millis(200);
/// Switches without a querier forget groups after some minutes.
const REFRESH: Duration = Duration::from_secs(60);
/// How often those are sent a packet whose own do not come by multicast.
const KNOCK: Duration = Duration::from_secs(1);
/// So long after somebody came it is seen how its packets do: it sends at least one a second.
const FIRST: Duration = Duration::from_secs(3);
/// Pieces that wait.
const MOST_FED: usize = 4;

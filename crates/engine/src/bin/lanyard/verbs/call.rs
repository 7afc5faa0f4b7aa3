//! `lanyard call`: talks in a room or with a person, from files or with what the system has.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lanyard_engine::api::{
    ApiError, Call, CallAudio, CallEnd, CallRecording, CallWay, Command, Event, FileHandle, Reply,
};
use lanyard_engine::control::Node;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{all_rooms, ask, call_when_found, message, misunderstood, next};
use crate::args::Call as Words;
use crate::failure::{Exit, Failure};
use crate::output::{GOOD, Output, QUIET, STRONG, paint};
use crate::text;

pub async fn run(node: &Node, out: Output, words: Words) -> Result<(), Failure> {
    match words.to {
        Some(to) if words.decline => {
            call_when_found(node, Command::DeclineCall { room: to }).await?;
            Ok(())
        }
        Some(to) => talk(node, out, to, words.audio, words.record, words.seconds).await,
        None => list(node, out).await,
    }
}

async fn list(node: &Node, out: Output) -> Result<(), Failure> {
    let calls: Vec<Call> = ask!(node.call(Command::Calls {}) => Calls)?;
    let rooms = all_rooms(node).await?;
    if calls.is_empty() && out == Output::Person {
        out.note("No call is on. Begin one: lanyard call '#lobby'");
    }
    for call in &calls {
        let title = rooms
            .iter()
            .find(|room| room.id == call.room)
            .map_or_else(|| text::short(&call.room).to_owned(), message::title);
        out.item(call, |call| {
            let names: Vec<String> = call.members.iter().map(|member| text::line(&member.name)).collect();
            let state = if call.joined {
                "  you are in"
            } else if call.ringing {
                "  it rings"
            } else {
                ""
            };
            format!("{title}: {}{state}", names.join(", "))
        })?;
    }
    Ok(())
}

async fn talk(
    node: &Node,
    out: Output,
    to: String,
    audio: Option<String>,
    record: Option<PathBuf>,
    seconds: Option<u32>,
) -> Result<(), Failure> {
    let fed = audio.as_deref() == Some("-");
    let audio = match audio.as_deref() {
        None => None,
        Some("-") => Some(CallAudio::Fed),
        Some("tone") => Some(CallAudio::Tone),
        Some("silence") => Some(CallAudio::Silence),
        Some(file) => Some(CallAudio::File { handle: admit(node, Path::new(file)).await? }),
    };
    let record = match record {
        None => None,
        Some(file) => Some(recording(node, &file).await?),
    };
    let mut events = node.subscribe();
    let command = Command::Call { room: to, audio, record };
    let mut call: Call = ask!(call_when_found(node, command) => Call)?;
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let mut teller = Teller { out, members: BTreeMap::new(), trouble: Vec::new() };
    teller.began(&call)?;
    let (feed, mut pieces) = mpsc::channel(2);
    if fed {
        std::thread::spawn(move || read_sound(&feed));
    }
    loop {
        tokio::select! {
            event = next(&mut events) => match event {
                Event::Call { call: changed } if changed.room == call.room => {
                    teller.changed(&changed)?;
                    call = changed;
                }
                Event::CallEnded { room, why, .. } if room == call.room && why != CallEnd::Merged => {
                    return ended(why);
                }
                _ => {}
            },
            Some(samples) = pieces.recv(), if fed => {
                let samples = samples?;
                node.call(Command::FeedCall { samples }).await?;
            }
            () = at(until) => {
                let Reply::Calls(calls) = node.call(Command::Calls {}).await? else {
                    return Err(misunderstood().into());
                };
                let last = calls.into_iter().find(|one| one.id == call.id).unwrap_or(call);
                node.call(Command::LeaveCall {}).await?;
                return teller.over(&last);
            }
        }
    }
}

fn ended(why: CallEnd) -> Result<(), Failure> {
    match why {
        CallEnd::Over | CallEnd::Merged => Ok(()),
        CallEnd::Declined => Err(Failure::new(Exit::Refused, "The call was declined.")),
        CallEnd::Unanswered => Err(Failure::new(Exit::TimedOut, "Nobody answered.")),
        CallEnd::Gone => Err(Failure::new(Exit::Refused, "You are in this room no longer.")),
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn admit(node: &Node, path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path)?;
    let Some(path) = path.to_str() else {
        return Err(Failure::new(Exit::WrongUse, "The name of this file is not Unicode: call it otherwise."));
    };
    let handles: Vec<FileHandle> =
        ask!(node.call(Command::Admit { paths: vec![path.to_owned()] }) => Handles)?;
    let handle = handles.into_iter().next().map(|file| file.handle);
    handle.ok_or_else(|| misunderstood().into())
}

async fn recording(node: &Node, file: &Path) -> Result<CallRecording, Failure> {
    let file = std::path::absolute(file)?;
    let name = file.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
    let (Some(folder), Some(name)) = (file.parent(), name) else {
        return Err(Failure::new(Exit::WrongUse, "--record needs the name of a new file."));
    };
    Ok(CallRecording { into: admit(node, folder).await?, name })
}

/// Reads sound from standard input in pieces of a tenth of a second, until it ends or nobody wants it any more.
fn read_sound(feed: &mpsc::Sender<io::Result<String>>) {
    let mut input = io::stdin().lock();
    let mut piece = vec![0; PIECE];
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match input.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return drop(feed.blocking_send(Err(error))),
            }
        }
        // Half a sample at the end is none.
        let samples = data_encoding::BASE64.encode(&piece[..filled & !1]);
        if filled == 0 || feed.blocking_send(Ok(samples)).is_err() || filled < piece.len() {
            return;
        }
    }
}

/// Tells who comes and goes.
struct Teller {
    out: Output,
    /// Who was told to be in: how it is called, whether it is muted, and how it comes.
    members: BTreeMap<String, (String, bool, CallWay)>,
    /// What was told not to work.
    trouble: Vec<String>,
}

impl Teller {
    fn began(&mut self, call: &Call) -> Result<(), Failure> {
        self.members = members(call);
        let others = self.members.len();
        let told = match (self.out, call.ringing) {
            (Output::Program, _) => self.out.item(call, |_| String::new()),
            (Output::Person, true) => self.say(&paint(QUIET, "It rings. Ctrl-C ends the call.")),
            (Output::Person, false) if others == 0 => {
                self.say(&paint(QUIET, "Nobody else is in yet. Ctrl-C leaves the call."))
            }
            (Output::Person, false) => {
                let names: Vec<&str> = self.members.values().map(|(name, ..)| name.as_str()).collect();
                self.say(&format!("In the call: {}. Ctrl-C leaves it.", names.join(", ")))
            }
        };
        self.troubled(call);
        told
    }

    /// Says what does not work, once while it lasts. Programs read it in the call; true if there is something for them to read.
    fn troubled(&mut self, call: &Call) -> bool {
        let trouble: Vec<String> = call.trouble.iter().map(|one| one.message.clone()).collect();
        for words in trouble.iter().filter(|words| !self.trouble.contains(words)) {
            self.out.note(words);
        }
        std::mem::replace(&mut self.trouble, trouble) != self.trouble
    }

    fn changed(&mut self, call: &Call) -> Result<(), Failure> {
        let before = std::mem::replace(&mut self.members, members(call));
        let other_trouble = self.troubled(call);
        if before == self.members && !(other_trouble && self.out == Output::Program) {
            return Ok(());
        }
        if self.out == Output::Program {
            return self.out.item(call, |_| String::new());
        }
        for (peer, (name, muted, _)) in &self.members {
            match before.get(peer) {
                None => self.say(&format!("{} {} is in", paint(GOOD, "●"), paint(STRONG, name)))?,
                Some((_, was_muted, _)) if was_muted != muted => {
                    let is = if *muted { "is muted" } else { "can be heard" };
                    self.say(&paint(QUIET, &format!("{name} {is}")))?;
                }
                Some(_) => {}
            }
        }
        for (_, (name, ..)) in before.iter().filter(|(peer, _)| !self.members.contains_key(*peer)) {
            self.say(&format!("{} {name} has left", paint(QUIET, "○")))?;
        }
        Ok(())
    }

    /// A program is told how it went.
    fn over(&self, call: &Call) -> Result<(), Failure> {
        match self.out {
            Output::Program => self.out.item(call, |_| String::new()),
            Output::Person => Ok(()),
        }
    }

    fn say(&self, words: &str) -> Result<(), Failure> {
        self.out.item(&(), |()| words.to_owned())
    }
}

fn members(call: &Call) -> BTreeMap<String, (String, bool, CallWay)> {
    let others = call.members.iter().filter(|member| !member.me);
    others.map(|one| (one.peer.clone(), (text::line(&one.name), one.muted, one.way))).collect()
}

/// Bytes of a tenth of a second.
const PIECE: usize = 9_600;

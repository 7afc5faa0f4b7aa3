//! What arrives, each message once and older ones that come later among them: events say that something did, and the node
//! is asked what.

use std::collections::{BTreeMap, VecDeque};

use lanyard_engine::api::{ApiError, Arrived, Command, Message, Reply};
use lanyard_engine::control::Node;

use super::{ask, misunderstood};
use crate::failure::Failure;

/// How far what arrived was read.
pub struct Arrivals {
    to: Option<String>,
    since: Option<String>,
}

impl Arrivals {
    /// Everything since the node started.
    pub fn since_start() -> Arrivals {
        Arrivals { to: None, since: None }
    }

    /// What arrives in a room from now on.
    pub async fn from_now(node: &Node, room: &str) -> Result<Arrivals, ApiError> {
        let mut arrivals = Arrivals { to: Some(room.to_owned()), since: None };
        let now: Arrived = ask!(node.call(arrivals.question(1)) => Arrived)?;
        arrivals.since = Some(now.newest);
        Ok(arrivals)
    }

    /// Up to where it was read.
    pub fn read(&self) -> Option<String> {
        self.since.clone()
    }

    /// The next of what arrived meanwhile.
    pub async fn next(&mut self, node: &Node) -> Result<Arrived, ApiError> {
        let part: Arrived = ask!(node.call(self.question(PART)) => Arrived)?;
        self.since = Some(part.next.clone());
        Ok(part)
    }

    /// Reads all that arrived meanwhile.
    pub async fn take(
        &mut self,
        node: &Node,
        mut each: impl FnMut(Arrived) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let part = self.next(node).await?;
            let more = part.more;
            each(part)?;
            if !more {
                return Ok(());
            }
        }
    }

    fn question(&self, limit: u32) -> Command {
        Command::Arrived { to: self.to.clone(), since: self.since.clone(), limit }
    }
}

/// How the latest messages read when they were told.
#[derive(Default)]
pub struct Told {
    messages: BTreeMap<String, Message>,
    order: VecDeque<String>,
}

impl Told {
    pub fn get(&self, id: &str) -> Option<&Message> {
        self.messages.get(id)
    }

    /// Whether it was told and nothing changed since that is told; who holds a message is not.
    pub fn reads_so(&self, now: &Message) -> bool {
        let bare = |message: &Message| Message { delivered: None, name: String::new(), ..message.clone() };
        self.get(&now.id).is_some_and(|before| bare(before) == bare(now))
    }

    pub fn note(&mut self, message: &Message) {
        let id = message.id.clone();
        if self.messages.insert(id.clone(), message.clone()).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_TOLD
            && let Some(first) = self.order.pop_front()
        {
            self.messages.remove(&first);
        }
    }
}

/// Messages whose changes are told in words, and once.
const MAX_TOLD: usize = 10_000;

/// The most that one question may ask for.
const PART: u32 = 500;

//! Pieces that may be here already, while a pull runs: the author is asked what they are, and a thread compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::wire::file::{Frame, Want};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::here::Compared;
use super::link::Holder;
use super::staging::{PullError, Staging};

/// Pieces about which the author is asked at a time, in one frame.
const ASKED: usize = 32;

/// Pieces that are compared in one go: up to 64 MiB are read.
const AT_ONCE: usize = 64;

/// How long the author may be busy with a question, which may have to read a large file first.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long nobody may be there who could say, until it is better to fetch.
const ALONE: Duration = Duration::from_secs(3);

pub(super) struct Comparing {
    staging: Arc<Staging>,
    /// What was not asked about yet.
    waiting: BTreeSet<u32>,
    asked: BTreeMap<u32, Instant>,
    ready: BTreeSet<u32>,
    task: JoinSet<Result<Vec<(u32, Compared)>, PullError>>,
    /// Since when the author is not connected.
    alone: Option<Instant>,
    /// Something was said since it was last looked at.
    heard: bool,
}

impl Comparing {
    pub fn new(staging: Arc<Staging>, waiting: BTreeSet<u32>) -> Comparing {
        let (asked, ready, task) = (BTreeMap::new(), BTreeSet::new(), JoinSet::new());
        Comparing { staging, waiting, asked, ready, task, alone: None, heard: true }
    }

    /// Whether something will come of it by itself.
    pub fn is_busy(&self) -> bool {
        !self.task.is_empty() || !self.asked.is_empty()
    }

    pub fn is_comparing(&self) -> bool {
        !self.task.is_empty()
    }

    /// Leaves were learned, or a file turned out not to be readable at the author.
    pub fn heard(&mut self) {
        self.heard = true;
    }

    /// What the author was asked it has to be asked again.
    pub fn author_left(&mut self) {
        self.waiting.extend(std::mem::take(&mut self.asked).into_keys());
    }

    /// Asks for what must be known, and compares what is. Gives the pieces that are to be fetched after all.
    pub fn go_on(&mut self, author: Option<&Holder>) -> Result<Vec<u32>, PullError> {
        if self.waiting.is_empty() && self.asked.is_empty() && self.ready.is_empty() {
            return Ok(Vec::new());
        }
        let now = Instant::now();
        self.alone = if author.is_some() { None } else { self.alone.or(Some(now)) };
        if std::mem::take(&mut self.heard) {
            // Of those not asked about yet some may be known as well, from whoever it was.
            let near = self.waiting.iter().take(LOOKED_AT);
            let known: Vec<u32> = self.asked.keys().chain(near).copied().collect();
            let known = known.into_iter().filter(|piece| self.staging.is_comparable(*piece));
            let known: Vec<u32> = known.collect();
            for piece in known {
                self.asked.remove(&piece);
                self.waiting.remove(&piece);
                self.ready.insert(piece);
            }
        }
        self.compare();
        let given_up = self.give_up(now)?;
        if let Some(author) = author.filter(|_| self.asked.len() <= ASKED / 2) {
            self.ask(author, now);
        }
        Ok(given_up)
    }

    /// What a comparison came to; only while [`Comparing::is_comparing`].
    pub async fn next(&mut self) -> Option<Result<Vec<(u32, Compared)>, PullError>> {
        let next = self.task.join_next().await?;
        // There may be more of what was heard than was looked at.
        self.heard = true;
        Some(next.expect("disk work does not panic"))
    }

    /// When to go on though nothing happened.
    pub fn deadline(&self) -> Option<Instant> {
        let asked = self.asked.values().next().map(|at| *at + PATIENCE);
        let alone = self.alone.filter(|_| !self.waiting.is_empty()).map(|since| since + ALONE);
        asked.into_iter().chain(alone).min()
    }

    /// Waits until nobody reads or writes any more.
    pub async fn end(&mut self) {
        while self.task.join_next().await.is_some() {}
    }

    fn compare(&mut self) {
        if self.ready.is_empty() || !self.task.is_empty() {
            return;
        }
        let pieces: Vec<u32> = self.ready.iter().take(AT_ONCE).copied().collect();
        pieces.iter().for_each(|piece| _ = self.ready.remove(piece));
        let staging = self.staging.clone();
        self.task.spawn_blocking(move || {
            let mut came = Vec::new();
            for piece in pieces {
                came.extend(staging.compare(piece)?);
            }
            staging.flush()?;
            Ok(came)
        });
    }

    fn ask(&mut self, author: &Holder, now: Instant) {
        let leaves: Vec<u32> = self.waiting.iter().take(ASKED).copied().collect();
        if leaves.is_empty() {
            return;
        }
        // Who does not take it is dropped with the next order.
        if author.say(&Frame::Want(Want { leaves: leaves.clone(), ..Want::default() })) {
            for piece in leaves {
                self.waiting.remove(&piece);
                self.asked.insert(piece, now);
            }
        }
    }

    /// Nobody says what these are: they are fetched like all others.
    fn give_up(&mut self, now: Instant) -> Result<Vec<u32>, PullError> {
        let alone = self.alone.is_some_and(|since| now.duration_since(since) >= ALONE);
        let late = self.asked.values().any(|at| now.duration_since(*at) >= PATIENCE);
        if !alone && !late {
            return Ok(Vec::new());
        }
        let mut given_up: Vec<u32> = std::mem::take(&mut self.asked).into_keys().collect();
        given_up.extend(std::mem::take(&mut self.waiting));
        given_up.iter().try_for_each(|piece| self.staging.compare_no_more(*piece))?;
        Ok(given_up)
    }
}

/// Pieces looked at that were not asked about; when those are known, the next.
const LOOKED_AT: usize = 256;

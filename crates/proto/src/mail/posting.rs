//! Who keeps what this device wrote to somebody who is away, and whom to ask to.
//!
//! That something is kept is the word of a holder. It is never more than it was given, never older than the last time it
//! was asked, and never called delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::effects::KeptBy;
use crate::mail::KEPT_FOR;
use crate::model::{Instant, LogId, Now, PeerId, RoomId, Seq, Span, UnixMillis};
use crate::pacing::earliest;
use crate::wire::mail::{Kept, Why};

#[derive(Default)]
pub struct Posting {
    posts: BTreeMap<RoomId, Post>,
    /// Devices that are not asked to keep anything before this.
    resting: BTreeMap<PeerId, Instant>,
}

/// One direct conversation.
#[derive(Default)]
struct Post {
    kept: BTreeMap<PeerId, Holder>,
    busy: BTreeMap<PeerId, Busy>,
    /// What is written in quick succession goes together.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Holder {
    log: LogId,
    held: Span,
    at: UnixMillis,
    /// When it last said so, in this run and since it came.
    checked: Option<Instant>,
}

/// Somebody who is to answer.
#[derive(Clone, Copy)]
struct Busy {
    until: Instant,
    task: Task,
    /// What it was given.
    gave: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Deposit,
    Ask,
    Release,
}

/// What matters of a direct conversation.
pub struct Situation<'a> {
    /// This device's log.
    pub log: LogId,
    /// What of it the other side has not said to hold.
    pub lacking: Span,
    pub recipient_here: bool,
    /// Others who are here and may be asked, the best first.
    pub candidates: &'a [PeerId],
    pub is_here: &'a dyn Fn(PeerId) -> bool,
    /// Whether somebody was not here for so long that it may not come back before the recipient does.
    pub is_gone: &'a dyn Fn(PeerId) -> bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give somebody what it does not keep yet.
    Deposit(PeerId),
    /// Ask somebody what it still keeps.
    Ask(PeerId),
    /// Tell somebody that it need not keep it any more.
    Release(PeerId),
    /// It did not answer in time.
    GiveUp(PeerId),
    /// It keeps nothing any more.
    Forget(PeerId),
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nobody had asked.
    Unasked,
    /// It goes on with what it does not keep yet.
    More,
    Done,
}

impl Posting {
    pub fn load(&mut self, kept: Vec<KeptBy>) {
        for KeptBy { room, holder, log, held, at } in kept {
            let holders = &mut self.posts.entry(room).or_default().kept;
            holders.insert(holder, Holder { log, held, at, checked: None });
        }
    }

    /// Rooms of which others keep something, or are about to.
    pub fn rooms(&self) -> impl Iterator<Item = RoomId> {
        self.posts.keys().copied()
    }

    /// The room was left.
    pub fn leave(&mut self, room: RoomId) {
        self.posts.remove(&room);
    }

    /// Who says to keep the entry of a log at a place; at most [`MAX_HOLDERS`], those who took something last before
    /// others.
    pub fn holders(&self, room: RoomId, log: LogId, seq: Seq) -> Vec<PeerId> {
        let Some(post) = self.posts.get(&room) else { return Vec::new() };
        let keeps = post.kept.iter().filter(|(_, holder)| holder.log == log && holder.held.contains(seq));
        let mut keeps: Vec<_> = keeps.map(|(peer, holder)| (std::cmp::Reverse(holder.at), *peer)).collect();
        keeps.sort_unstable();
        keeps.into_iter().map(|(_, peer)| peer).take(MAX_HOLDERS).collect()
    }

    /// Somebody came: what it said before it left may not be true any more.
    pub fn came(&mut self, peer: PeerId) {
        self.resting.remove(&peer);
        for holder in self.posts.values_mut().filter_map(|post| post.kept.get_mut(&peer)) {
            holder.checked = None;
        }
    }

    /// What is to be done for a conversation now.
    pub fn plan(&mut self, room: RoomId, situation: &Situation<'_>, now: Now) -> Vec<Step> {
        let wanted = !situation.lacking.is_empty() && !situation.recipient_here;
        if !wanted && !self.posts.contains_key(&room) {
            return Vec::new();
        }
        self.resting.retain(|_, until| *until > now.instant);
        let post = self.posts.entry(room).or_default();
        let mut steps = post.give_up(situation, now);
        for step in &steps {
            if let Step::GiveUp(peer) = step {
                rest(&mut self.resting, *peer, UNANSWERED_REST, now.instant);
            }
        }
        steps.extend(post.release(situation, &self.resting));
        if wanted && post.not_before.is_none_or(|at| at <= now.instant) {
            let deposits = post.deposit(situation, &self.resting);
            if !deposits.is_empty() {
                post.not_before = Some(now.instant + TOGETHER);
            }
            steps.extend(deposits);
        }
        steps.extend(post.check(situation, &self.resting, now.instant, &steps));
        for step in &steps {
            let (task, peer) = match step {
                Step::Deposit(peer) => (Task::Deposit, peer),
                Step::Ask(peer) => (Task::Ask, peer),
                Step::Release(peer) => (Task::Release, peer),
                Step::GiveUp(_) | Step::Forget(_) => continue,
            };
            post.busy.insert(*peer, Busy { until: now.instant + ANSWER, task, gave: Span::default() });
        }
        if post.kept.is_empty() && post.busy.is_empty() && !wanted {
            self.posts.remove(&room);
        }
        steps
    }

    /// When to look at it again, if nothing happens before.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let posts = self.posts.values().filter_map(|post| {
            let busy = post.busy.values().map(|busy| busy.until).min();
            earliest(busy, post.not_before.filter(|at| *at > now))
        });
        let resting = self.resting.values().copied().filter(|at| *at > now).min();
        let look = (!self.posts.is_empty()).then(|| now + LOOK_AGAIN);
        earliest(earliest(posts.min(), resting), look)
    }

    /// What a holder is to be given now: all that it does not keep of what the other side lacks.
    pub fn next(&self, room: RoomId, holder: PeerId, lacking: Span) -> Option<Span> {
        let post = self.posts.get(&room)?;
        post.busy.get(&holder).filter(|busy| busy.task == Task::Deposit)?;
        let has = post.kept.get(&holder).map(|holder| holder.held).unwrap_or_default();
        let after = if has.after <= lacking.after { lacking.after.max(has.to) } else { lacking.after };
        Some(Span { after, to: lacking.to }).filter(|span| !span.is_empty())
    }

    /// A holder was given these.
    pub fn gave(&mut self, room: RoomId, holder: PeerId, given: Span, now: Instant) {
        if let Some(busy) = self.posts.get_mut(&room).and_then(|post| post.busy.get_mut(&holder)) {
            busy.gave = busy.gave.joined(given);
            busy.until = now + ANSWER;
        }
    }

    /// What a holder is known to keep.
    pub fn held(&self, room: RoomId, holder: PeerId) -> Span {
        let known = self.posts.get(&room).and_then(|post| post.kept.get(&holder));
        known.map_or(Span::default(), |holder| holder.held)
    }

    /// There is nothing more to ask of it.
    pub fn done(&mut self, room: RoomId, holder: PeerId) {
        if let Some(post) = self.posts.get_mut(&room) {
            post.busy.remove(&holder);
        }
    }

    /// It did not come to an answer.
    pub fn failed(&mut self, room: RoomId, holder: PeerId, now: Instant) {
        if self.posts.get_mut(&room).and_then(|post| post.busy.remove(&holder)).is_some() {
            rest(&mut self.resting, holder, FAILED_REST, now);
        }
    }

    /// A holder says what it keeps. What came of it, and what is known of it now where that is something else than
    /// before.
    pub fn answered(
        &mut self,
        room: RoomId,
        holder: PeerId,
        said: &Kept,
        lacking: Span,
        now: Now,
    ) -> (Answered, Option<KeptBy>) {
        let Some(post) = self.posts.get_mut(&room) else { return (Answered::Unasked, None) };
        let Some(busy) = post.busy.get(&holder).copied() else { return (Answered::Unasked, None) };
        let before = post.kept.get(&holder).copied().filter(|before| before.log == said.log);
        let had = before.map_or(Span::default(), |before| before.held);
        let deposit = busy.task == Task::Deposit;
        let (held, lies) = believed(said.span, had, busy.gave);
        let held = if busy.task == Task::Release { Span::default() } else { held };
        let took = held.to > had.to || (held.after < had.after && !held.is_empty());
        let at = if took { now.unix } else { before.map_or(now.unix, |before| before.at) };
        if held.is_empty() {
            post.kept.remove(&holder);
        } else {
            let checked = Some(now.instant);
            post.kept.insert(holder, Holder { log: said.log, held, at, checked });
        }
        let more = deposit && took && said.refused.is_none() && held.to < lacking.to;
        if !more {
            post.busy.remove(&holder);
        }
        if deposit && (said.refused.is_some() || lies || !took) {
            let span = if said.refused == Some(Why::Hasty) { HASTY_REST } else { REFUSED_REST };
            rest(&mut self.resting, holder, span, now.instant);
        }
        let changed = held != had || before.is_some_and(|before| before.at != at);
        let known = changed.then_some(KeptBy { room, holder, log: said.log, held, at });
        (if more { Answered::More } else { Answered::Done }, known)
    }
}

impl Post {
    /// Those who do not answer, and those whose word is too old or about another log.
    fn give_up(&mut self, situation: &Situation<'_>, now: Now) -> Vec<Step> {
        let late = self.busy.iter().filter(|(_, busy)| busy.until <= now.instant).map(|(peer, _)| *peer);
        let late: Vec<PeerId> = late.collect();
        self.busy.retain(|_, busy| busy.until > now.instant);
        let ended = |holder: &Holder| {
            holder.log != situation.log || holder.at.0 + KEPT_FOR.as_millis() as u64 <= now.unix.0
        };
        let old: Vec<PeerId> =
            self.kept.iter().filter(|(_, holder)| ended(holder)).map(|(peer, _)| *peer).collect();
        self.kept.retain(|_, holder| !ended(holder));
        late.into_iter().map(Step::GiveUp).chain(old.into_iter().map(Step::Forget)).collect()
    }

    /// Those who keep what the other side has, and those who came back after others took their place.
    fn release(&self, situation: &Situation<'_>, resting: &BTreeMap<PeerId, Instant>) -> Vec<Step> {
        let free = |peer: &PeerId| self.may_be_told(*peer, situation, resting);
        let done = self.kept.iter().filter(|(_, holder)| is_done(holder, situation)).map(|(peer, _)| *peer);
        let surplus = self.active(situation).into_iter().skip(MAX_HOLDERS);
        done.chain(surplus).filter(free).map(Step::Release).collect()
    }

    /// Who counts as a holder, those who took something first before others.
    fn active(&self, situation: &Situation<'_>) -> Vec<PeerId> {
        let counts = |(peer, holder): &(&PeerId, &Holder)| {
            !is_done(holder, situation) && ((situation.is_here)(**peer) || !(situation.is_gone)(**peer))
        };
        let mut active: Vec<_> =
            self.kept.iter().filter(counts).map(|(peer, holder)| (holder.at, *peer)).collect();
        active.sort_unstable();
        active.into_iter().map(|(_, peer)| peer).collect()
    }

    fn may_be_told(
        &self,
        peer: PeerId,
        situation: &Situation<'_>,
        resting: &BTreeMap<PeerId, Instant>,
    ) -> bool {
        (situation.is_here)(peer) && !self.busy.contains_key(&peer) && !resting.contains_key(&peer)
    }

    fn deposit(&self, situation: &Situation<'_>, resting: &BTreeMap<PeerId, Instant>) -> Vec<Step> {
        let may = |peer: &PeerId| self.may_be_told(*peer, situation, resting);
        let active = self.active(situation);
        let lacks = |peer: &PeerId| {
            self.kept.get(peer).is_some_and(|holder| {
                holder.held.to < situation.lacking.to || holder.held.after > situation.lacking.after
            })
        };
        let deposits = active.iter().take(MAX_HOLDERS).filter(|peer| lacks(peer) && may(peer));
        let mut deposits: Vec<PeerId> = deposits.copied().collect();
        let asked = self
            .busy
            .iter()
            .filter(|(peer, busy)| busy.task == Task::Deposit && !self.kept.contains_key(peer));
        let free = MAX_HOLDERS.saturating_sub(active.len() + asked.count());
        let others = situation.candidates.iter().filter(|peer| !self.kept.contains_key(peer) && may(peer));
        // Those who left for long come back as they are, and others are asked only as far as they can be remembered.
        let free = free.min(MAX_REMEMBERED.saturating_sub(self.kept.len()));
        deposits.extend(others.take(free));
        deposits.into_iter().map(Step::Deposit).collect()
    }

    fn check(
        &self,
        situation: &Situation<'_>,
        resting: &BTreeMap<PeerId, Instant>,
        now: Instant,
        steps: &[Step],
    ) -> Vec<Step> {
        let planned = |peer: &PeerId| {
            steps.iter().any(|step| matches!(step, Step::Deposit(to) | Step::Release(to) if to == peer))
        };
        let due = |holder: &Holder| holder.checked.is_none_or(|at| now.since(at) >= CHECK);
        let unsure = self.kept.iter().filter(|(peer, holder)| {
            due(holder) && self.may_be_told(**peer, situation, resting) && !planned(peer)
        });
        unsure.map(|(peer, _)| Step::Ask(*peer)).collect()
    }
}

/// What may be believed of what a holder says to keep: what it kept before and what it was given. And whether it says
/// more than that.
fn believed(said: Span, had: Span, gave: Span) -> (Span, bool) {
    let known = [had, gave].into_iter().filter(|span| !span.is_empty());
    let (Some(after), Some(to)) =
        (known.clone().map(|span| span.after).min(), known.map(|span| span.to).max())
    else {
        return (Span::default(), !said.is_empty());
    };
    if said.to > to {
        return (Span::default(), true);
    }
    let held = Span { after: said.after.max(after), to: said.to };
    (if held.is_empty() { Span::default() } else { held }, false)
}

/// Whether the other side has said to hold all that is kept.
fn is_done(holder: &Holder, situation: &Situation<'_>) -> bool {
    holder.held.to <= situation.lacking.after
}

fn rest(resting: &mut BTreeMap<PeerId, Instant>, peer: PeerId, span: Duration, now: Instant) {
    if resting.len() < MAX_RESTING || resting.contains_key(&peer) {
        resting.insert(peer, now + span);
    }
}

/// Devices that keep the same: one may be switched off, a second may lose it, and more would tell more people who writes
/// to whom.
pub const MAX_HOLDERS: usize = 3;
/// Devices of which it is remembered that they keep something for one conversation: three, and those whose place was taken.
const MAX_REMEMBERED: usize = 12;
/// Devices that are not asked for a while.
const MAX_RESTING: usize = 1024;
/// What is written within this time goes into one deposit.
const TOGETHER: Duration = Duration::from_secs(2);
/// For a deposit to be on disk, over a slow link.
const ANSWER: Duration = Duration::from_secs(20);
/// What is said to be kept is asked for again after this.
const CHECK: Duration = Duration::from_secs(3600);
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// Before a device is asked again that could not be reached,
const FAILED_REST: Duration = Duration::from_secs(15);
/// that was given too much at a time,
const HASTY_REST: Duration = Duration::from_secs(60);
/// that does not want to, or has no room,
const REFUSED_REST: Duration = Duration::from_secs(3600);
/// and that does not answer: it may be of an older version.
const UNANSWERED_REST: Duration = Duration::from_secs(3600);

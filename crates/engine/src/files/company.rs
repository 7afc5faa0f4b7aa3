//! Who may have pieces of an own offer though it does not fetch them at this moment: known for a while, also where nobody
//! fetches meanwhile.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lanyard_proto::model::PeerId;
use lanyard_proto::wire::file::{MAX_PEERS, Source};

/// How long those are named who left with everything, or were turned away. Who found the author busy comes again within
/// [`super::dials::MAX_REST`], and would cost it another copy if those who were served before were forgotten by then.
const REMEMBERED: Duration = Duration::from_secs(60);

/// So many of them are remembered.
const MAX_REMEMBERED: usize = MAX_PEERS;

/// The last first.
#[derive(Default)]
pub(super) struct Company(Mutex<VecDeque<Member>>);

struct Member {
    source: Source,
    /// It had everything.
    has_all: bool,
    until: Instant,
}

impl Company {
    /// Somebody left with everything, or was turned away.
    pub fn remember(&self, source: Source, has_all: bool) {
        self.forget(source.peer);
        let mut members = self.lock();
        members.truncate(MAX_REMEMBERED - 1);
        members.push_front(Member { source, has_all, until: Instant::now() + REMEMBERED });
    }

    /// Somebody fetches: what it had before, it may have lost.
    pub fn forget(&self, peer: PeerId) {
        self.lock().retain(|member| member.source.peer != peer);
    }

    pub fn sources(&self) -> Vec<Source> {
        let now = Instant::now();
        self.lock().iter().filter(|member| member.until > now).map(|member| member.source.clone()).collect()
    }

    /// Whether somebody has everything.
    pub fn has_all(&self) -> bool {
        let now = Instant::now();
        self.lock().iter().any(|member| member.has_all && member.until > now)
    }

    /// Whether anybody is remembered.
    pub fn counts(&self) -> bool {
        let now = Instant::now();
        self.lock().iter().any(|member| member.until > now)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

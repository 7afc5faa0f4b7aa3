//! Whose packets do not come, and who is asked to pass them on.
//!
//! Whoever lacks them chooses: somebody who hears the other and is heard here, the lowest id first; where nothing comes of that,
//! the next.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Instant, PeerId};
use crate::node::calls::{Ongoing, Own};
use crate::wire::call::{Hears, MAX_WISHES};

#[derive(Default)]
pub(super) struct Wishes {
    /// Whose packets are passed on by whom, asked for since when.
    by: BTreeMap<PeerId, (PeerId, Instant)>,
}

impl Wishes {
    /// Who was asked to pass on the packets of a device.
    pub(super) fn through(&self, of: PeerId) -> Option<PeerId> {
        self.by.get(&of).map(|(by, _)| *by)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, PeerId)> {
        self.by.iter().map(|(of, (by, _))| (*of, *by))
    }
}

impl Ongoing {
    /// Whose packets somebody wants to be passed on to it by this device, of those that this device hears.
    pub(super) fn relayed_to(&self, to: PeerId, me: PeerId) -> Vec<PeerId> {
        let (Some(own), Some(seat)) = (&self.me, self.others.get(&to)) else { return Vec::new() };
        let wished = seat.said.wishes.iter().filter(|(_, by)| *by == me.talker()).map(|(of, _)| *of);
        let wished =
            wished.filter_map(|of| self.others.keys().find(|peer| peer.talker() == of && **peer != to));
        wished.filter(|peer| comes(own.hears(**peer))).copied().collect()
    }

    /// Chooses anew what is not passed on as it was hoped. Whether that is now somebody else's for any of them.
    pub(super) fn choose_relays(&mut self, now: Instant) -> bool {
        let Some(Own { hears, wishes, .. }) = &mut self.me else { return false };
        let before: Vec<_> = wishes.iter().collect();
        let heard = |peer: &PeerId| hears.get(peer).map_or(Hears::Unknown, |(hears, _)| *hears);
        let others = &self.others;
        wishes.by.retain(|of, (by, _)| {
            others.contains_key(of) && others.contains_key(by) && heard(of) != Hears::Multicast
        });
        for of in others.keys() {
            let silent = hears.get(of).filter(|(hears, _)| *hears == Hears::Nothing);
            let Some((_, silent_since)) = silent else { continue };
            let asked = wishes.by.get(of).copied();
            let since = asked.map_or(*silent_since, |(_, since)| since.max(*silent_since));
            if now.since(since) < if asked.is_some() { IN_VAIN } else { PATIENCE } {
                continue;
            }
            let able =
                others.iter().filter(|(by, seat)| *by != of && comes(heard(by)) && comes(seat.hears(*of)));
            let able: Vec<PeerId> = able.map(|(by, _)| *by).collect();
            let next = able.iter().find(|by| asked.is_none_or(|(before, _)| **by > before));
            if let Some(by) = next.or(able.first())
                && (asked.is_some() || wishes.by.len() < MAX_WISHES)
            {
                wishes.by.insert(*of, (*by, now));
            }
        }
        !wishes.iter().eq(before)
    }
}

fn comes(hears: Hears) -> bool {
    matches!(hears, Hears::Multicast | Hears::Copies)
}

/// Copies by unicast may be under way for so long after it was said that nothing comes.
const PATIENCE: Duration = Duration::from_secs(4);
/// What is passed on comes within this, or another one is asked.
const IN_VAIN: Duration = Duration::from_secs(6);

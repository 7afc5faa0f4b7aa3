//! Things that end at a certain time unless they are renewed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Instant;

/// Keys and when each of them ends. Renewing and finding the next end take logarithmic time.
#[derive(Clone, Debug)]
pub struct Expiring<K> {
    ends: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Expiring<K> {
    /// Adds the key, or moves its end.
    pub fn renew(&mut self, key: K, end: Instant) {
        if let Some(before) = self.ends.insert(key, end) {
            self.order.remove(&(before, key));
        }
        self.order.insert((end, key));
    }

    /// Takes the key out; whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let end = self.ends.remove(key);
        end.is_some_and(|end| self.order.remove(&(end, *key)))
    }

    /// Takes out one key that has ended, the earliest first.
    pub fn pop_ended(&mut self, now: Instant) -> Option<K> {
        let (end, key) = *self.order.first()?;
        (end <= now).then(|| {
            self.remove(&key);
            key
        })
    }

    pub fn contains(&self, key: &K) -> bool {
        self.ends.contains_key(key)
    }

    /// Those that have not been taken out, in the order of their keys.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.ends.keys()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// When the next one ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.order.first().map(|(end, _)| *end)
    }
}

impl<K> Default for Expiring<K> {
    fn default() -> Self {
        Expiring { ends: BTreeMap::new(), order: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_renewed_ends_later_and_once() {
        let mut leases = Expiring::default();
        leases.renew('a', Instant(10));
        leases.renew('b', Instant(20));
        leases.renew('a', Instant(30));
        assert_eq!(leases.deadline(), Some(Instant(20)));
        assert_eq!(leases.pop_ended(Instant(19)), None);
        assert_eq!(leases.pop_ended(Instant(40)), Some('b'));
        assert_eq!(leases.pop_ended(Instant(40)), Some('a'));
        assert_eq!(leases.pop_ended(Instant(40)), None);
        assert!(leases.is_empty());
    }
}

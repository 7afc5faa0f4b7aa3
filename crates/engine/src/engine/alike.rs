//! Names that look like each other, whatever characters they are written with (Unicode TR39, skeletons).

use std::collections::{BTreeMap, BTreeSet};

use lanyard_proto::model::PeerId;
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// Who is called how, to find those whose names people would take for one another.
#[derive(Default)]
pub struct Alike {
    names: BTreeMap<PeerId, String>,
    called: BTreeMap<String, BTreeSet<PeerId>>,
    /// Under which names people verified devices.
    verified: BTreeMap<PeerId, String>,
    verified_as: BTreeMap<String, BTreeSet<PeerId>>,
}

impl Alike {
    /// A device is called so from now on. Whose warnings are others because of that, a few at most: nobody's, if it was
    /// before.
    pub fn call(&mut self, peer: PeerId, name: &str) -> Vec<PeerId> {
        if self.names.get(&peer).is_some_and(|known| known == name) {
            return Vec::new();
        }
        let mut others = self.others(peer, MAX_ALIKE);
        if let Some(before) = self.names.insert(peer, name.to_owned()) {
            unlist(&mut self.called, &before, peer);
        }
        list(&mut self.called, name, peer);
        others.extend(self.others(peer, MAX_ALIKE));
        others
    }

    /// Under which name a device was verified, if it is.
    pub fn verify(&mut self, peer: PeerId, name: Option<&str>) {
        if let Some(before) = self.verified.remove(&peer) {
            unlist(&mut self.verified_as, &before, peer);
        }
        if let Some(name) = name {
            self.verified.insert(peer, name.to_owned());
            list(&mut self.verified_as, name, peer);
        }
    }

    /// How many devices' names are kept.
    pub fn named(&self) -> usize {
        self.names.len()
    }

    /// Forgets what devices are called of which nothing else is known any more. Under which names others were verified stays.
    pub fn retain(&mut self, is_known: impl Fn(PeerId) -> bool) {
        let forgotten: Vec<PeerId> = self.names.keys().copied().filter(|peer| !is_known(*peer)).collect();
        for peer in forgotten {
            if let Some(name) = self.names.remove(&peer) {
                unlist(&mut self.called, &name, peer);
            }
        }
    }

    /// Others whose names, present ones or those that they were verified under, look like this one's: those that were verified
    /// first, and no more than so many. Anybody can be called anything under as many keys as they like, so there may be
    /// thousands.
    pub fn others(&self, peer: PeerId, most: usize) -> Vec<PeerId> {
        let mut others = Vec::new();
        let keys = self.keys_of(peer);
        for index in [&self.verified_as, &self.called] {
            for other in keys.iter().filter_map(|key| index.get(key)).flatten() {
                if others.len() >= most {
                    return others;
                }
                if *other != peer && !others.contains(other) {
                    others.push(*other);
                }
            }
        }
        others
    }

    /// All of them, which may be very many.
    pub fn all_others(&self, peer: PeerId) -> BTreeSet<PeerId> {
        let keys = self.keys_of(peer);
        let found = keys.iter().flat_map(|key| [self.called.get(key), self.verified_as.get(key)]);
        found.flatten().flatten().copied().filter(|other| *other != peer).collect()
    }

    /// Whether anybody else has a name, or was verified under one, that looks like this one.
    pub fn has_another(&self, name: &str, peer: PeerId) -> bool {
        let keys = keys(name);
        let mut found = keys.iter().flat_map(|key| [self.called.get(key), self.verified_as.get(key)]);
        found.any(|called| called.is_some_and(|called| called.iter().any(|other| *other != peer)))
    }

    /// Whether a device is called like another one that was verified.
    pub fn takes_verified_name(&self, peer: PeerId) -> bool {
        let keys = self.names.get(&peer).map(|name| keys(name)).unwrap_or_default();
        keys.iter().filter_map(|key| self.verified_as.get(key)).flatten().any(|other| *other != peer)
    }

    fn keys_of(&self, peer: PeerId) -> Vec<String> {
        let names = [self.names.get(&peer), self.verified.get(&peer)];
        names.into_iter().flatten().flat_map(|name| keys(name)).collect()
    }
}

/// Others of one's name that are told of: more than are shown.
pub const MAX_ALIKE: usize = 16;

fn list(index: &mut BTreeMap<String, BTreeSet<PeerId>>, name: &str, peer: PeerId) {
    for key in keys(name) {
        index.entry(key).or_default().insert(peer);
    }
}

fn unlist(index: &mut BTreeMap<String, BTreeSet<PeerId>>, name: &str, peer: PeerId) {
    for key in keys(name) {
        if let Some(peers) = index.get_mut(&key) {
            peers.remove(&peer);
            if peers.is_empty() {
                index.remove(&key);
            }
        }
    }
}

/// What a name looks like, without regard to case and spaces: names that have one of these in common look the same to
/// people. There are two, since some characters look like others only as capitals, and some only as small letters. A
/// device without a name looks like nobody.
fn keys(name: &str) -> Vec<String> {
    let name: String = name.nfkc().filter(|c| !c.is_whitespace()).collect();
    if name.is_empty() {
        return Vec::new();
    }
    let as_written = skeleton(&name).collect::<String>().to_lowercase();
    let as_small: String = skeleton(&name.to_lowercase()).collect();
    // What a capital looks like may itself be confusable as a small letter.
    let mut keys = vec![skeleton(&as_written).collect(), as_small];
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use lanyard_proto::wire::datagram::MAX_NAME;
    use lanyard_proto::wire::text::clean_line;

    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId([number; 32])
    }

    fn numbered(number: u16) -> PeerId {
        let mut id = [9; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    fn look_alike(one: &str, other: &str) -> bool {
        let mut alike = Alike::default();
        alike.call(peer(1), &clean_line(one, MAX_NAME));
        alike.call(peer(2), &clean_line(other, MAX_NAME));
        alike.others(peer(1), MAX_ALIKE).contains(&peer(2))
    }

    /// Ways to write a name so that it looks the same.
    fn disguises(name: &str) -> Vec<String> {
        let swap = |pairs: &[(char, &str)]| {
            let other = |c: char| pairs.iter().find(|(from, _)| *from == c).map(|(_, to)| (*to).to_owned());
            name.chars().map(|c| other(c).unwrap_or_else(|| c.to_string())).collect::<String>()
        };
        let cyrillic = [
            ('a', "а"),
            ('e', "е"),
            ('o', "о"),
            ('p', "р"),
            ('c', "с"),
            ('x', "х"),
            ('y', "у"),
            ('i', "і"),
            ('A', "А"),
            ('B', "В"),
            ('C', "С"),
            ('E', "Е"),
            ('H', "Н"),
            ('K', "К"),
            ('M', "М"),
            ('O', "О"),
            ('P', "Р"),
            ('T', "Т"),
            ('X', "Х"),
        ];
        let greek =
            [('A', "Α"), ('B', "Β"), ('E', "Ε"), ('M', "Μ"), ('N', "Ν"), ('T', "Τ"), ('o', "ο"), ('v', "ν")];
        let wide =
            |c: char| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xFEE0).unwrap() } else { c };
        let between = |mark: char| name.chars().flat_map(|c| [c, mark]).collect::<String>();
        vec![
            swap(&cyrillic),
            swap(&greek),
            name.chars().map(wide).collect(),
            between('\u{200B}'),
            between('\u{2060}'),
            format!("\u{202E}{name}"),
            format!("\u{2066}{name}\u{2069}"),
            name.to_uppercase(),
            format!("  {name} "),
            swap(&[('l', "I"), ('I', "l"), ('o', "0"), ('m', "rn")]),
        ]
    }

    #[test]
    fn a_name_in_two_hundred_disguises_is_told_to_look_like_it() {
        let names = [
            "Ana",
            "Bo",
            "Carol",
            "Tom Miller",
            "Eve",
            "Mallory",
            "Ivan",
            "Alice",
            "Oscar",
            "Peggy",
            "Xavier",
            "Cai",
            "Hello",
            "Nina Lopez",
            "Boris",
            "Max",
            "Paco",
            "Monty",
            "Vivo",
            "Zoe Ace",
        ];
        let mut tried = 0;
        for name in names {
            for disguise in disguises(name) {
                assert!(
                    look_alike(name, &disguise),
                    "{name} and {disguise:?} ({})",
                    disguise.escape_unicode()
                );
                tried += 1;
            }
        }
        assert_eq!(tried, 200);
    }

    #[test]
    fn names_that_people_tell_apart_are_told_apart() {
        for (one, other) in [
            ("Ana", "Anna"),
            ("Bo", "Bob"),
            ("Tom", "Tim"),
            ("张伟", "张炜"),
            ("Ana", "Ana 2"),
            ("Zoë", "Zoe"),
            ("Müller", "Mueller"),
            ("", ""),
            ("Iris", "iris2"),
        ] {
            assert!(!look_alike(one, other), "{one} and {other}");
        }
        assert!(look_alike("张伟", "张伟"));
    }

    #[test]
    fn whoever_takes_another_name_is_not_warned_of_any_more() {
        let mut alike = Alike::default();
        assert_eq!(alike.call(peer(1), "Ana"), []);
        assert_eq!(alike.call(peer(2), "Аna"), [peer(1)]);
        assert_eq!(alike.call(peer(2), "Аna"), [], "nothing is new");
        assert_eq!(alike.call(peer(2), "Bo"), [peer(1)], "of whom nobody has to be warned now");
        assert_eq!(alike.others(peer(1), MAX_ALIKE), []);
        assert!(alike.has_another("BO", peer(1)) && !alike.has_another("BO", peer(2)));
    }

    #[test]
    fn of_a_name_that_thousands_take_a_few_are_told_of_and_those_verified_first() {
        let mut alike = Alike::default();
        for number in 0..3000 {
            assert!(alike.call(numbered(number), "Ana").len() <= 2 * MAX_ALIKE);
        }
        alike.verify(numbered(2999), Some("Ana"));
        let others = alike.others(numbered(7), MAX_ALIKE);
        assert_eq!((others.len(), others[0]), (MAX_ALIKE, numbered(2999)));
        assert_eq!(alike.all_others(numbered(7)).len(), 2999);
    }

    #[test]
    fn what_forgotten_devices_were_called_is_forgotten_and_not_whom_people_verified() {
        let mut alike = Alike::default();
        for number in 0..100 {
            alike.call(numbered(number), if number % 2 == 0 { "Ana" } else { "Bo" });
        }
        alike.verify(numbered(1), Some("Cai"));
        alike.retain(|peer| peer == numbered(0));
        assert_eq!(alike.named(), 1);
        assert_eq!(alike.called.values().flatten().count(), 1, "nor is any trace left: {:?}", alike.called);
        alike.call(numbered(2), "CAI");
        assert!(alike.takes_verified_name(numbered(2)));
    }

    #[test]
    fn the_name_that_somebody_was_verified_under_is_theirs_whatever_they_call_themselves() {
        let mut alike = Alike::default();
        alike.call(peer(1), "Ana");
        alike.verify(peer(1), Some("Ana"));
        alike.call(peer(1), "Ana's laptop");
        alike.call(peer(2), "ana");
        assert!(alike.takes_verified_name(peer(2)) && !alike.takes_verified_name(peer(1)));
        assert_eq!(alike.others(peer(2), MAX_ALIKE), [peer(1)]);
        alike.verify(peer(1), None);
        assert!(!alike.takes_verified_name(peer(2)));
        assert_eq!(alike.others(peer(2), MAX_ALIKE), []);
    }
}

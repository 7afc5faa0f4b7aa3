use super::*;
use crate::model::UnixMillis;
use crate::wire::datagram::{NetworkTag, kind};

struct Watcher {
    presence: Presence,
    dice: Dice,
    now: Now,
}

const ANN: PeerId = PeerId([1; 32]);
const BOB: PeerId = PeerId([2; 32]);

impl Watcher {
    fn new() -> Watcher {
        let now = Now { instant: Instant(1_000_000), unix: UnixMillis(1_700_000_000_000) };
        let mut dice = Dice::seeded([7; 32]);
        Watcher { presence: Presence::new(ANN, Vec::new(), now, &mut dice), dice, now }
    }

    fn wait(&mut self, span: Duration) {
        self.now.instant = self.now.instant + span;
    }

    fn hear(&mut self, sender: PeerId, counter: u64, query: Query) -> Vec<Event> {
        let envelope = envelope(sender, counter);
        if !self.presence.is_fresh(&envelope) {
            return Vec::new();
        }
        let said = Announcement::new("Bob", Platform::Linux, 24417, 10, 0, query);
        self.presence.announced(&envelope, &said, Heard::From(from(sender)), self.now, &mut self.dice).tell
    }
}

fn envelope(sender: PeerId, counter: u64) -> Envelope {
    Envelope { kind: kind::ANNOUNCE, boot: 1, counter, network: NetworkTag::of("default"), sender }
}

/// Of these there are as many as anybody makes up.
fn stranger(n: u32) -> PeerId {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

fn from(sender: PeerId) -> SocketAddr {
    SocketAddr::from(([10, sender.0[1], sender.0[2], sender.0[3]], 5000))
}

#[test]
fn somebody_who_announces_is_online_until_the_lease_ends() {
    let mut ann = Watcher::new();
    assert!(matches!(ann.hear(BOB, 1, Query::No)[..], [Event::PeerOnline(BOB)]));
    assert_eq!(ann.presence.addresses(BOB), [SocketAddr::from(([10, 2, 2, 2], 24417))]);
    ann.wait(Duration::from_secs(34));
    let (effects, _) = ann.presence.timer(ann.now, &mut ann.dice);
    assert!(effects.tell.is_empty() && ann.presence.is_online(BOB));
    ann.wait(Duration::from_secs(2));
    let (effects, _) = ann.presence.timer(ann.now, &mut ann.dice);
    assert!(matches!(effects.tell[..], [Event::PeerOffline(BOB)]) && !ann.presence.is_online(BOB));
}

#[test]
fn any_datagram_keeps_somebody_online_and_goodbye_ends_it_at_once() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 1, Query::No);
    ann.wait(Duration::from_secs(30));
    let _ = ann.presence.heard(&envelope(BOB, 2), ann.now);
    ann.wait(Duration::from_secs(30));
    assert!(ann.presence.timer(ann.now, &mut ann.dice).0.tell.is_empty());
    assert!(matches!(ann.presence.left(&envelope(BOB, 3)).tell[..], [Event::PeerOffline(BOB)]));
    assert!(ann.presence.left(&envelope(BOB, 4)).is_empty());
}

#[test]
fn what_arrives_after_a_goodbye_brings_nobody_back_but_a_lapsed_lease_is_taken_up_again() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 1, Query::No);
    ann.wait(Duration::from_secs(40));
    let _ = ann.presence.timer(ann.now, &mut ann.dice);
    assert!(matches!(ann.presence.heard(&envelope(BOB, 2), ann.now).tell[..], [Event::PeerOnline(BOB)]));
    let _ = ann.presence.left(&envelope(BOB, 4));
    assert!(ann.presence.heard(&envelope(BOB, 3), ann.now).is_empty());
    assert!(!ann.presence.is_online(BOB));
}

#[test]
fn a_replayed_announcement_brings_nobody_back() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 5, Query::No);
    let _ = ann.presence.left(&envelope(BOB, 6));
    assert!(ann.hear(BOB, 5, Query::No).is_empty());
    assert!(!ann.presence.is_online(BOB));
}

#[test]
fn a_newcomers_question_is_answered_within_a_fifth_of_a_second() {
    let mut ann = Watcher::new();
    let mut made = 0;
    while made < 3 {
        ann.now.instant = ann.presence.deadline().unwrap();
        made += u32::from(ann.presence.timer(ann.now, &mut ann.dice).1.is_some());
    }
    ann.hear(BOB, 1, Query::Yes);
    let deadline = ann.presence.deadline().unwrap();
    assert!(deadline.since(ann.now.instant) <= Duration::from_millis(200));
    ann.now.instant = deadline;
    assert!(ann.presence.timer(ann.now, &mut ann.dice).1.is_some());
}

#[test]
fn a_copy_that_comes_another_way_adds_an_address_and_nothing_else() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 5, Query::No);
    let other: SocketAddr = "[fe80::2%3]:6000".parse().unwrap();
    assert!(!ann.presence.is_fresh(&envelope(BOB, 5)));
    assert!(ann.presence.shows_address(&envelope(BOB, 5), other));
    let said = Announcement::new("Bob", Platform::Linux, 24417, 10, 0, Query::No);
    ann.presence.add_address(BOB, &said, other);
    assert_eq!(ann.presence.addresses(BOB).len(), 2);
    assert!(!ann.presence.shows_address(&envelope(BOB, 5), other));
    assert!(!ann.presence.shows_address(&envelope(BOB, 4), from(ANN)));
}

#[test]
fn nobody_is_dialled_at_a_system_port() {
    let said = Announcement::new("Eve", Platform::Linux, 22, 10, 0, Query::No);
    assert_eq!(dialable(&said, from(BOB)), None);
}

#[test]
fn the_table_is_bounded_and_those_who_are_here_or_were_met_stay() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 1, Query::No);
    for n in 0..MAX_PEERS as u32 + 10 {
        let id = stranger(n);
        ann.hear(id, 1, Query::No);
        let _ = ann.presence.left(&envelope(id, 2));
    }
    assert_eq!(ann.presence.peers.len(), MAX_PEERS);
    assert!(ann.presence.is_online(BOB));
}

#[test]
fn whoever_makes_up_devices_and_proves_their_keys_keeps_the_table_full_for_nobody() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 1, Query::No);
    let _ = ann.presence.proven(BOB, None, ann.now);
    ann.now.unix.0 += 86_400_000;
    let _ = ann.presence.heard(&envelope(BOB, 2), ann.now);
    let _ = ann.presence.left(&envelope(BOB, 3));
    for n in 0..MAX_PEERS as u32 {
        let id = stranger(n);
        ann.hear(id, 1, Query::No);
        let _ = ann.presence.proven(id, None, ann.now);
        let _ = ann.presence.left(&envelope(id, 2));
    }
    assert!(ann.presence.peers().all(|peer| peer.trust == Trust::Pinned), "each was met");
    let newcomer = PeerId([7; 32]);
    assert!(matches!(ann.hear(newcomer, 1, Query::No)[..], [Event::PeerOnline(id)] if id == newcomer));
    assert_eq!(ann.presence.peers.len(), MAX_PEERS);
    assert!(ann.presence.peer(BOB).is_some(), "who was here for a day stays");
}

#[test]
fn of_whom_there_is_no_place_for_any_more_nothing_stays_on_the_disk() {
    let mut ann = Watcher::new();
    let mut kept = std::collections::BTreeSet::new();
    for n in 0..MAX_PEERS as u32 + 100 {
        let (id, said) = (stranger(n), Announcement::new("x", Platform::Linux, 24417, 10, 0, Query::No));
        let heard = Heard::From(from(id));
        let mut effects = ann.presence.announced(&envelope(id, 1), &said, heard, ann.now, &mut ann.dice);
        effects.extend(ann.presence.left(&envelope(id, 2)));
        for record in effects.commit {
            match record {
                Record::Peer(peer) => drop(kept.insert(peer.id)),
                Record::PeerForgotten(id) => assert!(kept.remove(&id), "it was there"),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(kept.len(), MAX_PEERS);
}

#[test]
fn a_thousand_peers_announce_ten_times_a_second_all_together() {
    let mut ann = Watcher::new();
    for n in 0..999u32 {
        let mut id = [3; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ann.hear(PeerId(id), 1, Query::No);
    }
    assert_eq!(ann.presence.interval(), Duration::from_secs(100));
}

#[test]
fn what_was_announced_before_a_goodbye_and_kept_back_brings_nobody_back() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 2, Query::No);
    let _ = ann.presence.left(&envelope(BOB, 5));
    assert!(ann.hear(BOB, 4, Query::No).is_empty());
    assert!(!ann.presence.is_online(BOB));
    assert!(!ann.presence.is_fresh(&envelope(BOB, 4)), "it is marked");
    // What came after it does, and so does another run, from its start.
    assert!(matches!(ann.hear(BOB, 6, Query::No)[..], [Event::PeerOnline(BOB)]));
    let _ = ann.presence.left(&envelope(BOB, 7));
    let next = Envelope { boot: 2, ..envelope(BOB, 1) };
    let said = Announcement::new("Bob", Platform::Linux, 24417, 10, 0, Query::No);
    let _ = ann.presence.announced(&next, &said, Heard::From(from(BOB)), ann.now, &mut ann.dice);
    assert!(ann.presence.is_online(BOB));
}

#[test]
fn what_was_kept_back_renews_no_lease_and_takes_none_up_again() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 9, Query::No);
    for counter in 1..9 {
        ann.wait(Duration::from_secs(4));
        if counter % 2 == 0 {
            assert!(ann.hear(BOB, counter, Query::No).is_empty());
        } else {
            let _ = ann.presence.heard(&envelope(BOB, counter), ann.now);
        }
    }
    ann.wait(Duration::from_secs(4));
    let (effects, _) = ann.presence.timer(ann.now, &mut ann.dice);
    assert!(matches!(effects.tell[..], [Event::PeerOffline(BOB)]));
}

#[test]
fn in_a_later_run_somebody_is_here_once_they_announced_themselves_in_it() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 1, Query::No);
    ann.wait(Duration::from_secs(40));
    let _ = ann.presence.timer(ann.now, &mut ann.dice);
    for counter in 1..4 {
        let next = Envelope { boot: 2, ..envelope(BOB, counter) };
        assert!(ann.presence.heard(&next, ann.now).is_empty());
    }
    assert!(!ann.presence.is_online(BOB));
}

#[test]
fn announcements_that_overtook_each_other_on_the_air_lose_nothing_but_the_older_name() {
    let mut ann = Watcher::new();
    ann.hear(BOB, 5, Query::No);
    let older: SocketAddr = "10.9.9.9:5000".parse().unwrap();
    let said = Announcement::new("Bobby", Platform::Linux, 24417, 10, 0, Query::No);
    let told = ann.presence.announced(&envelope(BOB, 4), &said, Heard::From(older), ann.now, &mut ann.dice);
    assert!(told.is_empty() && ann.presence.is_online(BOB));
    assert_eq!(ann.presence.peer(BOB).unwrap().name, "Bob");
    assert_eq!(ann.presence.addresses(BOB).len(), 2);
}

use super::*;
use crate::rooms::{BOX_BYTES, invite_id};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const SALT: [u8; 16] = [1; 16];

fn peer(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn room() -> RoomId {
    private_room_id(peer(0), &SALT)
}

/// Somebody who knows all deeds so far writes each of them.
#[derive(Default)]
struct History {
    deeds: Vec<Done>,
    written: BTreeMap<PeerId, u64>,
}

impl History {
    fn begun() -> History {
        let mut history = History::default();
        history.at(0, 0, 0, What::Genesis { salt: SALT, name: "design".into(), key: KeyId([0; 16]) });
        history
    }

    fn at(&mut self, author: u8, height: u32, epoch: u32, what: What) -> EntryId {
        let seq = self.written.entry(peer(author)).or_default();
        *seq += 1;
        let id = EntryId(Sha256::digest([author, *seq as u8, (*seq >> 8) as u8]).into());
        // Clocks say nothing about the order here: they are as wrong as can be.
        let hlc = Hlc::at(UnixMillis(1_000_000u64.saturating_sub(u64::from(height) * 1000)));
        let (log, seq) = (LogId([author; 8]), Seq(*seq));
        self.deeds.push(Done { author: peer(author), log, seq, id, hlc, epoch, deed: Deed { height, what } });
        id
    }

    fn next(&mut self, author: u8, epoch: u32, what: What) -> EntryId {
        let height = self.deeds.iter().map(|done| done.deed.height).max().unwrap_or_default() + 1;
        self.at(author, height, epoch, what)
    }

    fn heads(&self) -> Vec<(LogId, Seq)> {
        self.written.iter().map(|(peer, seq)| (LogId([peer.0[0]; 8]), Seq(*seq))).collect()
    }

    fn add(&mut self, by: u8, device: u8) -> EntryId {
        self.next(by, 0, add(device, None, vec![]))
    }

    fn remove(&mut self, by: u8, device: u8) -> EntryId {
        let heads = self.heads();
        let theirs = self.deeds.iter().filter(|done| done.author == peer(device));
        let deeds = Some(theirs.map(|done| deed_mark(done.id)).collect());
        self.next(by, 0, What::Remove { device: peer(device), heads, deeds })
    }

    fn fold(&self) -> Fold {
        fold(self.deeds.iter())
    }
}

fn fold<'a>(deeds: impl Iterator<Item = &'a Done>) -> Fold {
    let mut all = Deeds::default();
    for done in deeds {
        all.insert(room(), done.clone());
    }
    all.fold()
}

fn add(device: u8, invite: Option<InviteId>, after: Vec<EntryId>) -> What {
    What::Add { device: peer(device), admin: false, invite, after, name: String::new() }
}

fn appoint(device: u8, admin: bool) -> What {
    What::Appoint { device: peer(device), admin }
}

fn members(fold: &Fold) -> Vec<u8> {
    fold.members.keys().map(|peer| peer.0[0]).collect()
}

#[test]
fn nothing_counts_before_the_genesis_of_this_very_room() {
    let mut history = History::default();
    history.at(5, 0, 0, What::Genesis { salt: SALT, name: "mine now".into(), key: KeyId([0; 16]) });
    history.at(5, 1, 0, add(6, None, vec![]));
    assert_eq!(history.fold(), Fold { incomplete: true, ..Fold::default() });
    let begun = History::begun().fold();
    assert_eq!((begun.creator, begun.name.as_str(), members(&begun)), (Some(peer(0)), "design", vec![0]));
}

#[test]
fn only_admins_let_others_in_and_only_the_creator_makes_admins() {
    let mut history = History::begun();
    history.add(0, 1);
    history.add(1, 2);
    history.next(1, 0, appoint(1, true));
    assert_eq!(members(&history.fold()), [0, 1]);
    history.next(0, 0, appoint(1, true));
    history.add(1, 2);
    history.next(1, 0, appoint(2, true));
    let fold = history.fold();
    assert_eq!((fold.role(peer(1)), fold.role(peer(2))), (Some(Role::Admin), Some(Role::Member)));
}

#[test]
fn admins_put_out_members_and_not_each_other_nor_the_creator() {
    let mut history = History::begun();
    for device in [1, 2, 3] {
        history.add(0, device);
    }
    history.next(0, 0, appoint(1, true));
    history.next(0, 0, appoint(2, true));
    for device in [0, 2, 3] {
        history.remove(1, device);
    }
    history.remove(3, 1);
    assert_eq!(members(&history.fold()), [0, 1, 2]);
    history.remove(0, 1);
    assert_eq!(members(&history.fold()), [0, 2]);
}

#[test]
fn anybody_leaves() {
    let mut history = History::begun();
    history.add(0, 1);
    history.remove(1, 1);
    history.remove(0, 0);
    assert_eq!(members(&history.fold()), Vec::<u8>::new());
    assert!(history.fold().invites.is_empty());
}

#[test]
fn whoever_is_put_out_comes_back_only_by_who_knows_of_it() {
    let mut history = History::begun();
    history.add(0, 1);
    history.add(0, 2);
    history.next(0, 0, appoint(1, true));
    let height = history.fold().height;
    // The creator puts 2 out, and at the same time an admin lets it in.
    let heads = history.heads();
    let removal = history.at(0, height + 1, 0, What::Remove { device: peer(2), heads, deeds: None });
    history.at(1, height + 1, 0, add(2, None, vec![]));
    assert_eq!(members(&history.fold()), [0, 1], "the removal wins");
    history.next(1, 0, add(2, None, vec![removal]));
    assert_eq!(members(&history.fold()), [0, 1, 2]);
}

#[test]
fn a_removal_by_a_slow_clock_wins_over_the_addition_that_it_answers() {
    let mut history = History::begun();
    history.add(0, 1);
    history.remove(0, 1);
    let times: Vec<Hlc> = history.deeds.iter().map(|done| done.hlc).collect();
    assert!(times.is_sorted_by(|one, other| one > other), "the clock runs backwards in this story");
    assert_eq!(members(&history.fold()), [0]);
}

#[test]
fn what_a_removed_admin_did_unseen_counts_for_nothing() {
    let mut history = History::begun();
    history.add(0, 1);
    history.add(0, 2);
    history.next(0, 0, appoint(1, true));
    let height = history.fold().height;
    let heads = history.heads();
    // The admin hurries: these come before the removal in the order, and the creator has not seen them.
    history.at(1, height + 1, 0, add(7, None, vec![]));
    history.at(1, height + 2, 0, What::Remove { device: peer(2), heads: vec![], deeds: None });
    history.at(0, height + 3, 0, What::Remove { device: peer(1), heads, deeds: None });
    let fold = history.fold();
    assert_eq!(members(&fold), [0, 2], "neither the addition nor the removal counts");
    assert!(fold.counts(peer(2), LogId([2; 8]), Seq(1)));
    let seen = Seq(history.written[&peer(1)] - 2);
    assert!(!fold.counts(peer(1), LogId([1; 8]), Seq(seen.0 + 1)));
}

#[test]
fn what_was_seen_of_a_removed_member_goes_on_counting() {
    let mut history = History::begun();
    history.add(0, 1);
    history.written.insert(peer(1), 5);
    history.remove(0, 1);
    let fold = history.fold();
    let counts = |seq| fold.counts(peer(1), LogId([1; 8]), Seq(seq));
    assert!(counts(5) && !counts(6));
    assert!(!fold.counts(peer(1), LogId([9; 8]), Seq(1)), "a log that the removal does not name");
    assert!(!fold.counts(peer(8), LogId([8; 8]), Seq(1)), "a stranger");
}

#[test]
fn an_invite_lets_in_by_any_member_until_it_ends_or_is_revoked() {
    let secret = [4; 16];
    let invite = invite_id(&secret);
    let story = |expires, revoked: bool| {
        let mut history = History::begun();
        history.add(0, 1);
        history.next(0, 0, What::Invite { secret, expires: UnixMillis(expires) });
        if revoked {
            history.next(0, 0, What::Revoke { invite });
        }
        history.next(1, 0, add(2, Some(invite), vec![]));
        history
    };
    assert_eq!(members(&story(u64::MAX, false).fold()), [0, 1, 2]);
    assert_eq!(members(&story(u64::MAX, true).fold()), [0, 1]);
    assert_eq!(members(&story(1000, false).fold()), [0, 1], "by the clock of the addition");
    // Made by somebody who may not.
    let mut history = History::begun();
    history.add(0, 1);
    history.next(1, 0, What::Invite { secret, expires: UnixMillis(u64::MAX) });
    history.next(1, 0, add(2, Some(invite), vec![]));
    assert_eq!(members(&history.fold()), [0, 1]);
}

#[test]
fn whoever_is_put_out_takes_no_invite_along() {
    let invite = |n: u8| What::Invite { secret: [n; 16], expires: UnixMillis(u64::MAX) };
    let mut history = History::begun();
    history.add(0, 1);
    history.add(0, 2);
    history.next(0, 0, invite(4));
    history.remove(0, 2);
    history.next(1, 0, add(3, Some(invite_id(&[4; 16])), vec![]));
    assert_eq!(members(&history.fold()), [0, 1]);
    // One that was made with the new keys is none of those.
    history.next(0, 1, invite(5));
    history.next(1, 1, add(3, Some(invite_id(&[5; 16])), vec![]));
    assert_eq!(members(&history.fold()), [0, 1, 3]);
}

#[test]
fn a_key_that_somebody_outside_has_is_due_to_be_renewed() {
    let grant = |epoch, n: u8, to: &[u8]| {
        let boxes = to.iter().map(|to| (peer(*to), [0; BOX_BYTES])).collect();
        What::Grant { epoch, key: KeyId([n; 16]), boxes }
    };
    let mut history = History::begun();
    history.add(0, 1);
    history.add(0, 2);
    history.next(0, 0, appoint(1, true));
    assert!(!history.fold().is_known_outside(0, KeyId([0; 16])));
    history.remove(0, 2);
    assert!(history.fold().is_known_outside(0, KeyId([0; 16])));
    history.next(0, 0, grant(1, 1, &[1]));
    let fold = history.fold();
    assert_eq!(fold.current(|_, _| true), Some((1, KeyId([1; 16]))));
    assert!(!fold.is_known_outside(1, KeyId([1; 16])));
    // Another admin made a key at the same time, without having heard of the removal.
    history.next(1, 0, grant(1, 2, &[0, 2]));
    let fold = history.fold();
    assert!(fold.is_known_outside(1, KeyId([2; 16])) && !fold.is_known_outside(1, KeyId([1; 16])));
    // All take the same one of the two, and whoever lacks it the other.
    let lower = fold.grants[&1][0].key;
    assert_eq!(fold.current(|_, _| true), Some((1, lower)));
    let other = fold.grants[&1][1].key;
    assert_eq!(fold.current(|_, key| key == other), Some((1, other)));
    assert_eq!(fold.lacking(&BTreeSet::new(), |epoch, key| epoch == 0 || key == other), BTreeSet::from([1]));
}

#[test]
fn nobody_uses_up_the_epochs_and_no_member_grants_keys() {
    let grant = |epoch| What::Grant { epoch, key: KeyId([9; 16]), boxes: vec![] };
    let mut history = History::begun();
    history.add(0, 1);
    history.next(1, 0, grant(1));
    history.next(0, 0, grant(u32::MAX));
    history.next(0, 0, grant(0));
    history.next(0, u32::MAX - 1, grant(u32::MAX));
    assert!(history.fold().grants.is_empty());
}

#[test]
fn what_a_removed_admin_dates_back_counts_for_nothing_where_the_removal_names_what_was_known() {
    for named in [true, false] {
        let mut history = History::begun();
        history.add(0, 1);
        history.next(0, 0, appoint(1, true));
        history.add(1, 2);
        let heads = history.heads();
        let known = history.deeds.iter().filter(|done| done.author == peer(1));
        let deeds = named.then(|| known.map(|done| deed_mark(done.id)).collect());
        history.next(0, 0, What::Remove { device: peer(1), heads, deeds });
        assert_eq!(members(&history.fold()), [0, 2], "what was known counts");
        // Nobody has the log any more in which something else stood at this place.
        let mut forged = history.deeds[3].clone();
        forged.id = EntryId([77; 32]);
        forged.deed = Deed { height: 3, what: add(7, None, vec![]) };
        history.deeds.push(forged);
        let expected: &[u8] = if named { &[0, 2] } else { &[0, 2, 7] };
        assert_eq!(members(&history.fold()), expected);
    }
}

#[test]
fn only_the_first_few_keys_of_an_epoch_count_by_their_entries_and_what_an_admin_ever_granted_is_read() {
    let grant = |n: u8| What::Grant { epoch: 1, key: KeyId([n; 16]), boxes: vec![] };
    let mut history = History::begun();
    let mut granted: Vec<(EntryId, KeyId)> =
        (0..20).map(|n| (history.next(0, 0, grant(n)), KeyId([n; 16]))).collect();
    history.add(0, 1);
    history.next(1, 0, grant(99));
    let fold = history.fold();
    granted.sort();
    let counting: Vec<KeyId> = fold.keys_of(1).collect();
    let lowest: Vec<KeyId> = granted.iter().take(MAX_KEYS_OF_EPOCH).map(|(_, key)| *key).collect();
    assert_eq!(counting, lowest);
    let beyond = granted[MAX_KEYS_OF_EPOCH].1;
    assert!(!fold.grants(1, beyond) && fold.reads_with(1, beyond));
    assert!(!fold.reads_with(1, KeyId([99; 16])), "a member grants nothing");
    assert!(fold.grants(0, KeyId([0; 16])) && !fold.reads_with(0, KeyId([1; 16])));
    let held = |epoch, key| epoch == 0 || counting.contains(&key);
    assert!(fold.lacking(&BTreeSet::new(), held).is_empty());
    assert_eq!(
        fold.lacking(&BTreeSet::from([1]), held),
        BTreeSet::from([1]),
        "something is sealed with those"
    );
    assert_eq!(fold.current(|epoch, _| epoch == 0), Some((0, KeyId([0; 16]))));
}

#[test]
fn a_made_up_height_moves_nothing() {
    for by in [1, 2] {
        let mut history = History::begun();
        history.add(0, 1);
        history.next(0, 0, appoint(1, true));
        history.add(0, 2);
        history.at(by, u32::MAX, 0, add(3, None, vec![]));
        let fold = history.fold();
        assert_eq!((members(&fold), fold.next_height()), (vec![0, 1, 2], 4));
        history.at(0, 4, 0, add(4, None, vec![]));
        assert_eq!(members(&history.fold()), [0, 1, 2, 4]);
    }
}

#[test]
fn nobody_removes_a_device_so_often_that_no_addition_could_name_it_all() {
    let mut history = History::begun();
    history.add(0, 1);
    history.add(0, 2);
    history.next(0, 0, appoint(1, true));
    for _ in 0..MAX_AFTER + 4 {
        history.remove(1, 2);
    }
    let removals = history.fold().removals_of(peer(2));
    assert_eq!(removals.len(), MAX_AFTER);
    history.next(0, 0, add(2, None, removals));
    history.add(0, 3);
    history.next(0, 0, appoint(2, true));
    history.add(2, 4);
    assert_eq!(members(&history.fold()), [0, 1, 2, 3, 4], "what it does counts again");
}

#[test]
fn a_creator_who_left_and_is_let_in_again_is_the_creator_again() {
    let mut history = History::begun();
    history.add(0, 1);
    history.next(0, 0, appoint(1, true));
    let left = history.remove(0, 0);
    assert_eq!(history.fold().role(peer(0)), None);
    history.next(1, 0, add(0, None, vec![left]));
    history.remove(1, 0);
    assert_eq!(history.fold().role(peer(0)), Some(Role::Creator), "no admin puts the creator out");
    history.next(0, 0, appoint(1, false));
    assert_eq!(history.fold().role(peer(1)), Some(Role::Member));
}

#[test]
fn a_room_has_so_many_members_and_no_more() {
    let mut all = Deeds::default();
    let genesis = History::begun().deeds.remove(0);
    let mut done = genesis.clone();
    all.insert(room(), genesis);
    for n in 1..=MAX_MEMBERS as u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let what =
            What::Add { device: PeerId(id), admin: false, invite: None, after: vec![], name: String::new() };
        done.seq = Seq(n + 1);
        done.id = EntryId(id);
        done.deed = Deed { height: 1, what };
        all.insert(room(), done.clone());
    }
    assert_eq!(all.fold().members.len(), MAX_MEMBERS);
    assert_eq!(all.named().count(), MAX_MEMBERS + 1);
}

/// What people try to do, each knowing of everything before.
#[derive(Clone, Debug)]
enum Try {
    Add(u8, u8),
    Remove(u8, u8),
    Appoint(u8, u8, bool),
    Say(u8),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let who = 0u8..6;
    let one = prop_oneof![
        3 => (who.clone(), who.clone()).prop_map(|(by, of)| Try::Add(by, of)),
        2 => (who.clone(), who.clone()).prop_map(|(by, of)| Try::Remove(by, of)),
        2 => (0u8..2, who.clone(), any::<bool>()).prop_map(|(by, of, admin)| Try::Appoint(by, of, admin)),
        1 => who.prop_map(Try::Say),
    ];
    prop::collection::vec(one, 0..40)
}

/// The rules as one would tell them: roles, and nothing else.
#[derive(Default)]
struct Model {
    roles: BTreeMap<u8, Role>,
    removals: BTreeMap<u8, Vec<EntryId>>,
}

impl Model {
    fn role(&self, who: u8) -> Option<Role> {
        self.roles.get(&who).copied()
    }
}

proptest! {
    #[test]
    fn who_is_in_is_what_the_rules_say(tries in tries()) {
        let mut history = History::begun();
        let mut model = Model::default();
        model.roles.insert(0, Role::Creator);
        for one in tries {
            match one {
                Try::Add(by, of) => {
                    let after = model.removals.get(&of).cloned().unwrap_or_default();
                    // An entry names no more than a few; who was removed oftener stays out.
                    history.next(by, 0, add(of, None, after));
                    if model.role(by) >= Some(Role::Admin) {
                        let rank = if of == 0 { Role::Creator } else { Role::Member };
                        model.roles.entry(of).or_insert(rank);
                        model.removals.remove(&of);
                    }
                }
                Try::Remove(by, of) => {
                    let removal = history.remove(by, of);
                    let (mine, theirs) = (model.role(by), model.role(of));
                    let may = mine >= Some(Role::Admin) && theirs < mine;
                    if may || (by == of && mine.is_some()) {
                        // A removal of somebody who was removed as an admin takes the rank of that time.
                        model.roles.remove(&of);
                        model.removals.entry(of).or_default().push(removal);
                    }
                }
                Try::Appoint(by, of, admin) => {
                    history.next(by, 0, appoint(of, admin));
                    if by == 0 && model.role(0).is_some() && of != 0
                        && let Some(role) = model.roles.get_mut(&of)
                    {
                        *role = if admin { Role::Admin } else { Role::Member };
                    }
                }
                Try::Say(by) => *history.written.entry(peer(by)).or_default() += 1,
            }
        }
        let roles: BTreeMap<u8, Role> = history.fold().members.iter().map(|(p, r)| (p.0[0], *r)).collect();
        prop_assert_eq!(roles, model.roles);
    }

    #[test]
    fn whatever_the_order_of_arrival_all_agree(
        // People who know of little: heights at random, removals that name what comes into their heads.
        acts in prop::collection::vec((0u8..6, 0u8..7, 0u8..6, 1u32..12, 0u32..3), 0..30),
        order in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let mut history = History::begun();
        let mut removals = vec![];
        for (by, what, of, height, epoch) in acts {
            let heads = vec![(LogId([of; 8]), Seq(u64::from(height)))];
            let id = history.at(by, height, epoch, match what {
                0 | 1 => add(of, None, removals.clone()),
                2 => {
                    let deeds = (epoch > 0).then(|| removals.iter().copied().map(deed_mark).collect());
                    What::Remove { device: peer(of), heads, deeds }
                }
                3 => appoint(of, epoch > 0),
                4 => What::Invite { secret: [of; 16], expires: UnixMillis(990_000) },
                5 => add(of, Some(invite_id(&[by; 16])), vec![]),
                _ => What::Grant { epoch: epoch + 1, key: KeyId([of; 16]), boxes: vec![(peer(by), [0; BOX_BYTES])] },
            });
            if what == 2 && removals.len() < 4 {
                removals.push(id);
            }
        }
        let expected = history.fold();
        let mut shuffled = history.deeds.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let again = order.index(shuffled.len());
        let twice = shuffled[again].clone();
        shuffled.push(twice);
        prop_assert_eq!(fold(shuffled.iter()), expected);
    }
}

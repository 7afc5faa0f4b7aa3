use std::collections::BTreeMap;

use super::*;

const ANN: PeerId = PeerId([1; 32]);
const BOB: PeerId = PeerId([2; 32]);
const EVE: PeerId = PeerId([3; 32]);
const START: Instant = Instant(1_000_000);

/// Both ends of one connection; what each says goes to the other.
struct Pair {
    ann: Comparison,
    bob: Comparison,
}

impl Pair {
    fn begun() -> Pair {
        let (ann, commit) = Comparison::ask(ANN, BOB, [7; 32], [10; 32], START);
        let mut bob = Comparison::asked(BOB, ANN, [7; 32], [20; 32], START);
        assert_eq!(bob.heard(commit, START), None, "nothing is said before a person agrees");
        Pair { ann, bob }
    }

    fn shown() -> Pair {
        let mut pair = Pair::begun();
        let nonce = pair.bob.agree(START).unwrap();
        let reveal = pair.ann.heard(nonce, START).unwrap();
        assert_eq!(pair.bob.heard(reveal, START), None);
        pair
    }
}

fn seen(comparison: &Comparison) -> [u8; 7] {
    match comparison.stage() {
        Stage::Shown { emoji, .. } => emoji,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_see_the_same_and_it_counts_once_both_have_said_so() {
    let Pair { mut ann, mut bob } = Pair::shown();
    assert_eq!(seen(&ann), seen(&bob));
    let same = ann.compared(true).unwrap();
    assert_eq!(bob.heard(same, START), None);
    assert!(!ann.is_over() && !bob.is_over());
    let same = bob.compared(true).unwrap();
    assert_eq!(bob.stage(), Stage::Matched);
    ann.heard(same, START);
    assert_eq!(ann.stage(), Stage::Matched);
    assert_eq!((ann.deadline(), bob.deadline()), (None, None));
    assert_eq!(ann.cancel(), None, "what is over stays as it is");
}

#[test]
fn another_nonce_key_or_connection_shows_other_emoji() {
    let shown = |exporter: u8, asking: u8, asked: u8, one, other| {
        emoji(&[exporter; 32], &[asking; 32], &[asked; 32], one, other)
    };
    let all = [
        shown(7, 10, 20, ANN, BOB),
        shown(8, 10, 20, ANN, BOB),
        shown(7, 11, 20, ANN, BOB),
        shown(7, 10, 21, ANN, BOB),
        shown(7, 10, 20, EVE, BOB),
        shown(7, 10, 20, ANN, EVE),
        shown(7, 10, 20, BOB, ANN),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(one.iter().all(|number| *number < 64), "{one:?}");
        assert!(all[n + 1..].iter().all(|other| other != one), "{all:?}");
    }
}

#[test]
fn who_agrees_before_the_commitment_came_answers_when_it_comes() {
    let (ann, commit) = Comparison::ask(ANN, BOB, [7; 32], [10; 32], START);
    let mut bob = Comparison::asked(BOB, ANN, [7; 32], [20; 32], START);
    assert_eq!(bob.agree(START), None);
    assert_eq!(bob.heard(commit, START), Some(Compare::Nonce([20; 32])));
    assert_eq!(bob.agree(START), None, "one try for each yes");
    assert_eq!((ann.side(), bob.side()), (Side::Asking, Side::Asked));
}

#[test]
fn what_was_not_committed_to_is_not_taken() {
    let Pair { mut bob, .. } = Pair::begun();
    bob.agree(START).unwrap();
    bob.heard(Compare::Reveal([11; 32]), START);
    assert_eq!(bob.stage(), Stage::Ended(End::Forged));

    // Nor is a second commitment, once the nonce was said.
    let Pair { mut bob, .. } = Pair::begun();
    bob.agree(START).unwrap();
    bob.heard(Compare::Commit(commitment(&[11; 32], ANN, BOB)), START);
    assert_eq!(bob.stage(), Stage::Ended(End::Nonsense));
}

#[test]
fn who_sees_other_emoji_says_so_to_both() {
    let Pair { mut ann, mut bob } = Pair::shown();
    // The other one was faster, and saw nothing wrong.
    ann.heard(bob.compared(true).unwrap(), START);
    let different = ann.compared(false).unwrap();
    assert_eq!(ann.stage(), Stage::Ended(End::Different));
    bob.heard(different, START);
    assert_eq!(bob.stage(), Stage::Ended(End::DifferentThere));
}

#[test]
fn who_does_not_want_to_says_so_at_any_time() {
    let Pair { mut ann, mut bob } = Pair::begun();
    ann.heard(bob.cancel().unwrap(), START);
    assert_eq!(ann.stage(), Stage::Ended(End::CancelledThere));
    assert_eq!(bob.stage(), Stage::Ended(End::Cancelled));
    assert_eq!(bob.agree(START), None, "what was cancelled is not taken up again");

    let Pair { mut ann, mut bob } = Pair::shown();
    bob.heard(ann.cancel().unwrap(), START);
    assert_eq!(bob.stage(), Stage::Ended(End::CancelledThere));
}

#[test]
fn nobody_waits_for_ever() {
    let past = |comparison: &mut Comparison| {
        let deadline = comparison.deadline().unwrap();
        comparison.timer(deadline - Duration::from_millis(1));
        assert!(!comparison.is_over(), "before its time: {:?}", comparison.stage());
        comparison.timer(deadline);
        assert_eq!(comparison.stage(), Stage::Ended(End::TimedOut));
        deadline.since(START)
    };
    let Pair { mut ann, mut bob } = Pair::begun();
    assert_eq!((past(&mut ann), past(&mut bob)), (AGREE_WITHIN, AGREE_WITHIN));
    let Pair { mut bob, .. } = Pair::begun();
    bob.agree(START);
    assert_eq!(past(&mut bob), SETTLE_WITHIN);
    let Pair { mut ann, mut bob } = Pair::shown();
    assert_eq!((past(&mut ann), past(&mut bob)), (COMPARE_WITHIN, COMPARE_WITHIN));

    let Pair { mut ann, .. } = Pair::shown();
    ann.compared(true);
    ann.closed();
    assert_eq!(ann.stage(), Stage::Ended(End::Lost), "one word for it is not both");
}

#[test]
fn what_makes_no_sense_ends_it_at_every_stage() {
    let all = [
        Compare::Commit([1; 32]),
        Compare::Nonce([1; 32]),
        Compare::Reveal([1; 32]),
        Compare::Same,
        Compare::Different,
    ];
    let waiting = || Pair::begun().ann;
    let asked = || Pair::begun().bob;
    let shown = || Pair::shown().ann;
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for said in all {
        for (name, mut comparison) in [("waiting", waiting()), ("asked", asked()), ("shown", shown())] {
            comparison.heard(said, START);
            let ended = comparison.stage() == Stage::Ended(End::Nonsense);
            *ends.entry(name).or_default() += usize::from(ended);
        }
    }
    // But for a nonce where it is waited for, and the two words about what is shown.
    assert_eq!(ends, BTreeMap::from([("waiting", 4), ("asked", 5), ("shown", 3)]));
    let mut shown = shown();
    shown.heard_nonsense();
    assert_eq!(shown.stage(), Stage::Ended(End::Nonsense));
}

/// Ann and Bob are connected with Eve, who passes for each of them towards the other and may say what she likes.
struct Between {
    ann: Comparison,
    bob: Comparison,
    /// What Ann said first, to whom she takes for Bob.
    commit: Compare,
}

impl Between {
    fn set_up(bob_nonce: [u8; 32]) -> Between {
        // Ann was led to Eve's key, and Bob hears from Eve's key: so do both connections, with keying material of their own.
        let (ann, commit) = Comparison::ask(ANN, EVE, [7; 32], [10; 32], START);
        let bob = Comparison::asked(BOB, EVE, [8; 32], bob_nonce, START);
        Between { ann, bob, commit }
    }
}

#[test]
fn somebody_in_between_who_passes_everything_on_is_caught() {
    let Between { mut ann, mut bob, commit } = Between::set_up([20; 32]);
    bob.agree(START);
    // The commitment names both keys: what Ann committed to for Eve is none for Bob.
    let nonce = bob.heard(commit, START).unwrap();
    let reveal = ann.heard(nonce, START).unwrap();
    bob.heard(reveal, START);
    assert_eq!(bob.stage(), Stage::Ended(End::Forged));
}

#[test]
fn somebody_in_between_with_nonces_of_her_own_makes_both_see_other_emoji() {
    for try_ in 0..200 {
        let Between { mut ann, mut bob, .. } = Between::set_up([try_; 32]);
        let hers = [try_.wrapping_add(100); 32];
        bob.heard(Compare::Commit(commitment(&hers, EVE, BOB)), START);
        bob.agree(START).unwrap();
        bob.heard(Compare::Reveal(hers), START);
        ann.heard(Compare::Nonce(hers), START).unwrap();
        assert_ne!(seen(&ann), seen(&bob));
    }
}

/// The toy: as many bits as can be searched through, so that it can be seen what the commitment is for.
mod toy {
    use super::*;

    const BITS: u32 = 20;

    fn sas(
        exporter: u8,
        asking_nonce: &[u8; 32],
        asked_nonce: &[u8; 32],
        asking: PeerId,
        asked: PeerId,
    ) -> u64 {
        let emoji = emoji(&[exporter; 32], asking_nonce, asked_nonce, asking, asked);
        let bits = emoji.iter().fold(0, |bits, number| bits << 6 | u64::from(*number));
        bits >> (42 - BITS)
    }

    fn nonce(n: u32) -> [u8; 32] {
        let mut nonce = [0; 32];
        nonce[..4].copy_from_slice(&n.to_be_bytes());
        nonce
    }

    #[test]
    fn without_a_commitment_whoever_speaks_last_chooses_what_is_seen() {
        // Ann says her nonce first, in the open. Eve settles with Bob, and then looks for an answer to Ann that fits.
        let (ann, bob, to_bob) = (nonce(1), nonce(2), nonce(3));
        let bob_sees = sas(8, &to_bob, &bob, EVE, BOB);
        let fits = (0..1 << (BITS + 4)).find(|n| sas(7, &ann, &nonce(*n), ANN, EVE) == bob_sees);
        let tries = fits.expect("a few million tries find one");
        assert!(tries > 1 << (BITS - 8), "it is a search, not luck: {tries}");
        assert_eq!(sas(7, &ann, &nonce(tries), ANN, EVE), bob_sees);
    }

    #[test]
    fn with_a_commitment_she_has_one_try_in_as_many_as_there_are() {
        // Eve may choose both of her nonces, but before she knows Ann's or Bob's: the best that she can do is to guess.
        let tries: u32 = 1 << 16;
        let hits = (0..tries).filter(|n| {
            let (ann, bob) = (nonce(*n), nonce(n + tries));
            let (to_ann, to_bob) = (nonce(n + 2 * tries), nonce(n + 3 * tries));
            sas(7, &ann, &to_ann, ANN, EVE) == sas(8, &to_bob, &bob, EVE, BOB)
        });
        let hits = hits.count();
        // 2^16 tries of 2^-20 come to one sixteenth; three hits come once in some twenty-five thousand such runs.
        assert!(hits < 3, "{hits} of {tries}");
    }
}

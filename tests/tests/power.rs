//! Whatever moment the power goes at, nothing is lost that anybody was told of.

#[cfg(target_os = "linux")]
mod linux {
    use lanyard_tests::hosts::Lan;
    use lanyard_tests::power::{Honesty, Loss, Record, about, explore, folder};

    /// One record for all that is asked of it: to make one takes longer than to look at it.
    #[test]
    fn nothing_that_was_told_is_lost_with_the_power() {
        if let Err(why) = Lan::available() {
            println!("skipped: {why}");
            return;
        }
        let lan = Lan::new();
        let place = folder();
        let record = Record::make(&lan, place.path());
        println!("{}", about(&record));
        let after = lan.host("after");
        after.cut();
        let losses = explore(&record, &after, 0..SEEDS, Honesty::Honest, MOST);
        if !losses.is_empty() {
            let kept = place.keep();
            panic!(
                "{}\nto try one again: cargo xtask bench power --record {} --from SEED --seeds 1",
                losses.iter().map(Loss::to_string).collect::<Vec<_>>().join("\n"),
                kept.display()
            );
        }
        // A check that cannot fail would prove nothing.
        for (dishonest, what) in DISHONEST {
            let losses = explore(&record, &after, 0..SEEDS, *dishonest, 1);
            assert!(!losses.is_empty(), "nobody noticed a disk that ignores {what}");
            println!("a disk that ignores {what}: {}", losses[0].what);
        }
    }

    const DISHONEST: &[(Honesty, &str)] = &[
        (Honesty::IgnoresAll, "every sync"),
        (Honesty::Ignores("-wal"), "what was logged"),
        (Honesty::IgnoresFolders, "names"),
        (Honesty::Ignores(".pdf"), "what was received"),
    ];

    const SEEDS: u64 = 300;

    /// Losses that are shown.
    const MOST: usize = 5;
}

//! Whatever moment the power goes at, nothing is lost that anybody was told of.

#[cfg(target_os = "linux")]
mod linux {
    use lanyard_tests::hosts::Lan;
    use lanyard_tests::power::{Honesty, Loss, Record, about, available, explore, folder};

    /// One record for all that is asked of it: to make one takes longer than to look at it.
    #[test]
    fn nothing_that_was_told_is_lost_with_the_power() {
        if let Err(why) = available() {
            println!("skipped: {why}");
            return;
        }
        let lan = Lan::new();
        let place = folder();
        let record = Record::make(&lan, place.path());
        println!("{}", about(&record));
        let after = lan.host("after");
        after.cut();
        let tried = explore(&record, &after, 0..SEEDS, Honesty::Honest, MOST);
        if !tried.losses.is_empty() {
            let losses: Vec<_> = tried.losses.iter().map(Loss::to_string).collect();
            panic!(
                "{}\nto try one again: cargo xtask bench power --record {} --from SEED --seeds 1",
                losses.join("\n"),
                place.keep().display()
            );
        }
        // Who begins new logs each time uses no number twice, and proves nothing.
        assert!(tried.went_on > SEEDS / 2, "the logs went on {} times only", tried.went_on);
        // Nor does a check that cannot fail.
        for (dishonest, what, noticed) in DISHONEST {
            let losses = explore(&record, &after, 0..SEEDS, *dishonest, ENOUGH).losses;
            let seen = losses.iter().find(|loss| loss.what.contains(noticed));
            assert!(seen.is_some(), "a disk that ignores {what} goes unnoticed: {losses:#?}");
        }
        let hasty = record.told_earlier(HASTE);
        let losses = explore(&hasty, &after, 0..SEEDS, Honesty::Honest, 1).losses;
        assert!(!losses.is_empty(), "a node that speaks before it has synced goes unnoticed");
    }

    /// Disks that do not keep their word, and by what it shows.
    const DISHONEST: &[(Honesty, &str, &str)] = &[
        (Honesty::IgnoresAll, "every sync", "another key"),
        (Honesty::Ignores("-wal"), "what was logged", "is lost"),
        (Honesty::IgnoresFolders, "names", "is gone"),
        (Honesty::Ignores(".pdf"), "what was received", "is not whole"),
    ];

    const SEEDS: u64 = 300;

    /// Lines of the record, more than stand between a sync and what is said of it.
    const HASTE: usize = 30;

    /// Losses that are shown.
    const MOST: usize = 5;

    /// Losses among which is one of each kind.
    const ENOUGH: usize = 25;
}

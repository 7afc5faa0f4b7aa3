//! What is to be reached: each figure of the design that a scenario can judge.

use super::Score;
use super::score::FIGURES;

/// A figure of a scenario, and how much of it is too much.
struct Target {
    /// Under which the design knows it.
    id: &'static str,
    scenario: &'static str,
    /// As [`FIGURES`] names it.
    figure: &'static str,
    at_most: f64,
}

const fn target(id: &'static str, scenario: &'static str, figure: &'static str, at_most: f64) -> Target {
    Target { id, scenario, figure, at_most }
}

/// Times in seconds, costs for each message or second, as the scores have them.
const TARGETS: &[Target] = &[
    target("R1", "lossy", "lost", 0.0),
    target("R1", "lossy", "p50", 0.5),
    target("R1", "lossy", "p99", 3.0),
    target("R1", "lossy", "worst", 15.0),
    target("R1", "lossy", "dgrams", 12.0),
    target("R1", "lossy", "bytes", 7000.0),
    target("R2", "quiet-loss", "p99", 0.3),
    target("R2", "quiet-loss", "dgrams", 5.5),
    target("R3", "random", "lost", 0.0),
    target("R3", "random", "twice", 0.0),
    target("R3", "random", "order", 0.0),
    target("R4", "partition", "healed", 5.0),
    target("R5", "partition-lossy", "healed", 60.0),
    target("R8", "crowded", "lost", 0.0),
    target("R8", "crowded", "p99", 10.0),
    target("R8", "crowded", "B/s", 100_000.0),
    target("R9", "presence", "peak", 250.0),
    target("R9", "presence", "steady", 2500.0),
    target("R9", "presence", "known", 20.0),
    target("R9", "thousands", "peak", 1000.0),
    target("R9", "thousands", "steady", 4500.0),
    target("R9", "thousands", "known", 60.0),
    target("R12", "deaf", "lost", 0.0),
    target("R12", "deaf", "p99", 1.0),
    target("R16", "clocks", "lost", 0.0),
    target("R16", "clocks", "order", 0.0),
];

/// A line for each target that a scenario has: which, what came out, and whether it is met.
pub fn verdicts(scenario: &str, score: &Score) -> Vec<(String, bool)> {
    let of_scenario = TARGETS.iter().filter(|target| target.scenario == scenario);
    let judged = of_scenario.map(|target| {
        let figure = FIGURES.iter().find(|figure| figure.name == target.figure);
        let measured = (figure.expect("targets name figures").of)(score);
        let met = measured <= target.at_most;
        let verdict = if met { "met" } else { "missed" };
        let Target { id, figure, at_most, .. } = target;
        (format!("| {id} {scenario}: {figure} | <= {at_most} | {measured:.2} | {verdict} |"), met)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SCENARIOS;

    #[test]
    fn every_target_names_a_scenario_and_a_figure() {
        for target in TARGETS {
            assert!(SCENARIOS.iter().any(|scenario| scenario.name == target.scenario), "{}", target.scenario);
            assert!(FIGURES.iter().any(|figure| figure.name == target.figure), "{}", target.figure);
        }
    }

    #[test]
    fn what_is_beyond_a_target_is_missed() {
        let slow = Score { p99: 3.1, ..Score::default() };
        let missed = verdicts("lossy", &slow).into_iter().filter(|(_, met)| !met).collect::<Vec<_>>();
        assert_eq!(missed, [("| R1 lossy: p99 | <= 3 | 3.10 | missed |".to_owned(), false)]);
        assert!(verdicts("lossy short", &slow).is_empty(), "small runs are judged by what they were");
    }
}

//! The scores that are committed, and how much worse is too much.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::Score;
use super::score::FIGURES;

/// Scores by scenario, as they were when they were committed.
#[derive(Default)]
pub struct Baseline(BTreeMap<String, BTreeMap<String, f64>>);

impl Baseline {
    /// # Errors
    /// If there is a file and it cannot be read.
    pub fn read(path: &Path) -> io::Result<Baseline> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Baseline(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Baseline::default()),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(&self.0)?;
        text.push('\n');
        std::fs::write(path, text)
    }

    pub fn put(&mut self, name: &str, score: &Score) {
        let Value::Object(figures) = score.to_json() else { return };
        let figures = figures.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
        self.0.insert(name.to_owned(), figures.collect());
    }

    /// What is worse than it was, beyond its tolerance, in sentences. Not to know what was is worse, too: whoever adds a
    /// scenario commits its scores.
    pub fn worse(&self, name: &str, score: &Score) -> Vec<String> {
        let Some(before) = self.0.get(name) else {
            return vec![format!("{name}: nothing to compare with; `--update-baseline` makes it")];
        };
        let mut worse = Vec::new();
        for figure in FIGURES {
            let now = (figure.of)(score);
            let Some(was) = before.get(figure.name) else {
                worse.push(format!("{name}: {} is {now:.2} and was not measured", figure.name));
                continue;
            };
            let (part, besides) = figure.tolerance;
            if now > was * (1.0 + part) + besides {
                worse.push(format!("{name}: {} is {now:.2} and was {was:.2}", figure.name));
            }
        }
        worse
    }
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIOS;
    use super::*;

    #[test]
    fn a_fault_is_worse_and_a_little_time_is_not() {
        let was = Score { p99: 1.0, ..Score::default() };
        let mut baseline = Baseline::default();
        baseline.put("lossy", &was);
        assert_eq!(baseline.worse("lossy", &Score { p99: 1.2, ..was.clone() }), Vec::<String>::new());
        assert_eq!(baseline.worse("lossy", &Score { p99: 3.0, ..was.clone() }).len(), 1);
        assert_eq!(baseline.worse("lossy", &Score { undelivered: 1, ..was.clone() }).len(), 1);
        assert_eq!(baseline.worse("other", &was).len(), 1, "what is not known is not well");
    }

    #[test]
    fn every_short_run_has_a_committed_score_in_every_figure() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulate.baseline.json");
        let baseline = Baseline::read(&path).unwrap();
        for scenario in SCENARIOS.iter().filter(|scenario| scenario.short.is_some()) {
            let name = format!("{} short", scenario.name);
            let missing: Vec<_> = baseline.worse(&name, &Score::default());
            assert_eq!(missing, Vec::<String>::new());
        }
    }
}

//! SECURITY.md says what proves each of its sentences: all of that is there.

use std::collections::BTreeSet;

use super::{read, repository, sources};

#[test]
fn every_proof_that_is_named_is_there() {
    let known = proofs();
    let rows = rows();
    assert_eq!(rows.len(), ATTACKS, "each attack has a row");
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row.number, place + 1, "rows are in their order");
        assert!(!row.proofs.is_empty(), "{}: nothing proves it", row.number);
        for proof in &row.proofs {
            assert!(known.contains(proof), "{}: there is no test `{proof}`", row.number);
        }
    }
}

struct Row {
    number: usize,
    proofs: Vec<String>,
}

/// Of the table under [`HEADING`]: number, what is tried, what proves that it comes to nothing, what is left.
fn rows() -> Vec<Row> {
    let text = read(&repository().join("SECURITY.md"));
    let (_, table) = text.split_once(HEADING).expect("there is such a heading");
    let lines = table.lines().take_while(|line| !line.starts_with("## "));
    lines.filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
    let number = cells.first()?.trim().parse().ok()?;
    // What stands between marks of code, each second part.
    let proofs = cells.get(2)?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some(Row { number, proofs })
}

/// Tests by their functions, tests of the pages by their titles, fuzz targets by their names, and examples that must not compile by
/// the type that they are of.
fn proofs() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (path, text) in sources(&["rs"]) {
        known.extend(tests(&text));
        known.extend(uncompilable(&text));
        if path.parent().is_some_and(|folder| folder.ends_with("fuzz_targets")) {
            known.extend(path.file_stem().map(|name| format!("fuzz {}", name.to_string_lossy())));
        }
    }
    for (_, text) in sources(&["ts"]) {
        let titles = text.split("test('").skip(1).filter_map(|rest| rest.split('\'').next());
        known.extend(titles.map(str::to_owned));
    }
    known
}

/// Functions that the test attribute stands above, in macros, too.
fn tests(text: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        match line.split_once("fn ") {
            _ if line.starts_with("#[") => is_test |= line.contains("test]") || line.contains("test("),
            Some((_, rest)) if is_test => {
                found.extend(rest.split(['(', '<']).next().map(str::to_owned));
                is_test = false;
            }
            _ => is_test = false,
        }
    }
    found
}

/// Types whose documentation shows what the compiler refuses.
fn uncompilable(text: &str) -> Vec<String> {
    let of = |rest: &str| {
        Some(format!("doc {}", rest.split_once("\npub struct ")?.1.split(['(', '<', ' ', ';']).next()?))
    };
    text.split("/// ```compile_fail").skip(1).filter_map(of).collect()
}

const HEADING: &str = "## What proves it\n";

const ATTACKS: usize = 36;

//! What others wrote and is built in: where it comes from, under which licences, and what must not be among it.

use std::process::Command;

use serde_json::Value;

use super::repository;

#[test]
fn every_dependency_comes_from_the_registry_under_a_licence_that_lets_it_be_given_on() {
    for manifest in ["Cargo.toml", "tests/fuzz/Cargo.toml"] {
        let packages = metadata(manifest);
        assert!(packages.len() > 10, "{manifest}: {} packages", packages.len());
        for package in packages {
            let name = package["name"].as_str().expect("a package has a name");
            // What has no source is in this repository.
            let source = package["source"].as_str();
            assert!(source.is_none_or(|source| source == REGISTRY), "{name} comes from {source:?}");
            let licence = package["license"].as_str().unwrap_or_default();
            assert!(is_allowed(licence), "{name} is under “{licence}”");
        }
    }
}

#[test]
fn a_licence_is_understood_as_it_is_written() {
    for allowed in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR (MIT AND ISC)", "Apache-2.0 WITH LLVM-exception"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", "MIT OR", "Proprietary"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn the_engine_has_no_client_of_the_web_and_no_other_tls() {
    let words = ["tree", "--locked", "--package", "lanyard-engine", "--edges", "normal", "--prefix", "none"];
    let tree = cargo(&words);
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"rustls"), "{tree}");
    let found: Vec<_> = names.iter().filter(|name| BANNED.contains(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

fn metadata(manifest: &str) -> Vec<Value> {
    let path = repository().join(manifest);
    let path = path.to_str().expect("Unicode");
    let told = cargo(&["metadata", "--locked", "--format-version", "1", "--manifest-path", path]);
    let mut told: Value = serde_json::from_str(&told).expect("cargo says what it knows as JSON");
    match told["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("no packages: {other}"),
    }
}

fn cargo(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(words).current_dir(repository()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo says it in Unicode")
}

/// Whether an expression (SPDX, annex D; older packages write `/` for `OR`) can be met by what is allowed.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let met = any_of(&mut rest);
    met == Some(true) && rest.is_empty()
}

/// `None` where it is no expression.
fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(words)?;
    while take(words, "OR") {
        met |= all_of(words)?;
    }
    Some(met)
}

fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = one(words)?;
    while take(words, "AND") {
        met &= one(words)?;
    }
    Some(met)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let met = any_of(words)?;
        return take(words, ")").then_some(met);
    }
    let (name, rest) = words.split_first()?;
    *words = rest;
    // An exception lets more be done, never less.
    if take(words, "WITH") {
        *words = words.split_first()?.1;
    }
    Some(ALLOWED.contains(name))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Whoever gives the program on has to name its authors, and of MPL-2.0 to say where the files are that are under it.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Nothing leaves the network, so nothing needs these.
const BANNED: &[&str] = &["curl", "hyper", "native-tls", "openssl", "openssl-sys", "reqwest", "ureq"];

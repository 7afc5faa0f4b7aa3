//! Keeps `ui/src/i18n/sentences.json` true to the sentences that can be said in other languages: every literal of `saying!` and
//! `says!` in the sources of the engine and the shell, and what the protocol refuses with. The window's tests demand each of them
//! in every language.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lanyard_proto::node::Refusal;
use lanyard_proto::rooms::BadInvite;
use lanyard_proto::transfer;
use lanyard_proto::wire::file::DecodeError;

use crate::engine::commands::refused;

#[test]
fn sentences_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sentences = BTreeSet::new();
    for folder in [root.join("src"), root.join("../../src-tauri/src")] {
        collect(&folder, &mut sentences);
    }
    let refusals = all(Refusal::NoRoom, after).into_iter();
    let refusals = refusals.chain(all(BadInvite::NoInvite, after_invite).into_iter().map(Refusal::BadInvite));
    let refusals =
        refusals.chain(all(transfer::Refusal::Unknown, after_transfer).into_iter().map(Refusal::Transfer));
    sentences.extend(refusals.map(|refusal| refused(refusal).message));
    sentences.extend(all(DecodeError::TooLong, after_decoding).iter().map(ToString::to_string));
    let fresh = serde_json::to_string_pretty(&sentences).expect("text can be written as JSON") + "\n";

    let path = root.join("../../ui/src/i18n/sentences.json");
    if std::env::var_os("LANYARD_WRITE_TYPES").is_some() {
        std::fs::write(&path, &fresh).expect("ui/src/i18n exists and can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        committed == fresh,
        "ui/src/i18n/sentences.json is stale; rewrite it with\n  \
         LANYARD_WRITE_TYPES=1 cargo test -p lanyard-engine --lib sentences_are_fresh"
    );
}

#[test]
fn literals_are_found_as_the_compiler_reads_them() {
    let source = "says!(code, \"one {a}\", a); saying!(\n\"two \\\n   \\\"{b}\\\" \\u{201c}\\\\\",\n b)";
    assert_eq!(literals(source), ["one {a}", "two \"{b}\" \u{201c}\\"]);
}

/// What is for tests only is no sentence of the program.
fn collect(folder: &Path, sentences: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the sources are here") {
        let path: PathBuf = entry.expect("a folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, sentences);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let source = std::fs::read_to_string(&path).expect("sources are UTF-8").replace("\r\n", "\n");
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            sentences.extend(literals(&source));
        }
    }
}

/// The first text after each call of the macros that is not in a comment.
fn literals(source: &str) -> Vec<String> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let calls = code.match_indices("say").map(|(at, _)| &code[at..]);
    let calls = calls.filter_map(|call| call.strip_prefix("saying!(").or(call.strip_prefix("says!(")));
    // The definition of the macros has their names without a text.
    let calls = calls.filter(|call| !call.trim_start().starts_with(['$', '@']));
    calls.map(|call| literal(call.split_once('"').expect("a sentence is a literal").1)).collect()
}

fn literal(text: &str) -> String {
    let mut read = String::new();
    let mut rest = text.chars().peekable();
    loop {
        match rest.next().expect("a literal ends") {
            '"' => return read,
            '\\' => match rest.next().expect("an escape is whole") {
                '\n' => while rest.next_if(|next| next.is_whitespace()).is_some() {},
                'u' => {
                    let digits: String = rest.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    read.push(code.expect("an escape is a character"));
                }
                escaped => read.push(escaped),
            },
            plain => read.push(plain),
        }
    }
}

fn all<T: Copy>(first: T, after: fn(T) -> Option<T>) -> Vec<T> {
    std::iter::successors(Some(first), |last| after(*last)).collect()
}

// Each leads to the next, so that the compiler misses none that is new.

fn after(refusal: Refusal) -> Option<Refusal> {
    Some(match refusal {
        Refusal::NoRoom => Refusal::EmptyMessage,
        Refusal::EmptyMessage => Refusal::LongMessage,
        Refusal::LongMessage => Refusal::NoName,
        Refusal::NoName => Refusal::Lobby,
        Refusal::Lobby => Refusal::TooManyRooms,
        Refusal::TooManyRooms => Refusal::Yourself,
        Refusal::Yourself => Refusal::BadKey,
        Refusal::BadKey => Refusal::NotPrivate,
        Refusal::NotPrivate => Refusal::NotMember,
        Refusal::NotMember => Refusal::NotAdmin,
        Refusal::NotAdmin => Refusal::NotCreator,
        Refusal::NotCreator => Refusal::NoMember,
        Refusal::NoMember => Refusal::AlreadyMember,
        Refusal::AlreadyMember => Refusal::TooManyMembers,
        Refusal::TooManyMembers => Refusal::Flooding,
        Refusal::Flooding => Refusal::TooManyDeeds,
        Refusal::TooManyDeeds => Refusal::NoInvite,
        Refusal::NoInvite => Refusal::TooManyInvites,
        Refusal::TooManyInvites => Refusal::NotYourMessage,
        Refusal::NotYourMessage => Refusal::NotYoursToDelete,
        Refusal::NotYoursToDelete => Refusal::NoSuchChange,
        Refusal::NoSuchChange => Refusal::NoEmoji,
        Refusal::NoEmoji => Refusal::NoCall,
        Refusal::NoCall => Refusal::NothingRings,
        Refusal::NothingRings => Refusal::FullCall,
        Refusal::FullCall => return None,
        // They have sentences of their own.
        Refusal::BadInvite(_) | Refusal::Transfer(_) => return None,
    })
}

fn after_invite(refusal: BadInvite) -> Option<BadInvite> {
    match refusal {
        BadInvite::NoInvite => Some(BadInvite::Damaged),
        BadInvite::Damaged => Some(BadInvite::Newer),
        BadInvite::Newer => None,
    }
}

fn after_transfer(refusal: transfer::Refusal) -> Option<transfer::Refusal> {
    use transfer::Refusal as Why;
    match refusal {
        Why::Unknown => Some(Why::Own),
        Why::Own => Some(Why::Over),
        Why::Over => Some(Why::TooMany),
        Why::TooMany => Some(Why::Withdrawn),
        Why::Withdrawn => Some(Why::NotPaused),
        Why::NotPaused => Some(Why::NotQueued),
        Why::NotQueued => Some(Why::Running),
        Why::Running => Some(Why::NotOver),
        Why::NotOver => None,
    }
}

fn after_decoding(error: DecodeError) -> Option<DecodeError> {
    match error {
        DecodeError::TooLong => Some(DecodeError::Malformed),
        DecodeError::Malformed => None,
    }
}

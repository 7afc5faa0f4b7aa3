use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn the_help_of_every_verb_has_an_example() {
    fn check(command: &clap::Command) {
        let verbs: Vec<_> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
        for verb in &verbs {
            check(verb);
        }
        if verbs.is_empty() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("lanyard {}", command.get_name());
            let last_word = command.get_name();
            assert!(
                help.contains("Example") && help.contains(last_word),
                "no example like {example}: {help}"
            );
        }
    }
    check(&Args::command());
}

#[test]
fn one_thing_is_done_with_a_message_at_a_time() {
    let parses = |words: &[&str]| {
        Args::try_parse_from(["lanyard", "say", "#lobby"].iter().chain(words).copied()).is_ok()
    };
    for words in [
        &["tea?"][..],
        &["--reply", "3fa9", "yes"],
        &["--edit", "3fa9", "no"],
        &["--delete", "3fa9"],
        &["--react", "3fa9", "👍"],
        &["--unpin", "3fa9"],
    ] {
        assert!(parses(words), "{words:?}");
    }
    for words in [
        &[][..],
        &["--reply", "3fa9"],
        &["--delete", "3fa9", "tea?"],
        &["--react", "3fa9"],
        &["--delete", "3fa9", "--pin", "3fa9"],
        &["--edit", "3fa9", "--reply", "3fa9", "tea?"],
    ] {
        assert!(!parses(words), "{words:?}");
    }
}

#[test]
fn what_is_read_can_be_narrowed_in_every_way_at_once() {
    let parses = |words: &[&str]| {
        Args::try_parse_from(["lanyard", "log", "#lobby"].iter().chain(words).copied()).is_ok()
    };
    assert!(parses(&["--follow", "--since", "2h", "--search", "gcc", "--limit", "20"]));
    assert!(parses(&["--pins", "--since", "2h", "--limit", "3"]));
    assert!(!parses(&["--pins", "--search", "gcc"]) && !parses(&["--pins", "--follow"]));
    for words in [&["--edit", "3fa9", "no", "--wait"][..], &["--delete", "3fa9", "--wait=5"]] {
        assert!(Args::try_parse_from(["lanyard", "say", "#lobby"].iter().chain(words).copied()).is_ok());
    }
}

#[test]
fn the_global_options_may_follow_the_verb() {
    let args = Args::try_parse_from(["lanyard", "peers", "--json", "--profile", "/p"]).unwrap();
    assert!(args.json);
    assert_eq!(args.profile, Some("/p".into()));
}

//! The manual and what shells complete, made of the words that the command line is parsed by.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;

/// Writes `man1/*.1`, a page for the program and one for each verb, and `completions/` for each shell.
pub fn write(into: &Path) -> Result<(), Failure> {
    let (pages, completions) = (into.join("man1"), into.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Args::command(), &pages)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Args::command(), "lanyard", &completions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let shells = ["lanyard.bash", "_lanyard", "lanyard.fish"];
        let shells = shells.map(|name| (name, read(&format!("completions/{name}"))));
        let mut verbs = 0;
        check(&Args::command(), "lanyard", &mut |page, verb| {
            let page = read(&format!("man1/{page}.1"));
            assert!(page.contains("SYNOPSIS"), "{page}");
            for (name, completions) in &shells {
                assert!(completions.contains(verb), "{name} completes no {verb}");
            }
            verbs += 1;
        });
        assert!(verbs > 30, "{verbs}");
    }

    /// Shows the name of the page of each verb, and the verb.
    fn check(command: &clap::Command, page: &str, see: &mut impl FnMut(&str, &str)) {
        see(page, command.get_name());
        for verb in command.get_subcommands() {
            check(verb, &format!("{page}-{}", verb.get_name()), see);
        }
    }
}

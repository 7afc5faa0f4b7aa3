//! What goes to standard output: one line an item, for a person or for a program.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;
use crate::text;

/// Who reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Colour only on a terminal, and not if `NO_COLOR` is set.
    Person,
    /// One JSON object a line.
    Program,
}

impl Output {
    /// Prints one item, by its JSON or by its words.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn item<T: Serialize>(self, item: &T, words: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self {
            Output::Person => {
                let mut out = anstream::stdout().lock();
                writeln!(out, "{}", words(item))?;
                out.flush()?;
            }
            Output::Program => {
                let line = serde_json::to_string(item).map_err(io::Error::from)?;
                let mut out = io::stdout().lock();
                writeln!(out, "{}", text::json(&line))?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Tells a person something that is not data.
    pub fn note(self, words: &str) {
        anstream::eprintln!("{}", text::paragraph(words, ""));
    }
}

pub const STRONG: Style = Style::new().bold();
pub const QUIET: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();

/// The words in a style.
pub fn paint(style: Style, words: &str) -> String {
    format!("{style}{words}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_ends_what_it_began() {
        assert_eq!(paint(STRONG, "Ann"), "\x1b[1mAnn\x1b[0m");
    }
}

//! `lanyard files`: what is in a transfer, and where each file of it stands.

use lanyard_engine::api::{ApiError, Command, Reply, TransferFile, TransferFileState, TransferFiles};
use lanyard_engine::control::Node;

use super::{ask, call_when_found, misunderstood};
use crate::failure::Failure;
use crate::output::{BAD, GOOD, Output, QUIET, paint};
use crate::text;

pub async fn list(node: &Node, out: Output, id: String) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = page(node, id.clone(), after).await?;
        for file in &page.files {
            out.item(file, words)?;
        }
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
}

/// Says on standard error which files did not come, the first of them by name.
pub async fn tell_of_failed(node: &Node, out: Output, id: &str) {
    let mut after = None;
    let mut told = 0;
    // Whoever cannot list them has told already that something failed.
    while let Ok(TransferFiles { files, next }) = page(node, id.to_owned(), after).await {
        // A folder has failed by what is in it.
        let failed = |file: &&TransferFile| file.state == TransferFileState::Failed && !file.folder;
        for file in files.iter().filter(failed) {
            if told == MAX_TOLD {
                return out.note("There are more: see them with lanyard files.");
            }
            told += 1;
            let why = file.error.as_ref().map(|error| text::line(&error.message)).unwrap_or_default();
            out.note(&format!("{}: {why}", text::line(&file.path)));
        }
        if next.is_none() {
            return;
        }
        after = next;
    }
}

async fn page(node: &Node, transfer: String, after: Option<String>) -> Result<TransferFiles, ApiError> {
    ask!(call_when_found(node, Command::TransferFiles { transfer, after, limit: PAGE }) => TransferFiles)
}

fn words(file: &TransferFile) -> String {
    let (style, state) = match file.state {
        TransferFileState::Offered => (QUIET, "offered"),
        TransferFileState::LeftOut => (QUIET, "left out"),
        TransferFileState::Waiting => (QUIET, "waiting"),
        TransferFileState::Running => (QUIET, "running"),
        TransferFileState::Done => (GOOD, "done"),
        TransferFileState::Here => (GOOD, "was here already"),
        TransferFileState::Failed => (BAD, "failed"),
        TransferFileState::Skipped => (QUIET, "skipped: a link, a special file, or not readable"),
    };
    let path = text::line(&file.path);
    let mut state = paint(style, state);
    if file.state == TransferFileState::Running && file.size > 0 {
        let percent = u128::from(file.moved) * 100 / u128::from(file.size);
        state.push_str(&format!(" {percent} %"));
    }
    if let Some(error) = &file.error {
        state.push_str(&format!(": {}", text::line(&error.message)));
    }
    match (file.folder, file.state) {
        (true, _) => format!("{path}/  {state}"),
        (false, TransferFileState::Skipped) => format!("{path}  {state}"),
        (false, _) => format!("{path} ({})  {state}", text::bytes(file.size)),
    }
}

/// Entries that are asked for at a time.
const PAGE: u32 = 1000;

/// Files that are named where several failed.
const MAX_TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, folder: bool, state: TransferFileState) -> TransferFile {
        TransferFile { path: path.into(), size: 2000, folder, state, moved: 500, error: None }
    }

    fn plain(file: &TransferFile) -> String {
        anstream::adapter::strip_str(&words(file)).to_string()
    }

    #[test]
    fn a_line_about_a_file_says_what_it_is_and_where_it_stands() {
        use TransferFileState::{Here, LeftOut, Running, Skipped};
        assert_eq!(plain(&file("a/b", false, Here)), "a/b (2.0 kB)  was here already");
        assert_eq!(plain(&file("a/b", false, Running)), "a/b (2.0 kB)  running 25 %");
        assert_eq!(plain(&file("a", true, LeftOut)), "a/  left out");
        assert_eq!(
            plain(&file("a/l", false, Skipped)),
            "a/l  skipped: a link, a special file, or not readable"
        );
    }

    #[test]
    fn a_path_cannot_carry_an_escape_sequence() {
        assert!(!plain(&file("a\x1b[2J", false, TransferFileState::Done)).contains('\x1b'));
    }
}

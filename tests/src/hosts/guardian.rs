//! Who clears a network away: a small process that outlives the test, however that ends.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits until this value is dropped or its process dies, even by `kill -9`; then it ends every process in the namespaces
/// whose names begin with the prefix, and deletes them and the folder.
pub(super) struct Guardian {
    waiting: Child,
}

impl Guardian {
    /// # Errors
    /// When there is no shell.
    pub(super) fn of(prefix: &str, folder: &Path) -> io::Result<Guardian> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "guardian"]).arg(prefix).arg(folder);
        // What Ctrl-C ends must not be what clears away.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        Ok(Guardian { waiting: shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()? })
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // The end of its input is its sign.
        drop(self.waiting.stdin.take());
        // Without it the next network clears away.
        let _ = self.waiting.wait();
    }
}

/// Deletes what is left of networks whose process is gone: their guardians were killed, too.
pub(super) fn clear_leftovers(prefix: &str) {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in listed.lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let clearing =
                Command::new("sh").args(["-c", CLEAR, "clear", name]).stderr(Stdio::null()).status();
            // Another test process may be doing the same.
            let _ = clearing;
        }
    }
}

const SCRIPT: &str = r#"
read -r _
names=$(ip netns list | cut -d' ' -f1 | grep "^$1-")
for name in $names; do ip netns pids "$name"; done | xargs -r kill -9 2>/dev/null
for name in $names; do echo "netns del $name"; done | ip -force -batch -
rm -rf "$2"
"#;

const CLEAR: &str = r#"ip netns pids "$1" | xargs -r kill -9; ip netns del "$1""#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::{Lan, PREFIX};

    #[test]
    fn nothing_is_left_of_a_network_when_its_guardian_has_seen_the_end() {
        if let Err(why) = Lan::available() {
            return println!("skipped: {why}");
        }
        let prefix = format!("{PREFIX}{}-guarded", std::process::id());
        let namespace = format!("{prefix}-1");
        let folder = tempfile::tempdir().unwrap().keep();
        let guardian = Guardian::of(&prefix, &folder).unwrap();
        let made = Command::new("ip").args(["netns", "add", &namespace]).status().unwrap();
        assert!(made.success());
        let mut within =
            Command::new("ip").args(["netns", "exec", &namespace, "sleep", "600"]).spawn().unwrap();
        drop(guardian);
        assert!(!Path::new("/run/netns").join(&namespace).exists());
        assert!(!folder.exists());
        assert_eq!(within.wait().unwrap().code(), None, "the program was not killed");
    }
}

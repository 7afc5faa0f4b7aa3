//! A program under test, whose output lines can be waited for.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running program that prints JSON lines. It is killed when this is dropped.
pub struct Process {
    label: String,
    child: Child,
    out: Arc<Captured>,
    err: Arc<Captured>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// `None` if a signal killed it.
    pub code: Option<i32>,
    pub lines: Vec<Value>,
    pub stderr: String,
}

impl Process {
    /// Starts `command`; `label` names it in what failing tests print.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(label: impl Into<String>, command: &mut Command) -> Process {
        let label = label.into();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{label} does not start: {error}"));
        let out = Captured::read(child.stdout.take().expect("standard output is piped"));
        let err = Captured::read(child.stderr.take().expect("standard error is piped"));
        Process { label, child, out, err }
    }

    /// The first line, from the very beginning on, for which `fits` holds, waiting until it is printed.
    ///
    /// # Panics
    /// When it was not printed `within` this time; the panic shows all that was printed.
    pub fn wait_for(&self, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_timed(what, within, fits).1
    }

    /// As [`Process::wait_for`], with the moment at which the line came.
    ///
    /// # Panics
    /// As [`Process::wait_for`].
    pub fn wait_timed(
        &self,
        what: &str,
        within: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> (Instant, Value) {
        self.find(within, fits).unwrap_or_else(|| self.give_up(&format!("no {what} within {within:?}")))
    }

    /// As [`Process::wait_for`], or `None` when the program ends without printing such a line.
    ///
    /// # Panics
    /// When it neither prints it nor ends `within` this time.
    pub fn wait_unless_ended(
        &self,
        what: &str,
        within: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let found = self.find(within, fits);
        if found.is_none() && !self.out.lock().closed {
            self.give_up(&format!("no {what} within {within:?}"));
        }
        found.map(|(_, value)| value)
    }

    /// The JSON lines up to now.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lock().lines.iter().filter_map(|(_, line)| serde_json::from_str(line).ok()).collect()
    }

    /// Standard error up to now.
    pub fn stderr(&self) -> String {
        self.err.text()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as the system does (SIGTERM).
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot signal {}", self.label);
    }

    /// Ends it at once, without a goodbye (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended `within` this time.
    pub fn finish(mut self, within: Duration) -> Finished {
        let deadline = Instant::now() + within;
        // Whoever ends closes both, so that no polling is needed up to here.
        for captured in [&self.out, &self.err] {
            let left = deadline.saturating_duration_since(Instant::now());
            if captured.wait(left, |lines| lines.closed.then_some(())).is_none() {
                self.give_up(&format!("no end within {within:?}"));
            }
        }
        let status = self.child.wait().expect("it can be waited for");
        Finished { code: status.code(), lines: self.lines(), stderr: self.stderr() }
    }

    fn find(&self, within: Duration, fits: impl Fn(&Value) -> bool) -> Option<(Instant, Value)> {
        self.out.wait(within, |lines| {
            lines.lines.iter().find_map(|(at, line)| {
                let value = serde_json::from_str(line).ok()?;
                fits(&value).then_some((*at, value))
            })
        })
    }

    fn give_up(&self, why: &str) -> ! {
        panic!(
            "{}: {why}\nstandard output:\n{}\nstandard error:\n{}",
            self.label,
            self.out.text(),
            self.err.text()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used of all cores since its start, in user and kernel; 0 when it is gone.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; after it come the fields from the third on.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// A line of the kernel's about a process's memory (`VmRSS:` now, `VmHWM:` at most), in MB; 0 when it is gone.
pub fn memory(process: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib =
        status.lines().find_map(|known| known.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// USER_HZ, the same on every Linux that Lanyard runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// One output of a program, line by line, with the moments of arrival.
#[derive(Default)]
struct Captured {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<(Instant, String)>,
    closed: bool,
}

impl Captured {
    fn read(output: impl Read + Send + 'static) -> Arc<Captured> {
        let captured = Arc::new(Captured::default());
        let writer = captured.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                writer.lock().lines.push((Instant::now(), line));
                writer.changed.notify_all();
            }
            writer.lock().closed = true;
            writer.changed.notify_all();
        });
        captured
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `find` finds something, the output ends or the time is over.
    fn wait<T>(&self, within: Duration, find: impl Fn(&Lines) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut lines = self.lock();
        loop {
            let found = find(&lines);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || lines.closed || left.is_zero() {
                return found;
            }
            lines = self.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn text(&self) -> String {
        self.lock().lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::start("a script", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_line_that_came_before_it_was_waited_for_is_found() {
        let process = shell("echo '{\"n\":1}'; echo noise; echo '{\"n\":2}'; exec sleep 600");
        assert_eq!(process.wait_for("second", SOON, |line| line["n"] == 2)["n"], 2);
        assert_eq!(process.wait_for("first", SOON, |line| line["n"] == 1)["n"], 1);
    }

    #[test]
    fn the_end_of_a_program_is_told_with_all_it_printed() {
        let finished = shell("echo '{\"n\":1}'; echo why >&2; exit 3").finish(SOON);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(3), "why\n"));
        assert_eq!(finished.lines.len(), 1);
    }

    #[test]
    #[should_panic(expected = "a script: no dance within")]
    fn waiting_for_what_never_comes_ends_with_the_program() {
        shell("echo '{\"n\":1}'").wait_for("dance", SOON, |line| line["dance"] == true);
    }

    #[test]
    fn a_program_that_is_asked_to_end_was_killed_by_a_signal() {
        let process = shell("echo '{}'; exec sleep 600");
        process.wait_for("start", SOON, |_| true);
        process.terminate();
        assert_eq!(process.finish(SOON).code, None);
    }
}

//! A program and all that it starts.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// Killed as a whole when this is dropped.
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts a program; its standard output is read by whoever takes it.
    pub fn start(command: &mut Command) -> Group {
        let started = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Group { child: started.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")) }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("it is taken once")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

//! A program and all that it starts.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

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

    /// Starts a program that is spoken to: its standard input is written by whoever takes it.
    pub fn listening(command: &mut Command) -> Group {
        let started = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Group { child: started.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")) }
    }

    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is taken once")
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

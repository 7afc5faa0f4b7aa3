//! Why a verb did not do what it was told, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use lanyard_engine::api::{ApiError, ErrorCode};

use crate::text;

/// The exit codes are part of the interface: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Failed = 1,
    WrongUse = 2,
    NobodyThere = 3,
    Refused = 4,
    TimedOut = 5,
}

/// How a verb can end other than by success.
#[derive(Debug)]
pub enum Failure {
    Said {
        exit: Exit,
        message: String,
    },
    /// Whoever read our standard output has seen enough.
    ReaderGone,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure::Said { exit, message: message.into() }
    }

    /// Tells the person, and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::ReaderGone => ExitCode::SUCCESS,
            Failure::Said { exit, message } => {
                anstream::eprintln!("lanyard: {}", text::paragraph(&message, ""));
                ExitCode::from(exit as u8)
            }
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        let exit = match error.code {
            ErrorCode::Invalid => Exit::WrongUse,
            ErrorCode::NotFound => Exit::NobodyThere,
            ErrorCode::Refused => Exit::Refused,
            ErrorCode::TimedOut => Exit::TimedOut,
            ErrorCode::NoSuch
            | ErrorCode::Storage
            | ErrorCode::Network
            | ErrorCode::ProfileInUse
            | ErrorCode::Internal => Exit::Failed,
        };
        Failure::new(exit, error.message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}

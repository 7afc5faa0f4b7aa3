//! Why something cannot be done.

use serde::{Deserialize, Serialize};

use crate::saying::{Filling, Saying, Says};

/// Why a command was not carried out: a code to branch on, and a sentence that says what and what next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct ApiError {
    pub code: ErrorCode,
    /// The sentence in English.
    pub message: String,
    /// The same sentence as it can be said in another language, where it is not only the system's.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<Saying>,
}

impl ApiError {
    /// An error in words that are not ours: they stay as they are. See [`crate::says!`].
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), says: None }
    }

    /// An error that can be told in another language, too.
    pub fn says(code: ErrorCode, saying: Saying) -> ApiError {
        ApiError { code, message: saying.to_string(), says: Some(saying) }
    }

    /// An error in the words of another one.
    pub fn of(code: ErrorCode, error: &impl Says) -> ApiError {
        match error.filling() {
            Filling::Text(message) => ApiError::new(code, message),
            Filling::Saying(saying) => ApiError::says(code, saying),
        }
    }
}

/// Only what a shell branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The command makes no sense as given; exit code 2.
    Invalid,
    /// No such person, or not here right now; exit code 3.
    NotFound,
    /// No such room, message, invite, transfer, shared folder or file; exit code 1.
    NoSuch,
    /// The other side, or a rule, said no; exit code 4.
    Refused,
    /// Nothing happened in time; exit code 5.
    TimedOut,
    /// The disk or the database failed; exit code 1.
    Storage,
    /// The network failed; exit code 1.
    Network,
    /// Another node runs this profile; exit code 1.
    ProfileInUse,
    /// A bug of ours; exit code 1.
    Internal,
}

//! Why the store could not do what it was asked to.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode as Sqlite, ffi};

use crate::api::{ApiError, ErrorCode};
use crate::saying;
use crate::saying::{Filling, Says};

/// Each is a whole sentence or more for a person: what is wrong and what next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.filling())]
pub enum StoreError {
    Unusable {
        path: PathBuf,
        reason: Filling,
    },
    Foreign {
        path: PathBuf,
    },
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    Damaged {
        path: PathBuf,
        reason: String,
    },
    Full,
    Failed {
        reason: String,
    },
    /// What should be stored contradicts what is stored: memory and disk disagree.
    Contradiction {
        reason: String,
    },
    /// [`super::Store::close`] came before.
    Closed,
}

impl Says for StoreError {
    fn filling(&self) -> Filling {
        let saying = match self {
            StoreError::Unusable { path, reason } => saying!(
                "Lanyard cannot use its database {path}: {reason}. Make sure that the folder exists and that you may \
                 write there, then start Lanyard again.",
                path,
                reason
            ),
            StoreError::Foreign { path } => saying!(
                "{path} is not a Lanyard database. Move it away or choose another profile folder.",
                path
            ),
            StoreError::Newer { path, found, known } => saying!(
                "The database {path} was written by a newer version of Lanyard (format {found}, this version knows \
                 {known}). Update Lanyard, or choose another profile folder.",
                path,
                found,
                known
            ),
            StoreError::Damaged { path, reason } => saying!(
                "The database {path} is damaged: {reason}. Restore it from a backup, or move it away to begin with an \
                 empty history.",
                path,
                reason
            ),
            StoreError::Full => saying!(
                "The disk is full, so Lanyard cannot save anything more. Nothing that was saved is lost. Free some \
                 space, then start Lanyard again."
            ),
            StoreError::Failed { reason } => saying!(
                "Lanyard's database failed: {reason}. Check the disk, then start Lanyard again.",
                reason
            ),
            StoreError::Contradiction { reason } => saying!(
                "Lanyard's history contradicts itself ({reason}). This is a mistake in Lanyard; please report it.",
                reason
            ),
            StoreError::Closed => saying!("Lanyard's database is closed. Start Lanyard again."),
        };
        saying.into()
    }
}

impl StoreError {
    /// Puts a failure while opening into words that name the file.
    pub(super) fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        move |error| match StoreError::from(error) {
            StoreError::Failed { reason } => {
                StoreError::Unusable { path: path.to_owned(), reason: reason.filling() }
            }
            other => other.locate(path),
        }
    }

    /// Names the file where the error itself could not know it.
    pub(super) fn locate(self, path: &Path) -> StoreError {
        match self {
            StoreError::Foreign { .. } => StoreError::Foreign { path: path.to_owned() },
            StoreError::Damaged { reason, .. } => StoreError::Damaged { path: path.to_owned(), reason },
            other => other,
        }
    }

    /// A stored value that this version never writes.
    pub(super) fn unreadable(what: &str) -> StoreError {
        StoreError::damaged(format!("it holds {what} that makes no sense"))
    }

    /// Damage whose file [`StoreError::locate`] names.
    pub(super) fn damaged(reason: String) -> StoreError {
        StoreError::Damaged { path: PathBuf::new(), reason }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        // SQLite tells a full disk in two ways: a write that does not fit, and a shared-memory file that cannot grow.
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(Sqlite::DiskFull) => StoreError::Full,
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full,
            Some(Sqlite::NotADatabase) => StoreError::Foreign { path: PathBuf::new() },
            Some(Sqlite::DatabaseCorrupt) => StoreError::damaged(error.to_string()),
            _ => StoreError::Failed { reason: error.to_string() },
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let code = match error {
            StoreError::Contradiction { .. } | StoreError::Closed => ErrorCode::Internal,
            _ => ErrorCode::Storage,
        };
        ApiError::of(code, &error)
    }
}

//! Opening the database: whose it is, which version, and how both connections are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;
use super::witness;
use crate::saying::Says;

/// Opens the connection that writes, creating or migrating the database as needed.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    // SQLite would create a file that others can read; the log beside it takes over the database's mode.
    witness::private().create(true).truncate(false).open(path).map_err(|error| unusable(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(StoreError::opening(path))?;
    belongs_to_us(&connection, path)?;
    set_up_writer(&connection).map_err(StoreError::opening(path))?;
    migrate(&mut connection, MIGRATIONS).map_err(StoreError::opening(path))?;
    Ok(connection)
}

/// Opens a connection that only reads, after [`open_for_writing`].
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::opening(path))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::opening(path))?;
    keep_statements(&connection).map_err(StoreError::opening(path))?;
    Ok(connection)
}

/// Checks the structure of the database, which takes a second for each few hundred megabytes.
pub(super) fn quick_check(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::damaged(found)) }
}

fn belongs_to_us(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(StoreError::opening(path))?;
    let version = number("PRAGMA user_version").map_err(StoreError::opening(path))?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(StoreError::opening(path))?;
    let known = MIGRATIONS.len() as i64;
    match application {
        APPLICATION_ID if version > known => {
            Err(StoreError::Newer { path: path.to_owned(), found: version, known })
        }
        APPLICATION_ID => Ok(()),
        0 if version == 0 && tables == 0 => Ok(()),
        _ => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// Statements stay compiled. Without the second line SQLite compiles each that has a bound LIMIT again whenever another value
/// is bound to it, to plan by the value; that was a third of the writer's work.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_statements(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS keeps what was synced in the drive's cache unless told otherwise; elsewhere this means nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", MAX_JOURNAL_BYTES)
}

/// Applies the migrations that the database has not seen, each whole or not at all.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let seen: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (number, migration) in migrations.iter().enumerate().skip(seen as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn unusable(path: &Path, error: impl Says) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), reason: error.filling() }
}

/// In order; a database's `user_version` says how many it has seen. What was released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("intervals.sql"),
    include_str!("schema_messages.sql"),
    include_str!("private.sql"),
    include_str!("copies.sql"),
    include_str!("offers.sql"),
    include_str!("mailbox.sql"),
    include_str!("arrivals.sql"),
    include_str!("own_logs.sql"),
    include_str!("queue.sql"),
    include_str!("parts.sql"),
    include_str!("shares.sql"),
    include_str!("gets.sql"),
    include_str!("placed.sql"),
    include_str!("choices.sql"),
    include_str!("trust.sql"),
    include_str!("clock.sql"),
    include_str!("topics.sql"),
    include_str!("notifications.sql"),
    include_str!("interfaces.sql"),
    include_str!("calls.sql"),
];

/// "LNYD": tells our databases from those of other programs.
const APPLICATION_ID: i64 = 0x4c4e_5944;

/// How long to wait for somebody else's lock, such as a backup program's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept compiled by each connection: more than either has.
const STATEMENTS: usize = 64;

/// Memory of the writing connection: the index of entry ids is written in random places, and they should be at hand.
const CACHE_KIB: i64 = 16 << 10;

/// Pages of 4 KiB in the write-ahead log before its content moves into the database.
const CHECKPOINT_PAGES: i64 = 1000;

/// Bytes to which the write-ahead log is cut after it grew in a long read.
const MAX_JOURNAL_BYTES: i64 = 64 << 20;

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn each_migration_runs_once_and_one_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE cup (size INTEGER NOT NULL) STRICT";
        let second = "INSERT INTO cup (size) VALUES (3)";
        let broken = "INSERT INTO cup (size) VALUES (4); SELECT nothing";
        migrate(&mut connection, &[first]).unwrap();
        migrate(&mut connection, &[first, second]).unwrap();
        migrate(&mut connection, &[first, second]).unwrap();
        assert!(migrate(&mut connection, &[first, second, broken]).is_err());
        let found: (i64, i64, i64) = connection
            .query_row(
                "SELECT count(*), max(size), (SELECT user_version FROM pragma_user_version) FROM cup",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(found, (1, 3, 2));
    }

    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lanyard.db");
        for connection in [open_for_writing(&path).unwrap(), open_for_reading(&path).unwrap()] {
            let mut statement = connection.prepare("SELECT id FROM entry WHERE id > ? LIMIT ?").unwrap();
            for limit in 1..5 {
                assert!(!statement.exists([7, limit]).unwrap());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}

//! Which network interfaces a person wants to be used.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::writer::Write;
use super::{Durable, Store, StoreError};
use crate::api::InterfaceChoice;

impl Store {
    /// What was chosen, by the names of interfaces; of others nothing was.
    pub async fn interface_choices(&self) -> Result<BTreeMap<String, InterfaceChoice>, StoreError> {
        self.reader.ask(choices).await
    }

    /// Keeps what is chosen of an interface. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn use_interface(&self, name: String, choice: InterfaceChoice) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Interface(name, choice)).await
    }
}

fn choices(connection: &Connection) -> Result<BTreeMap<String, InterfaceChoice>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT name, used FROM interface_choice")?;
    let choice = |used| if used { InterfaceChoice::Always } else { InterfaceChoice::Never };
    let choices = statement.query_map([], |row| Ok((row.get(0)?, choice(row.get(1)?))))?;
    Ok(choices.collect::<Result<_, _>>()?)
}

pub(super) fn write(
    transaction: &Transaction,
    name: &str,
    choice: InterfaceChoice,
) -> Result<(), StoreError> {
    let used = match choice {
        InterfaceChoice::Automatic => None,
        InterfaceChoice::Always => Some(true),
        InterfaceChoice::Never => Some(false),
    };
    match used {
        Some(used) => transaction
            .prepare_cached(
                "INSERT INTO interface_choice (name, used) VALUES (?, ?)
                 ON CONFLICT (name) DO UPDATE SET used = excluded.used",
            )?
            .execute(params![name, used])?,
        None => transaction.prepare_cached("DELETE FROM interface_choice WHERE name = ?")?.execute([name])?,
    };
    Ok(())
}

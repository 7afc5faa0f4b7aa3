//! SQLite on one thread: commit a batch, read a page.

//! A new file in a person's folder: written aside, and named only when it is whole.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};

use super::names;
use super::place::place;
use crate::saying;

/// A file that is being written. What is dropped before [`Fresh::finish`] leaves nothing behind.
pub struct Fresh {
    folder: Dir,
    /// Its name until it is whole.
    aside: String,
    file: Option<BufWriter<File>>,
}

impl Fresh {
    /// # Errors
    /// If the folder cannot be written in, or the system has no randomness to give.
    pub fn begin(folder: &Path) -> io::Result<Fresh> {
        let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
        let aside = format!(".lanyard-{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let file = folder.open_with(&aside, OpenOptions::new().write(true).create_new(true))?;
        Ok(Fresh { folder, aside, file: Some(BufWriter::new(file)) })
    }

    /// Gives it its name, made safe, with a number if something has that name already; and says which it is.
    ///
    /// # Errors
    /// If not all could be written, or not under any of the first [`MAX_TWINS`] names.
    pub fn finish(mut self, name: &str) -> io::Result<String> {
        if let Some(file) = self.file.take() {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        let name = names::safe(name);
        for number in 1..=MAX_TWINS {
            let twin = || names::numbered(&name, number, names::MAX_NAME_BYTES);
            let name = if number == 1 { name.clone() } else { twin() };
            match place(&self.folder, &self.aside, &self.folder, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(name),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, saying!("too many files of this name")))
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        drop(self.file.take());
        // After it was named there is nothing under this one.
        let _ = self.folder.remove_file(&self.aside);
    }
}

/// Files of one name in one folder.
const MAX_TWINS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_replaces_nothing_and_one_that_was_not_finished_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a.txt"), "old").unwrap();
        let mut fresh = Fresh::begin(home.path()).unwrap();
        fresh.write_all(b"new").unwrap();
        assert_eq!(fresh.finish("../a.txt").unwrap(), ".._a.txt");
        let mut fresh = Fresh::begin(home.path()).unwrap();
        fresh.write_all(b"new").unwrap();
        assert_eq!(fresh.finish("a.txt").unwrap(), "a (2).txt");
        drop(Fresh::begin(home.path()).unwrap());
        let mut names: Vec<_> =
            std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".._a.txt", "a (2).txt", "a.txt"]);
        assert_eq!(std::fs::read(home.path().join("a.txt")).unwrap(), b"old");
        assert_eq!(std::fs::read(home.path().join("a (2).txt")).unwrap(), b"new");
    }
}

//! The folder that holds the table, locked for one process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{EngineError, Place};

/// An open, locked folder. The operating system drops the lock with the
/// process, however it ends.
#[derive(Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    lock: File,
    /// Removes the folder when it goes; last, after the lock is closed.
    _temporary: Option<TempDir>,
}

impl Home {
    pub(crate) fn open(place: Place) -> Result<Self, EngineError> {
        let (folder, temporary) = match place {
            Place::Folder(folder) => (folder, None),
            Place::Memory => temporary_folder()?,
        };
        let lock = lock(&folder)?;
        Ok(Self { folder, lock, _temporary: temporary })
    }

    pub(crate) fn table_file(&self) -> PathBuf {
        self.folder.join("table.sqlite")
    }
}

impl Drop for Home {
    /// Closing the file is not enough: a child process that is just being started
    /// holds it open for a moment.
    fn drop(&mut self) {
        // What can't be unlocked is closed in a moment.
        let _ = self.lock.unlock();
    }
}

fn temporary_folder() -> Result<(PathBuf, Option<TempDir>), EngineError> {
    let temporary = tempfile::Builder::new()
        .prefix("carillon-")
        .tempdir()
        .map_err(|source| unusable(&std::env::temp_dir(), source))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    fs::create_dir_all(folder).map_err(|source| unusable(folder, source))?;
    let file = File::create(folder.join("lock")).map_err(|source| unusable(folder, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(folder, source)),
    }
}

fn unusable(folder: &Path, source: io::Error) -> EngineError {
    EngineError::Folder { folder: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_leaves_nothing_behind() -> Result<(), EngineError> {
        let home = Home::open(Place::Memory)?;
        let folder = home.folder.clone();
        assert!(folder.join("lock").exists());

        drop(home);

        assert!(!folder.exists());
        Ok(())
    }
}

//! The data folder. A file lock reserves it for one process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::EngineError;

/// Where the engines store the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In a temporary folder. Dropping the engines removes it.
    Temporary,
    /// In this folder, created if missing. It holds `table.sqlite` and `lock`.
    Folder(PathBuf),
}

/// An open, locked data folder. The operating system releases the lock when the
/// process ends, even after `kill -9`.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    lock: File,
    /// Removes a temporary folder on drop. Fields drop in order, so the lock file
    /// is closed first.
    _temporary: Option<TempDir>,
}

impl DataFolder {
    pub(crate) fn open(storage: Storage) -> Result<Self, EngineError> {
        let (path, temporary) = match storage {
            Storage::Folder(path) => (path, None),
            Storage::Temporary => create_temporary()?,
        };
        let lock = lock(&path)?;
        Ok(Self { path, lock, _temporary: temporary })
    }

    pub(crate) fn table_file(&self) -> PathBuf {
        self.path.join("table.sqlite")
    }
}

impl Drop for DataFolder {
    /// Unlocks explicitly: a child process that is being spawned inherits the open
    /// file for a moment, so closing it does not always release the lock at once.
    fn drop(&mut self) {
        // If unlocking fails, closing the file releases the lock.
        let _ = self.lock.unlock();
    }
}

fn create_temporary() -> Result<(PathBuf, Option<TempDir>), EngineError> {
    let temporary = tempfile::Builder::new()
        .prefix("carillon-")
        .tempdir()
        .map_err(|source| folder_error(&std::env::temp_dir(), source))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    fs::create_dir_all(folder).map_err(|source| folder_error(folder, source))?;
    let file = File::create(folder.join("lock")).map_err(|source| folder_error(folder, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(folder_error(folder, source)),
    }
}

fn folder_error(folder: &Path, source: io::Error) -> EngineError {
    EngineError::Folder { folder: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_removed_on_drop() -> Result<(), EngineError> {
        let folder = DataFolder::open(Storage::Temporary)?;
        let path = folder.path.clone();
        assert!(path.join("lock").exists());

        drop(folder);

        assert!(!path.exists());
        Ok(())
    }
}

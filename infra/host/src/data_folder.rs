use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon::api_key;
use carillon::ids::IdSource;
use secrecy::{ExposeSecret, SecretString};

/// Name of the table's file. The embedded engine creates it.
const TABLE_FILE: &str = "table.sqlite";
/// Name of the lock file. The embedded engine holds the lock while it runs.
const LOCK_FILE: &str = "lock";
/// Name of the file that marks a folder as retired.
const RETIRED_FILE: &str = "retired";
const ADMIN_KEY_FILE: &str = "admin-key";
/// The address that the host listens on.
const ADDRESS_FILE: &str = "address";
const SECRETS_KEY_FILE: &str = "secrets-key";
const ADDRESS_KEY_FILE: &str = "address-key";

/// A data folder: the table, the first API key, and the key that encrypts the
/// connections' secrets.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// A file or the folder itself cannot be created, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("the folder {} is in use by another Carillon process", .0.display())]
    InUse(PathBuf),
    /// The folder's data was exported with `--retire`.
    #[error(
        "the data of this folder was exported and the folder retired. Starting it again would send twice.\nIf the export was never imported elsewhere, delete {} and start again.",
        .0.display()
    )]
    Retired(PathBuf),
}

impl DataFolder {
    /// Opens a folder; creates it if it does not exist, readable by its owner only.
    ///
    /// # Errors
    /// [`DataFolderError::Retired`] if the folder is retired.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        create_private_folder(path).map_err(|source| file_error(path, source))?;
        let retired = path.join(RETIRED_FILE);
        if retired.exists() {
            return Err(DataFolderError::Retired(retired));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Returns whether the folder `path` holds a table.
    pub fn has_table(path: &Path) -> bool {
        path.join(TABLE_FILE).exists()
    }

    /// Checks that no other process uses the folder, before anything in it changes.
    /// The embedded engine takes the lock when it starts.
    ///
    /// # Errors
    /// [`DataFolderError::InUse`] if another process holds the lock.
    pub fn ensure_unlocked(&self) -> Result<(), DataFolderError> {
        let lock_file = self.path.join(LOCK_FILE);
        let lock = File::create(&lock_file).map_err(|source| file_error(&lock_file, source))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse(self.path.clone())),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Marks the folder as retired, after its data was exported. [`DataFolder::open`]
    /// refuses it from then on.
    pub fn retire(&self) -> Result<(), DataFolderError> {
        let path = self.path.join(RETIRED_FILE);
        write_private_file(&path, "exported\n").map_err(|source| file_error(&path, source))
    }

    /// Stores the address that the host listens on: the stored API key belongs to it.
    pub fn record_address(&self, url: &str) -> Result<(), DataFolderError> {
        let path = self.path.join(ADDRESS_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&path, error));
            }
            Ok(()) | Err(_) => {}
        }
        write_private_file(&path, &format!("{url}\n")).map_err(|source| file_error(&path, source))
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first API key: `configured` if given, else the one stored in the folder,
    /// which is generated on first use.
    pub fn admin_key(
        &self,
        configured: Option<SecretString>,
        ids: &IdSource,
    ) -> Result<SecretString, DataFolderError> {
        match configured {
            Some(key) => Ok(key),
            None => self.load_or_generate(ADMIN_KEY_FILE, || api_key::generate(ids)),
        }
    }

    /// The key that encrypts the connections' secrets: `configured` if given, else the
    /// one stored in the folder, which is generated on first use.
    pub fn secrets_key(
        &self,
        configured: Option<SecretString>,
        ids: &IdSource,
    ) -> Result<SecretString, DataFolderError> {
        match configured {
            Some(key) => Ok(key),
            None => self
                .load_or_generate(SECRETS_KEY_FILE, || BASE64_STANDARD.encode(ids.bytes::<32>())),
        }
    }

    /// The key that hashes addresses: the one stored in the folder, which on first use is
    /// `imported` or generated. Every address in the folder is found by it: keep it with each
    /// backup.
    pub fn address_key(
        &self,
        imported: Option<&SecretString>,
        ids: &IdSource,
    ) -> Result<SecretString, DataFolderError> {
        self.load_or_generate(ADDRESS_KEY_FILE, || match imported {
            Some(key) => key.expose_secret().trim().to_owned(),
            None => BASE64_STANDARD.encode(ids.bytes::<32>()),
        })
    }

    fn load_or_generate(
        &self,
        name: &str,
        generate: impl Fn() -> String,
    ) -> Result<SecretString, DataFolderError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = generate();
                write_private_file(&path, &text).map_err(|source| file_error(&path, source))?;
                Ok(text.into())
            }
            Err(source) => Err(file_error(&path, source)),
        }
    }
}

fn file_error(path: &Path, source: io::Error) -> DataFolderError {
    DataFolderError::File { path: path.to_owned(), source }
}

/// Creates a folder with mode 0700. An existing folder keeps its mode.
fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a new file with mode 0600. Fails if the file exists.
fn write_private_file(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_generated_key_is_stored_and_a_configured_key_takes_precedence() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&root.path().join("data")).unwrap();
        let generated = folder.admin_key(None, &IdSource::seeded(1)).unwrap();
        let loaded = folder.admin_key(None, &IdSource::seeded(2)).unwrap();
        assert_eq!(generated.expose_secret(), loaded.expose_secret());
        let configured = folder.admin_key(Some("configured".into()), &IdSource::seeded(3)).unwrap();
        assert_eq!(configured.expose_secret(), "configured");
    }

    #[test]
    fn a_retired_folder_is_refused() {
        let root = tempfile::tempdir().unwrap();
        DataFolder::open(root.path()).unwrap().retire().unwrap();
        assert!(matches!(DataFolder::open(root.path()), Err(DataFolderError::Retired(_))));
    }

    #[test]
    fn a_locked_folder_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).unwrap();
        folder.ensure_unlocked().unwrap();
        let lock = File::create(root.path().join(LOCK_FILE)).unwrap();
        lock.lock().unwrap();
        assert!(matches!(folder.ensure_unlocked(), Err(DataFolderError::InUse(_))));
    }
}

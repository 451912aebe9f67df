use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon::ids::IdSource;
use secrecy::SecretString;

/// The data folder: the table, and the two secrets that must outlive a restart.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// The data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file of it.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its data moved elsewhere.
    #[error(
        "the data of this folder was exported to move elsewhere; sending from here too would send twice.\nIf it never went anywhere, delete {} and start again.",
        .0.display()
    )]
    Retired(PathBuf),
}

/// What a folder is marked with whose data moved elsewhere.
const RETIRED: &str = "retired";

impl Home {
    /// The folder, made if it isn't there.
    pub fn open(folder: &Path) -> Result<Self, HomeError> {
        let home = Self { folder: folder.to_owned() };
        make_private(folder).map_err(|source| error(folder, source))?;
        let retired = folder.join(RETIRED);
        if retired.exists() { Err(HomeError::Retired(retired)) } else { Ok(home) }
    }

    /// Marks the folder: its data moved elsewhere, and it is never opened again.
    pub fn retire(&self) -> Result<(), HomeError> {
        let path = self.folder.join(RETIRED);
        write_private(&path, "exported\n").map_err(|source| error(&path, source))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first API key: `given`, else the one of the last start, else a new one.
    pub fn admin_key(
        &self,
        given: Option<SecretString>,
        ids: &IdSource,
    ) -> Result<SecretString, HomeError> {
        match given {
            Some(key) => Ok(key),
            None => self.kept("admin-key", || carillon::key::generate(ids)),
        }
    }

    /// The key that seals connections' secrets: `given`, else the folder's own.
    pub fn secrets_key(
        &self,
        given: Option<SecretString>,
        ids: &IdSource,
    ) -> Result<SecretString, HomeError> {
        match given {
            Some(key) => Ok(key),
            None => self.kept("secrets-key", || BASE64_STANDARD.encode(ids.bytes::<32>())),
        }
    }

    /// The text in a file that only its owner can read, made on first use.
    fn kept(&self, name: &str, make: impl Fn() -> String) -> Result<SecretString, HomeError> {
        let path = self.folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                let text = make();
                write_private(&path, &text).map_err(|source| error(&path, source))?;
                Ok(text.into())
            }
            Err(source) => Err(error(&path, source)),
        }
    }
}

fn error(path: &Path, source: io::Error) -> HomeError {
    HomeError::File { path: path.to_owned(), source }
}

/// Makes a folder that only its owner can look into; one that is there stays as it is.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

//! The file of profiles: `carillon/config.json` in the user's configuration folder.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// The addresses that the user has logged in to, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// The profile that is used where none is named.
    current: Option<String>,
    profiles: BTreeMap<String, Profile>,
}

/// An address and the key that belongs to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) url: String,
    #[serde(serialize_with = "exposed")]
    pub(crate) key: SecretString,
}

/// Why the profiles cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfilesError {
    #[error("no folder for the configuration: set CARILLON_CONFIG to the path of a file")]
    NoFolder,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: the JSON is invalid: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error(
        "no profile is called {0:?}; `carillon profiles list` shows them, and `carillon login --profile {0}` makes it"
    )]
    Unknown(String),
}

impl Profiles {
    /// The path of the file: `CARILLON_CONFIG`, or in the user's configuration folder.
    pub(crate) fn path() -> Result<PathBuf, ProfilesError> {
        let variable =
            |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = || {
            let of_home = || variable("HOME").map(|home| home.join(".config"));
            variable("XDG_CONFIG_HOME").or_else(|| variable("APPDATA")).or_else(of_home)
        };
        variable("CARILLON_CONFIG")
            .or_else(|| folder().map(|folder| folder.join("carillon").join("config.json")))
            .ok_or(ProfilesError::NoFolder)
    }

    /// The stored profiles; none where there is no file.
    pub(crate) fn load() -> Result<Self, ProfilesError> {
        Self::path().map_or_else(|_| Ok(Self::default()), |path| Self::read(&path))
    }

    fn read(path: &Path) -> Result<Self, ProfilesError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|source| ProfilesError::File { path: path.to_owned(), source })?,
        };
        serde_json::from_str(&text)
            .map_err(|source| ProfilesError::Json { path: path.to_owned(), source })
    }

    /// Stores the profiles in a file that only the user can read.
    pub(crate) fn store(&self) -> Result<PathBuf, ProfilesError> {
        let path = Self::path()?;
        self.write(&path).map_err(|source| ProfilesError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// The file is written beside the old one and takes its place, so that it is never half
    /// written.
    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let new = path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = private_file(&new)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, path)
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Profile, ProfilesError> {
        self.profiles.get(name).ok_or_else(|| ProfilesError::Unknown(name.to_owned()))
    }

    /// The profile that is used where none is named.
    pub(crate) fn current(&self) -> Option<(&str, &Profile)> {
        let name = self.current.as_deref()?;
        Some((name, self.profiles.get(name)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// Adds or replaces a profile, which becomes the current one.
    pub(crate) fn put(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
        self.current = Some(name.to_owned());
    }

    pub(crate) fn make_current(&mut self, name: &str) -> Result<(), ProfilesError> {
        self.get(name)?;
        self.current = Some(name.to_owned());
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<(), ProfilesError> {
        self.get(name)?;
        self.profiles.remove(name);
        self.current.take_if(|current| current == name);
        Ok(())
    }
}

fn exposed<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(url: &str, key: &str) -> Profile {
        Profile { url: url.to_owned(), key: key.into() }
    }

    #[test]
    fn profiles_are_stored_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join("config.json");
        let mut profiles = Profiles::read(&path).unwrap();
        assert!(profiles.current().is_none());
        profiles.put("shop", profile("https://api.example.com", "secret"));
        profiles.write(&path).unwrap();
        profiles.write(&path).unwrap();

        let read = Profiles::read(&path).unwrap();
        let (name, profile) = read.current().unwrap();
        assert_eq!((name, profile.key.expose_secret()), ("shop", "secret"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_removed_profile_is_not_current() {
        let mut profiles = Profiles::default();
        profiles.put("a", profile("http://a", "1"));
        profiles.put("b", profile("http://b", "2"));
        assert!(profiles.make_current("c").is_err() && profiles.remove("c").is_err());
        profiles.make_current("a").unwrap();
        assert_eq!(profiles.current().unwrap().0, "a");
        profiles.remove("a").unwrap();
        assert!(profiles.current().is_none() && profiles.get("b").is_ok());
    }
}

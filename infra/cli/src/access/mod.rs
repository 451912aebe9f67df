//! Which Carillon a command calls, and with which key. A key belongs to one address and is
//! sent to no other.

mod folder;
mod origin;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use folder::Folder;
use origin::is_same_address;

use crate::client::Client;
use crate::error::CommandError;
use crate::profiles::{Profile, Profiles};

/// The address of `carillon serve` without other options.
pub(crate) const LOCAL_URL: &str = "http://127.0.0.1:8080";

/// The API's address and key, as options and variables give them.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// URL of the API. Default: the profile's; without a profile, the `carillon serve` of this
    /// folder, or port 8080 of this machine.
    #[arg(
        long,
        global = true,
        env = "CARILLON_URL",
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) url: Option<String>,

    /// API key, also in `CARILLON_API_KEY`. Default: the profile's, or the one that `carillon serve` stores in
    /// ./.carillon/admin-key. A stored key is sent to its own address only. A key that is given here
    /// goes to --url, to the address of --profile, or to port 8080 of this machine.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) key: Option<SecretString>,

    /// The key of the environment, which a profile that is named goes before.
    #[arg(
        long,
        global = true,
        hide = true,
        env = "CARILLON_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) environment_key: Option<SecretString>,

    /// Profile that `carillon login` has stored.
    #[arg(
        long,
        global = true,
        env = "CARILLON_PROFILE",
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) profile: Option<String>,
}

/// An address, its key, and where the two come from.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) key: SecretString,
    pub(crate) source: String,
}

impl Access {
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let Target { url, key, .. } = self.target()?;
        Ok(Client::new(&url, key)?)
    }

    pub(crate) fn target(&self) -> Result<Target, CommandError> {
        self.choose(&Profiles::load()?, Folder::current())
    }

    /// In this order: a key that is given, the profile that is named, what is stored for the URL
    /// that is given, the current profile, the folder.
    fn choose(&self, profiles: &Profiles, folder: Option<Folder>) -> Result<Target, CommandError> {
        let named = self.profile.as_deref().map(|name| profiles.get(name)).transpose()?;
        let of_environment = self.environment_key.as_ref().filter(|_| named.is_none());
        if let Some(key) = self.key.as_ref().or(of_environment) {
            let of_profile = named.map(|profile| profile.url.clone());
            let url = self.url.clone().or(of_profile).unwrap_or_else(|| LOCAL_URL.to_owned());
            return Ok(Target {
                url,
                key: key.clone(),
                source: "--key or CARILLON_API_KEY".into(),
            });
        }
        if let Some(name) = &self.profile {
            return self.only_for_its_address(stored(name, profiles.get(name)?));
        }
        let current = profiles.current().map(|(name, profile)| stored(name, profile));
        let folder = folder.map(|Folder { url, key }| Target {
            url,
            key: key.into(),
            source: "./.carillon of this folder".to_owned(),
        });
        let of_profiles = || profiles.iter().map(|(name, profile)| stored(name, profile));
        let Some(url) = &self.url else {
            return current.or(folder).ok_or(CommandError::NoApiKey);
        };
        let candidates = current.iter().cloned().chain(of_profiles()).chain(folder.clone());
        let found = candidates.into_iter().find(|target| is_same_address(url, &target.url));
        match found.or(current).or(folder) {
            Some(target) => self.only_for_its_address(target),
            None => Err(CommandError::NoApiKey),
        }
    }

    /// A stored key is refused for another address than its own.
    fn only_for_its_address(&self, target: Target) -> Result<Target, CommandError> {
        match &self.url {
            Some(url) if !is_same_address(url, &target.url) => Err(CommandError::OtherAddress {
                url: url.clone(),
                own: target.url,
                origin: target.source,
            }),
            _ => Ok(target),
        }
    }
}

fn stored(name: &str, profile: &Profile) -> Target {
    Target {
        url: profile.url.clone(),
        key: profile.key.expose_secret().into(),
        source: format!("profile {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(url: Option<&str>, key: Option<&str>, profile: Option<&str>) -> Access {
        let text = |value: Option<&str>| value.map(str::to_owned);
        let key = key.map(SecretString::from);
        Access { url: text(url), key, environment_key: None, profile: text(profile) }
    }

    fn profile(url: &str, key: &str) -> Profile {
        Profile { url: url.to_owned(), key: key.into() }
    }

    fn profiles() -> Profiles {
        let mut profiles = Profiles::default();
        profiles.put("test", profile("https://test.example.com", "test-key"));
        profiles.put("shop", profile("https://api.example.com", "shop-key"));
        profiles
    }

    fn folder() -> Folder {
        Folder { url: "http://127.0.0.1:8080".into(), key: "folder-key".into() }
    }

    /// The address that is called and the key that is sent; none where the command refuses.
    fn chosen(access: &Access, profiles: &Profiles) -> Option<(String, String)> {
        let target = access.choose(profiles, Some(folder())).ok()?;
        Some((target.url, target.key.expose_secret().to_owned()))
    }

    fn pair(url: &str, key: &str) -> (String, String) {
        (url.to_owned(), key.to_owned())
    }

    #[test]
    fn the_current_profile_goes_before_the_folder() {
        let nothing = access(None, None, None);
        assert_eq!(
            chosen(&nothing, &profiles()),
            Some(pair("https://api.example.com", "shop-key"))
        );
        let of_folder = Some(pair("http://127.0.0.1:8080", "folder-key"));
        assert_eq!(chosen(&nothing, &Profiles::default()), of_folder);
    }

    #[test]
    fn a_stored_key_is_sent_to_its_own_address_only() {
        for (url, profile, expected) in [
            ("https://test.example.com/", None, Some(pair("https://test.example.com", "test-key"))),
            ("http://localhost:8080", None, Some(pair("http://127.0.0.1:8080", "folder-key"))),
            ("https://other.example.com", None, None),
            ("https://test.example.com", Some("shop"), None),
            ("http://api.example.com", Some("shop"), None),
            ("https://api.example.com", Some("unknown"), None),
        ] {
            let access = access(Some(url), None, profile);
            assert_eq!(chosen(&access, &profiles()), expected, "{url} {profile:?}");
        }
    }

    #[test]
    fn a_profile_that_is_named_goes_before_the_key_of_the_environment() {
        let environment_key = Some(SecretString::from("production"));
        let named = Access { environment_key, ..access(None, None, Some("test")) };
        assert_eq!(chosen(&named, &profiles()), Some(pair("https://test.example.com", "test-key")));
        let unnamed = Access { profile: None, url: Some("https://x.example.com".into()), ..named };
        assert_eq!(
            chosen(&unnamed, &profiles()),
            Some(pair("https://x.example.com", "production"))
        );
    }

    #[test]
    fn a_given_key_goes_to_the_given_address_and_to_no_stored_one() {
        let given = access(None, Some("mine"), None);
        assert_eq!(chosen(&given, &profiles()), Some(pair(LOCAL_URL, "mine")));
        let named = access(None, Some("mine"), Some("test"));
        assert_eq!(chosen(&named, &profiles()), Some(pair("https://test.example.com", "mine")));
        let both = access(Some("https://x.example.com"), Some("mine"), Some("test"));
        assert_eq!(chosen(&both, &profiles()), Some(pair("https://x.example.com", "mine")));
    }
}

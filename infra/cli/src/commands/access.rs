//! The options of all commands that call the API.

use std::fs;

use clap::Args;
use reqwest::Url;
use secrecy::SecretString;

use crate::client::Client;
use crate::error::CommandError;

/// The key file of `carillon serve`, relative to the folder it was started in.
const ADMIN_KEY_FILE: &str = "./.carillon/admin-key";
/// The address that `carillon serve` listens on: the stored key belongs to it alone.
const ADDRESS_FILE: &str = "./.carillon/address";

/// The API's address and key.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// URL of the API, on this machine or on AWS. Default: the address of `carillon serve`, or
    /// port 8080 of this machine.
    #[arg(long, global = true, env = "CARILLON_URL", value_name = "URL")]
    url: Option<String>,

    /// API key. Default: the one that `carillon serve` stores in ./.carillon/admin-key, which is
    /// sent to its address only.
    #[arg(long, global = true, env = "CARILLON_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,
}

impl Access {
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let served = stored(ADDRESS_FILE);
        // A folder may come from somebody else: its address gets no key but its own.
        let of_folder = served.clone().filter(|_| self.key.is_none());
        let default = || of_folder.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let url = self.url.clone().unwrap_or_else(default);
        let key = match &self.key {
            Some(key) => key.clone(),
            None => stored_key(&url, served.as_deref())?,
        };
        Ok(Client::new(&url, key)?)
    }
}

/// The key of `carillon serve`, for its own address.
fn stored_key(url: &str, served: Option<&str>) -> Result<SecretString, CommandError> {
    let key = stored(ADMIN_KEY_FILE);
    let (Some(key), Some(served)) = (key, served) else {
        return Err(CommandError::NoApiKey(ADMIN_KEY_FILE.into()));
    };
    if is_same_origin(url, served) {
        return Ok(key.into());
    }
    Err(CommandError::OtherAddress { url: url.to_owned(), served: served.to_owned() })
}

fn stored(file: &str) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

/// Whether two addresses are one server's: scheme, host and port are the same.
fn is_same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| {
        let url = Url::parse(url).ok()?;
        let host = match url.host_str()? {
            "localhost" => "127.0.0.1".to_owned(),
            host => host.to_owned(),
        };
        Some((url.scheme().to_owned(), host, url.port_or_known_default()?))
    };
    origin(one).is_some_and(|one| origin(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_one_address() {
        let served = "http://127.0.0.1:8080";
        for (url, is_same) in [
            ("http://127.0.0.1:8080/", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8081", false),
            ("https://127.0.0.1:8080", false),
            ("https://api.example.com", false),
            ("http://127.0.0.1:8080.example.com", false),
            ("http://127.0.0.1:8080@example.com", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_same_origin(url, served), is_same, "{url}");
        }
    }
}

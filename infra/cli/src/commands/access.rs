//! How the client commands reach a Carillon.

use std::path::Path;

use clap::Args;
use secrecy::SecretString;

use super::error::CommandError;
use crate::client::Client;

/// Where `carillon serve` keeps the first key, seen from where it was started.
pub(crate) const KEPT_KEY: &str = "./.carillon/admin-key";

/// Which Carillon, and the right to speak to it.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The API's address, on this machine or on AWS.
    #[arg(
        long,
        global = true,
        env = "CARILLON_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: String,

    /// An API key. Default: the one `carillon serve` keeps in ./.carillon/admin-key.
    #[arg(long, global = true, env = "CARILLON_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,
}

impl Access {
    /// A client with that address and key.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => kept_key()?,
        };
        Ok(Client::new(&self.url, key)?)
    }
}

fn kept_key() -> Result<SecretString, CommandError> {
    let text = std::fs::read_to_string(Path::new(KEPT_KEY)).map_err(|_| CommandError::NoKey)?;
    Ok(text.trim().to_owned().into())
}

//! The options of all commands that call the API.

use std::fs;

use clap::Args;
use secrecy::SecretString;

use crate::client::Client;
use crate::error::CommandError;

/// The key file of `carillon serve`, relative to the folder it was started in.
const ADMIN_KEY_FILE: &str = "./.carillon/admin-key";

/// The API's address and key.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// URL of the API, on this machine or on AWS.
    #[arg(
        long,
        global = true,
        env = "CARILLON_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: String,

    /// API key. Default: the one that `carillon serve` stores in ./.carillon/admin-key.
    #[arg(long, global = true, env = "CARILLON_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,
}

impl Access {
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => stored_key()?,
        };
        Ok(Client::new(&self.url, key)?)
    }
}

fn stored_key() -> Result<SecretString, CommandError> {
    let text = fs::read_to_string(ADMIN_KEY_FILE)
        .map_err(|_| CommandError::NoApiKey(ADMIN_KEY_FILE.into()))?;
    Ok(text.trim().to_owned().into())
}

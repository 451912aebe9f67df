//! `carillon login`.

use clap::Args;

use crate::access::{Access, LOCAL_URL};
use crate::ask;
use crate::client::{ApiPath, Client};
use crate::commands::whoami::Me;
use crate::error::CommandError;
use crate::output;
use crate::profiles::{Profile, Profiles};

const EXAMPLES: &str = "\
Examples:
  carillon login --url https://api.example.com             asks for the key
  carillon login --url https://test.example.com --profile test
  carillon login < key.txt --url https://api.example.com

Without --url and --key it asks for them; without a terminal the key is the next line of the standard
input. The server must accept the key. It is stored for this address, as the profile that --profile
names [default: default], and sent to no other. Commands use the profile from then on.";

/// The name of a profile that is given none.
const DEFAULT_PROFILE: &str = "default";

/// Stores an address and its API key as a profile.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoginArgs;

pub(crate) async fn run(access: &Access, json: bool) -> Result<(), CommandError> {
    let url = url(access)?;
    let key = match &access.key {
        Some(key) => key.clone(),
        None => ask::secret("API key")?,
    };
    let me: Me = Client::new(&url, key.clone())?.get(&ApiPath::new("me")).await?;
    let name = access.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let mut profiles = Profiles::load()?;
    profiles.put(name, Profile { url: url.clone(), key });
    let path = profiles.store()?;
    if json {
        return output::json(
            &serde_json::json!({ "profile": name, "url": url, "key": me.key.name }),
        );
    }
    output::line(&format!(
        "Logged in to {url} with the key {:?}: {}.",
        me.key.name,
        me.mode_text()
    ))?;
    output::line(&format!("Stored as profile {name:?} in {}.", path.display()))
}

fn url(access: &Access) -> Result<String, CommandError> {
    let url = match &access.url {
        Some(url) => url.clone(),
        None if ask::is_terminal() => ask::line(&format!("URL of Carillon [{LOCAL_URL}]: "))?,
        None => return Err(CommandError::Usage("give the address with --url".to_owned())),
    };
    let url = if url.is_empty() { LOCAL_URL } else { url.trim_end_matches('/') };
    Ok(url.to_owned())
}

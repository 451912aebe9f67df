//! `carillon profiles`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::ask;
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::profiles::Profiles;

const EXAMPLES: &str = "\
Examples:
  carillon profiles list
  carillon profiles use test
  carillon --profile shop campaigns list        one command with another profile";

const COLUMNS: [Column; 3] = [("PROFILE", "name"), ("URL", "url"), ("CURRENT", "current")];

/// Shows and chooses the profiles that `carillon login` has stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProfilesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the profiles, without their keys.
    List,
    /// Use a profile from now on.
    Use {
        /// Name of the profile.
        name: String,
    },
    /// Delete a profile from this machine. Its key keeps working.
    Delete {
        /// Name of the profile.
        name: String,
    },
}

pub(crate) fn run(args: ProfilesArgs, json: bool, yes: bool) -> Result<(), CommandError> {
    let mut profiles = Profiles::load()?;
    match args.command {
        Command::List => list(&profiles, json),
        Command::Use { name } => {
            profiles.make_current(&name)?;
            profiles.store()?;
            done(json, &name, "is used from now on")
        }
        Command::Delete { name } => {
            profiles.get(&name)?;
            ask::confirm(&format!("Delete the profile {name:?} with its key?"), yes)?;
            profiles.remove(&name)?;
            profiles.store()?;
            done(json, &name, "is deleted")
        }
    }
}

fn list(profiles: &Profiles, json: bool) -> Result<(), CommandError> {
    let current = profiles.current().map(|(name, _)| name);
    let items: Vec<Value> = profiles
        .iter()
        .map(|(name, profile)| {
            json!({ "name": name, "url": profile.url, "current": current == Some(name) })
        })
        .collect();
    if json { output::json(&json!({ "items": items })) } else { output::table(&items, &COLUMNS) }
}

fn done(json: bool, name: &str, outcome: &str) -> Result<(), CommandError> {
    if json {
        return output::json(&json!({ "name": name }));
    }
    output::line(&format!("The profile {name:?} {outcome}."))
}

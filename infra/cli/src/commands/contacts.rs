//! `carillon contacts`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use crate::client::Client;
use crate::error::CommandError;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  carillon contacts show +573001234567
  carillon contacts block +573001234567
  carillon contacts erase +573001234567";

/// Shows, blocks and erases single contacts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ContactsArgs {
    #[command(flatten)]
    access: Access,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a contact's data and whether it may be sent to.
    Show(ContactAddress),
    /// Add a contact to the blacklist. No campaign sends to it from then on.
    Block(ContactAddress),
    /// Remove a contact from the blacklist.
    Unblock(ContactAddress),
    /// Delete a contact's messages and its data in every campaign. This cannot be undone.
    /// Only the address stays, on the blacklist.
    Erase(ContactAddress),
}

#[derive(Debug, Args)]
struct ContactAddress {
    /// Phone number with country code (+573001234567), or business-scoped user ID.
    contact: String,
}

impl ContactAddress {
    fn path(&self) -> String {
        format!("/v1/contacts/{}", self.contact.trim().replace('+', "%2B"))
    }
}

pub(crate) async fn run(args: ContactsArgs, json: bool) -> Result<(), CommandError> {
    let response = request(&args.access.client()?, &args.command).await?;
    if json { output::json(&response) } else { output::fields(&response) }
}

async fn request(client: &Client, command: &Command) -> Result<Value, CommandError> {
    Ok(match command {
        Command::Show(contact) => client.get(&contact.path()).await?,
        Command::Block(contact) => client.put(&format!("{}/blacklist", contact.path())).await?,
        Command::Unblock(contact) => {
            client.delete(&format!("{}/blacklist", contact.path())).await?
        }
        Command::Erase(contact) => client.delete(&contact.path()).await?,
    })
}

//! `carillon contacts`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

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
    /// The path of the contact with this address.
    async fn path(&self, client: &Client) -> Result<String, CommandError> {
        let address = self.contact.trim();
        let found = client
            .post::<Value>("/v1/contacts/search", Some(&json!({ "address": address })))
            .await?;
        match found["items"][0]["id"].as_str() {
            Some(id) => Ok(format!("/v1/contacts/{id}")),
            None => Err(CommandError::NoContact),
        }
    }

    /// The same; a contact that does not exist is created.
    async fn created_path(&self, client: &Client) -> Result<String, CommandError> {
        let body = json!({ "addresses": [self.contact.trim()] });
        let created: Value = client.post("/v1/contacts", Some(&body)).await?;
        Ok(format!("/v1/contacts/{}", created["id"].as_str().unwrap_or_default()))
    }
}

pub(crate) async fn run(
    args: ContactsArgs,
    access: &Access,
    json: bool,
) -> Result<(), CommandError> {
    let response = request(&access.client()?, &args.command).await?;
    if json { output::json(&response) } else { output::fields(&response) }
}

async fn request(client: &Client, command: &Command) -> Result<Value, CommandError> {
    Ok(match command {
        Command::Show(contact) => client.get(&contact.path(client).await?).await?,
        Command::Block(contact) => {
            client.put(&format!("{}/blacklist", contact.created_path(client).await?)).await?
        }
        Command::Unblock(contact) => {
            client.delete(&format!("{}/blacklist", contact.path(client).await?)).await?
        }
        Command::Erase(contact) => {
            client.post(&format!("{}/erase", contact.path(client).await?), None).await?
        }
    })
}

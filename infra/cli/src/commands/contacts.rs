//! `carillon contacts`: single people.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use super::error::CommandError;
use super::print;
use crate::client::Client;

const EXAMPLES: &str = "\
Examples:
  carillon contacts show +573001234567
  carillon contacts block +573001234567
  carillon contacts erase +573001234567";

/// Shows, blocks and erases single people.
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
    /// What is known of a person, and whether they may be written to.
    Show(Person),
    /// Put a person on the blacklist: nobody writes to them from then on.
    Block(Person),
    /// Take a person off the blacklist.
    Unblock(Person),
    /// Delete what a person wrote and what every campaign knows of them. It can't be
    /// taken back. Their number alone stays, on the blacklist.
    Erase(Person),
}

/// Who.
#[derive(Debug, Args)]
struct Person {
    /// A phone with its country code (+573001234567), or a business-scoped user id.
    contact: String,
}

impl Person {
    fn path(&self) -> String {
        format!("/v1/contacts/{}", self.contact.trim().replace('+', "%2B"))
    }
}

pub(crate) async fn run(args: ContactsArgs, json: bool) -> Result<(), CommandError> {
    let answer = ask(&args.access.client()?, &args.command).await?;
    if json { print::json(&answer) } else { print::fields(&answer) }
}

async fn ask(client: &Client, command: &Command) -> Result<Value, CommandError> {
    Ok(match command {
        Command::Show(person) => client.get(&person.path()).await?,
        Command::Block(person) => client.put(&format!("{}/blacklist", person.path())).await?,
        Command::Unblock(person) => client.delete(&format!("{}/blacklist", person.path())).await?,
        Command::Erase(person) => client.delete(&person.path()).await?,
    })
}

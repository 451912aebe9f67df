//! `carillon suppressions`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{ApiPath, Client, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::person::Person;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon suppressions add +573001234567
  carillon suppressions list --reason opted_out
  carillon suppressions remove +573001234567

No campaign sends to a suppressed contact. Only the blacklist can be changed: an opt-out is the
contact's own.";

const COLUMNS: [Column; 5] = [
    ("ID", "id"),
    ("CONTACT", "contact_id"),
    ("REASON", "reason"),
    ("SOURCE", "source"),
    ("CREATED", "created_at"),
];

/// Lists suppressions, and changes the blacklist.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SuppressionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List suppressions.
    List {
        /// Only suppressions for this reason: blacklisted or `opted_out`. Repeat for both.
        #[arg(long)]
        reason: Vec<String>,
        /// Show at most this number of suppressions [default: all].
        #[arg(long, value_name = "N", value_parser = super::limit)]
        limit: Option<usize>,
    },
    /// Show a suppression.
    Get(OneSuppression),
    /// Put a contact on the blacklist. A contact that does not exist is created.
    Add {
        /// Contact id, phone number (+573001234567) or business-scoped user id.
        person: Person,
    },
    /// Take a contact off the blacklist.
    Remove(OneSuppression),
}

#[derive(Debug, Args)]
struct OneSuppression {
    /// Id of the suppression (sup_…); for the blacklist also the contact's id or address.
    suppression: Named,
}

/// A suppression by its id, or the blacklist's of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Id(Segment),
    BlacklistOf(Person),
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Segment>() {
            Ok(id) if text.starts_with("sup_") => Ok(Self::Id(id)),
            _ => text.parse().map(Self::BlacklistOf),
        }
    }
}

impl OneSuppression {
    async fn path(&self, client: &Client) -> Result<ApiPath, CommandError> {
        let id = match &self.suppression {
            Named::Id(id) => id.clone(),
            Named::BlacklistOf(person) => blacklist_id(&person.id(client).await?),
        };
        Ok(ApiPath::of("suppressions", &id))
    }
}

/// The id of a contact's suppression for the reason `blacklisted`.
fn blacklist_id(contact: &Segment) -> Segment {
    contact.with_prefix("ctc_", "sup_blacklisted_")
}

pub(crate) async fn run(args: SuppressionsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List { reason, limit } => {
            let request = Request::get(&ApiPath::new("suppressions")).query("reason", &reason);
            session.list(request, limit, &COLUMNS).await
        }
        Command::Get(one) => session.show(&one.path(&session.client).await?).await,
        Command::Add { person } => {
            let request = Request::post(&ApiPath::new("suppressions")).json(new(&person));
            session.print(&session.client.send(&request).await?, |_| {
                output::line("On the blacklist: no campaign sends to this contact.")
            })
        }
        Command::Remove(one) => {
            let path = one.path(&session.client).await?;
            session.confirm("Remove the suppression? Campaigns may send to this contact again.")?;
            let answer = session.change(&path, Request::delete(&path)).await?;
            session.print(&answer, |_| output::line("Removed."))
        }
    }
}

fn new(person: &Person) -> Value {
    match person {
        Person::Id(id) => json!({ "contact_id": id.as_str() }),
        Person::Address(address) => json!({ "address": address }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suppression_is_named_by_its_id_or_its_contact() {
        let id: Segment = "sup_opted_out_01".parse().unwrap();
        assert_eq!("sup_opted_out_01".parse(), Ok(Named::Id(id)));
        let phone = Person::Address("+573001234567".into());
        assert_eq!("+573001234567".parse(), Ok(Named::BlacklistOf(phone.clone())));
        assert_eq!(new(&phone), json!({"address": "+573001234567"}));
        assert_eq!(new(&"ctc_01".parse().unwrap()), json!({"contact_id": "ctc_01"}));
        assert_eq!(blacklist_id(&"ctc_01".parse().unwrap()).as_str(), "sup_blacklisted_01");
    }
}

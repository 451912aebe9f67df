//! `carillon contacts`.

mod why;

use carillon::time::Timestamp;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::body::Body;
use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output;
use crate::person::Person;
use crate::session::Session;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  carillon contacts get +573001234567
  carillon contacts why +573001234567 --campaign cmp_…
  carillon contacts erase +573001234567

A contact is named by its id (ctc_…), phone number or business-scoped user id. Addresses are sent
in bodies of requests only, never in a URL.";

/// Shows, merges and erases people.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ContactsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a contact.
    Get(OneContact),
    /// Create the contact with these addresses, or find it.
    Create {
        /// The addresses of one person: phone numbers with country code, or business-scoped
        /// user ids.
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Say in sentences whether a contact is sent to, and what became of it in a campaign.
    Why {
        #[command(flatten)]
        contact: OneContact,
        /// Campaign whose recipient is explained.
        #[arg(long, value_name = "ID")]
        campaign: Option<Segment>,
    },
    /// Delete a contact's messages, addresses and data in every campaign. This cannot be undone.
    Erase(OneContact),
    /// Make one contact of two, who are one person. The older one survives.
    Merge {
        #[command(flatten)]
        contact: OneContact,
        /// The other contact: id or address.
        other: Person,
    },
    /// Make two contacts of one: a merge was wrong, or a number has a new owner.
    Split {
        #[command(flatten)]
        contact: OneContact,
        /// Address of the other person. Repeat for the phone number and the business-scoped id.
        #[arg(long = "address", required = true)]
        addresses: Vec<String>,
        /// Since when it is the other person's [default: always].
        #[arg(long, value_name = "TIME", value_parser = when::parse)]
        since: Option<Timestamp>,
    },
}

#[derive(Debug, Args)]
struct OneContact {
    /// Contact id, phone number (+573001234567) or business-scoped user id.
    person: Person,
}

pub(crate) async fn run(args: ContactsArgs, session: &Session) -> Result<(), CommandError> {
    let client = &session.client;
    match args.command {
        Command::Get(OneContact { person }) => session.show(&person.path(client).await?).await,
        Command::Create { addresses } => {
            let body = json!({ "addresses": addresses });
            let request = Request::post(&ApiPath::new("contacts")).json(body);
            session.print(&client.send(&request).await?, output::fields)
        }
        Command::Why { contact, campaign } => {
            why::run(session, &contact.person, campaign.as_ref()).await
        }
        Command::Erase(OneContact { person }) => erase(session, &person).await,
        Command::Merge { contact, other } => merge(session, &contact.person, &other).await,
        Command::Split { contact, addresses, since } => {
            let path = contact.person.path(client).await?;
            let mut body = Body::default();
            body.set_list("addresses", addresses);
            body.set("since", since.map(when::rfc3339));
            let request = Request::post(&path.then("split")).json(body.into_value());
            session.print(&session.change(&path, request).await?, output::fields)
        }
    }
}

async fn erase(session: &Session, person: &Person) -> Result<(), CommandError> {
    let path = person.path(&session.client).await?;
    session.confirm(
        "Erase this person's messages, addresses and data in every campaign? This cannot be undone.",
    )?;
    let erased = session.change(&path, Request::post(&path.then("erase"))).await?;
    session.print(&erased, |erased| {
        let count = |name: &str| output::text(&erased[name]);
        output::line(&format!(
            "Erased: {} messages, and the data in {} campaigns.",
            count("messages"),
            count("campaigns")
        ))
    })
}

async fn merge(session: &Session, person: &Person, other: &Person) -> Result<(), CommandError> {
    let path = person.path(&session.client).await?;
    let other = other.id(&session.client).await?;
    session.confirm("Merge the two contacts?")?;
    let body = json!({ "contact_id": other.as_str() });
    let merged = session.change(&path, Request::post(&path.then("merge")).json(body)).await?;
    session.print(&merged, output::fields)
}

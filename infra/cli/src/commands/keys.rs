//! `carillon keys`.

use carillon::api_key::Scope;
use carillon::time::Timestamp;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::body::Body;
use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  carillon keys create reporting --scope read --expires '2027-01-01'
  carillon keys update key_… --scope read --scope send
  carillon keys rotate key_… --overlap-seconds 3600
  carillon keys list";

const COLUMNS: [Column; 6] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("SCOPES", "scopes"),
    ("CREATED", "created_at"),
    ("LAST USED", "last_used_at"),
    ("EXPIRES", "expires_at"),
];

/// Creates, changes, rotates and deletes API keys.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List keys, without their secret part.
    List,
    /// Show a key, without its secret part.
    Get(KeyId),
    /// Create a key. It is shown only once.
    Create {
        /// Name of the key.
        name: String,
        /// A scope of the key. Repeat for several: no scope includes another one.
        #[arg(long = "scope", required = true, value_parser = scope())]
        scopes: Vec<Scope>,
        /// When it ends to work [default: never].
        #[arg(long, value_name = "TIME", value_parser = when::parse)]
        expires: Option<Timestamp>,
    },
    /// Change a key. What is not given stays as it is.
    Update {
        #[command(flatten)]
        of: KeyId,
        /// Name of the key.
        #[arg(long)]
        name: Option<String>,
        /// A scope of the key. Repeat for several; they replace the present ones.
        #[arg(long = "scope", value_parser = scope())]
        scopes: Vec<Scope>,
        /// When it ends to work.
        #[arg(long, value_name = "TIME", value_parser = when::parse)]
        expires: Option<Timestamp>,
        /// Member to clear: `expires_at`.
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
    },
    /// Give a key a new secret, which is shown only once. The old one still works for a while.
    Rotate {
        #[command(flatten)]
        of: KeyId,
        /// How long the old secret still works, in seconds, at most 30 days. Carillon's default
        /// is a day.
        #[arg(long, value_name = "SECONDS")]
        overlap_seconds: Option<u32>,
    },
    /// Delete a key. It stops working within a minute.
    Delete(KeyId),
}

#[derive(Debug, Args)]
struct KeyId {
    /// ID of the key.
    id: Segment,
}

/// The scopes, each with what it permits. For clap.
fn scope() -> impl TypedValueParser<Value = Scope> {
    let word = |scope: Scope| PossibleValue::new(scope.as_str()).help(scope.permits());
    PossibleValuesParser::new(Scope::ALL.map(word)).try_map(|text| text.parse::<Scope>())
}

impl KeyId {
    fn path(&self) -> ApiPath {
        ApiPath::of("keys", &self.id)
    }
}

pub(crate) async fn run(args: KeysArgs, session: &Session) -> Result<(), CommandError> {
    let keys = ApiPath::new("keys");
    match args.command {
        Command::List => session.list(Request::get(&keys), None, &COLUMNS).await,
        Command::Get(of) => session.show(&of.path()).await,
        Command::Create { name, scopes, expires } => {
            let body = body(Some(name), &scopes, expires);
            let created =
                session.client.send(&Request::post(&keys).json(body.into_value())).await?;
            session.print(&created, print_secret)
        }
        Command::Update { of, name, scopes, expires, clear } => {
            let mut body = body(name, &scopes, expires);
            body.clear(&clear);
            let request = Request::patch(&of.path(), body.into_changes()?);
            session.print(&session.change(&of.path(), request).await?, output::fields)
        }
        Command::Rotate { of, overlap_seconds } => {
            let mut body = Body::default();
            body.set("overlap_seconds", overlap_seconds);
            let request = Request::post(&of.path().then("rotate")).json(body.into_value());
            session.print(&session.change(&of.path(), request).await?, print_secret)
        }
        Command::Delete(of) => session.delete(&of.path(), "the key").await,
    }
}

fn body(name: Option<String>, scopes: &[Scope], expires: Option<Timestamp>) -> Body {
    let mut body = Body::default();
    body.set("name", name);
    body.set_list("scopes", scopes.iter().map(|scope| scope.as_str()).collect());
    body.set("expires_at", expires.map(when::rfc3339));
    body
}

fn print_secret(key: &Value) -> Result<(), CommandError> {
    // Not with the key: `KEY=$(carillon keys create …)` is the key alone.
    eprintln!("Store this key now. It is not shown again.");
    output::line(key["key"].as_str().unwrap_or_default())
}

//! `carillon connections`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::ask;
use crate::body::Body;
use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon connections create --name Shop --phone-number-id 1234567890 --waba-id 9876543210
  carillon connections create connection.json
  carillon connections check con_…
  carillon connections update con_… --24h-limit 1000 --msg-per-second 20
  carillon connections update con_… --credential access_token      asks for the new token
  carillon connections update con_… --clear quota_limit            the provider's limit again

Example of connection.json:
  { \"name\": \"Shop\",
    \"provider\": { \"type\": \"whatsapp_cloud\", \"whatsapp_cloud\":
      { \"phone_number_id\": \"1234567890\", \"waba_id\": \"9876543210\" } },
    \"credentials\": { \"access_token\": \"EAAG…\", \"app_secret\": \"…\" } }

Credentials are asked for and not shown; without a terminal they are lines of the standard input.
Carillon stores them encrypted, and asks Meta for the number's limits.";

const COLUMNS: [Column; 8] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("PROVIDER", "provider.type"),
    ("QUOTA GROUP", "quota_group"),
    ("MSG/S", "effective_throughput_mps"),
    ("24H LIMIT", "effective_quota_limit"),
    ("QUALITY", "quality"),
    ("SIMULATED", "simulated"),
];

/// The credentials of a WhatsApp number that Carillon does not generate.
const CREDENTIALS: [(&str, &str); 2] =
    [("access_token", "Access token"), ("app_secret", "App secret")];

/// Creates, checks and changes connections, the numbers that send.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConnectionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List connections.
    List,
    /// Show a connection.
    Get(ConnectionId),
    /// Create a connection from flags or a JSON file. Credentials that are missing are asked for.
    Create {
        /// JSON file, or `-` for the standard input. Flags override it.
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// Meta's id of the phone number.
        #[arg(long, value_name = "ID")]
        phone_number_id: Option<String>,
        /// Meta's id of the WhatsApp Business Account.
        #[arg(long, value_name = "ID")]
        waba_id: Option<String>,
        /// Quota group whose 24-hour limit it shares, such as the id of the business portfolio
        /// [default: the WABA's id].
        #[arg(long, value_name = "NAME")]
        quota_group: Option<String>,
    },
    /// Change a connection. What is not given stays as it is.
    Update {
        #[command(flatten)]
        of: ConnectionId,
        /// JSON merge patch, or `-` for the standard input. Flags override it.
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// Country whose recipients are skipped, such as US. Repeat for several; they replace
        /// the present ones.
        #[arg(long = "blocked-country", value_name = "CODE")]
        blocked_countries: Vec<String>,
        /// Credential to replace: `access_token`, `app_secret` or `verify_token`. Repeat for several.
        #[arg(long = "credential", value_name = "NAME")]
        credentials: Vec<String>,
        /// Member to clear, such as `quota_limit`. Repeat for several.
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
    },
    /// Ask the provider whether the connection can send.
    Check(ConnectionId),
    /// Delete a connection with its credentials. Cancel its campaigns first.
    Delete(ConnectionId),
}

/// The settings that a connection is created with and that can be changed.
#[derive(Debug, Args)]
struct Settings {
    /// Name of the connection.
    #[arg(long)]
    name: Option<String>,
    /// Most messages a second [default: the provider's].
    #[arg(long, value_name = "N")]
    msg_per_second: Option<u32>,
    /// Most unique contacts of its quota group in 24 hours [default: the provider's].
    #[arg(long = "24h-limit", value_name = "N")]
    limit_24h: Option<u32>,
}

#[derive(Debug, Args)]
struct ConnectionId {
    /// ID of the connection.
    id: Segment,
}

impl ConnectionId {
    fn path(&self) -> ApiPath {
        ApiPath::of("connections", &self.id)
    }
}

impl Settings {
    fn apply(self, body: &mut Body) {
        body.set("name", self.name);
        body.set("throughput_mps", self.msg_per_second);
        body.set("quota_limit", self.limit_24h);
    }
}

pub(crate) async fn run(args: ConnectionsArgs, session: &Session) -> Result<(), CommandError> {
    let connections = ApiPath::new("connections");
    match args.command {
        Command::List => session.list(Request::get(&connections), None, &COLUMNS).await,
        Command::Get(of) => session.show(&of.path()).await,
        Command::Create { file, settings, phone_number_id, waba_id, quota_group } => {
            let mut body = Body::of_file(file.as_deref())?;
            settings.apply(&mut body);
            body.set("provider.whatsapp_cloud.phone_number_id", phone_number_id);
            body.set("provider.whatsapp_cloud.waba_id", waba_id);
            body.set("quota_group", quota_group);
            ask_credentials(&mut body)?;
            create(session, body.into_value()).await
        }
        Command::Update { of, file, settings, blocked_countries, credentials, clear } => {
            let mut body = Body::of_file(file.as_deref())?;
            settings.apply(&mut body);
            body.set_list("blocked_countries", blocked_countries);
            for name in credentials {
                let secret = ask::secret(&name)?;
                body.set(&format!("credentials.{name}"), Some(secret.expose_secret()));
            }
            body.clear(&clear);
            let request = Request::patch(&of.path(), body.into_changes()?);
            session.print(&session.change(&of.path(), request).await?, output::fields)
        }
        Command::Check(of) => check(session, &of).await,
        Command::Delete(of) => {
            session.delete(&of.path(), "the connection with its credentials").await
        }
    }
}

/// Asks for what a WhatsApp number needs and the body lacks.
fn ask_credentials(body: &mut Body) -> Result<(), CommandError> {
    if !body.has("provider.whatsapp_cloud") {
        return Ok(());
    }
    body.set("provider.type", Some("whatsapp_cloud"));
    for (name, title) in CREDENTIALS {
        let path = format!("credentials.{name}");
        if !body.has(&path) {
            body.set(&path, Some(ask::secret(title)?.expose_secret()));
        }
    }
    Ok(())
}

async fn create(session: &Session, body: Value) -> Result<(), CommandError> {
    let request = Request::post(&ApiPath::new("connections")).json(body);
    session.print(&session.client.send(&request).await?, |created| {
        output::line(
            "Created. Enter `webhook_url` and the verify token in Meta's App Dashboard. The token is not shown again.",
        )?;
        output::fields(created)
    })
}

async fn check(session: &Session, of: &ConnectionId) -> Result<(), CommandError> {
    let request = Request::post(&of.path().then("check")).json(json!({}));
    session.print(&session.client.send(&request).await?, |probe| {
        output::line(&match probe["obstacle"].as_str() {
            Some(obstacle) => format!("It cannot send: {obstacle}"),
            None => "It can send.".to_owned(),
        })?;
        output::fields(probe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_credentials_asks_for_nothing() {
        let mut body = Body::default();
        body.set("provider.whatsapp_cloud.phone_number_id", Some("1"));
        body.set("credentials.access_token", Some("EAA"));
        body.set("credentials.app_secret", Some("s"));
        ask_credentials(&mut body).unwrap();
        assert_eq!(body.into_value()["provider"]["type"], "whatsapp_cloud");
    }
}

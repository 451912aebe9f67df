//! `carillon serve`: everything on this machine.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_engines::{EngineError, Place};
use carillon_host::{Home, Host, HostConfig, HostError, MESSAGE_RETENTION_DAYS, MINIMUM_SHARE};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use whatsapp_simulator::{Config, Simulator};

use super::error::CommandError;
use super::{print, signals, simulator};
use crate::client::Client;

const EXAMPLES: &str = "\
Examples:
  carillon serve                                          with the built-in simulator
  carillon serve --graph-url https://graph.facebook.com   with Meta, for real
  carillon serve --listen 127.0.0.1:9000 --data ./shop

Ctrl-C or SIGTERM ends it: what is on its way is finished, the rest waits for
the next start. A kill loses nothing either.";

/// Starts everything on this machine: the API, the embedded table and queues, the
/// functions, the clock.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// The folder that everything is kept in.
    #[arg(long, default_value = "./.carillon", value_name = "DIR")]
    data: PathBuf,

    /// Where messages go: a Cloud API, such as <https://graph.facebook.com>.
    /// Default: the built-in simulator, so that nothing leaves this machine.
    #[arg(long, value_name = "URL")]
    graph_url: Option<String>,

    /// The address the world reaches this machine by, for webhooks.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// How many batches are sent at the same time.
    #[arg(long, default_value_t = 4, value_name = "N")]
    senders: usize,

    /// The percentage of what is scarce that each campaign gets whatever its priority.
    #[arg(
        long,
        env = "CARILLON_MINIMUM_SHARE",
        default_value_t = MINIMUM_SHARE,
        value_parser = clap::value_parser!(u8).range(0..=50),
        value_name = "PERCENT"
    )]
    minimum_share: u8,

    /// For how many days what contacts write is kept; 0 for ever.
    #[arg(
        long,
        env = "CARILLON_MESSAGE_RETENTION_DAYS",
        default_value_t = MESSAGE_RETENTION_DAYS,
        value_parser = clap::value_parser!(u16).range(0..=3650),
        value_name = "DAYS"
    )]
    message_retention_days: u16,

    /// The built-in simulator's settings as JSON.
    #[arg(long, value_name = "FILE.json", conflicts_with = "graph_url")]
    simulator_config: Option<PathBuf>,

    /// The first API key. Default: one made at the first start and kept.
    #[arg(long, env = "CARILLON_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    admin_key: Option<SecretString>,

    /// 32 bytes in base64: the key that seals connections' secrets. Default: one
    /// made at the first start and kept.
    #[arg(long, env = "CARILLON_SECRETS_KEY", hide_env_values = true, value_name = "KEY")]
    secrets_key: Option<SecretString>,
}

pub(crate) async fn run(args: ServeArgs, json: bool) -> Result<(), CommandError> {
    let home = Home::open(&args.data)?;
    ensure_free(home.folder())?;
    let provider = Provider::of(&args).await?;
    let ids = IdSource::random();
    let admin_key = home.admin_key(args.admin_key.clone(), &ids)?;
    let host = Host::start(host_config(&args, &home, &provider, &admin_key, ids)?)
        .await
        .map_err(in_the_way)?;
    let url = reachable(&host.url());
    let made = provider.introduce(&url, &admin_key).await?;
    let welcome = Welcome { args: &args, url: &url, admin_key: &admin_key, provider: &provider };
    welcome.print(made.as_deref(), json)?;
    signals::asked_to_end().await.map_err(CommandError::Output)?;
    eprintln!("Finishing what is on its way… (Ctrl-C again ends it at once; nothing is lost)");
    tokio::select! {
        () = stop(host, provider) => Ok(()),
        again = signals::asked_to_end() => again.map_err(CommandError::Output),
    }
}

async fn stop(host: Host, provider: Provider) {
    host.stop().await;
    if let Provider::BuiltIn { simulator, .. } = provider {
        simulator.shutdown().await;
    }
}

/// Refuses a folder that another Carillon has open before anything in it is
/// touched. The engines' lock makes sure of it a moment later.
fn ensure_free(folder: &Path) -> Result<(), CommandError> {
    let lock = File::create(folder.join("lock")).map_err(CommandError::file(folder))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let folder = folder.to_owned();
            Err(HostError::from(EngineError::InUse { folder }).into())
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn in_the_way(error: HostError) -> CommandError {
    match error {
        HostError::Listen { address, source } => CommandError::Listen { address, source },
        HostError::Engine(_) | HostError::Function(_) => error.into(),
    }
}

fn host_config(
    args: &ServeArgs,
    home: &Home,
    provider: &Provider,
    admin_key: &SecretString,
    ids: IdSource,
) -> Result<HostConfig, CommandError> {
    Ok(HostConfig {
        place: Place::Folder(home.folder().to_owned()),
        listen: args.listen,
        graph_url: provider.url(),
        public_url: args.public_url.clone(),
        admin_key: admin_key.clone(),
        secrets_key: home.secrets_key(args.secrets_key.clone(), &ids)?,
        clock: Clock::system(),
        ids,
        senders: args.senders,
        minimum_share: args.minimum_share,
        message_retention_days: args.message_retention_days,
        ticking: true,
        stream_twice: false,
    })
}

/// An address that this machine reaches itself by.
fn reachable(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

/// Who takes the messages.
enum Provider {
    /// A Cloud API elsewhere.
    Elsewhere { url: String },
    /// The simulator in this process.
    BuiltIn { simulator: Simulator, connection: Value, verify_token: String },
}

impl Provider {
    async fn of(args: &ServeArgs) -> Result<Self, CommandError> {
        if let Some(url) = &args.graph_url {
            return Ok(Self::Elsewhere { url: url.trim_end_matches('/').to_owned() });
        }
        let config = match &args.simulator_config {
            Some(path) => simulator::from_file(path)?,
            None => simulator::built_in(simulator::lively()),
        };
        let log_file = config.log_file.clone();
        let log_file = log_file.or_else(|| Some(args.data.join("simulator.jsonl")));
        let config = Config { log_file, ..config };
        let connection = simulator::connection(&config);
        let verify_token = config.verify_token.clone();
        let simulator = Simulator::start(config).await.map_err(CommandError::Simulator)?;
        Ok(Self::BuiltIn { simulator, connection, verify_token })
    }

    fn url(&self) -> String {
        match self {
            Self::Elsewhere { url } => url.clone(),
            Self::BuiltIn { simulator, .. } => simulator.url(),
        }
    }

    /// Makes the simulator and Carillon known to each other. Gives the id of the
    /// connection that was made, if there was none.
    async fn introduce(
        &self,
        url: &str,
        key: &SecretString,
    ) -> Result<Option<String>, CommandError> {
        let Self::BuiltIn { simulator, connection, verify_token } = self else {
            return Ok(None);
        };
        let client = Client::new(url, key.clone())?;
        let known = client.list("/v1/connections").await?;
        let made = if known.is_empty() {
            let made: Value = client.post("/v1/connections", Some(connection)).await?;
            made["id"].as_str().map(str::to_owned)
        } else {
            None
        };
        simulator.set_webhook(&format!("{url}/webhooks/whatsapp"), verify_token);
        Ok(made)
    }
}

/// What is told at the start.
struct Welcome<'a> {
    args: &'a ServeArgs,
    url: &'a str,
    admin_key: &'a SecretString,
    provider: &'a Provider,
}

impl Welcome<'_> {
    fn print(&self, made: Option<&str>, json: bool) -> Result<(), CommandError> {
        if !self.args.listen.ip().is_loopback() {
            let warning =
                "others can reach this address, and it speaks plain HTTP: put TLS in front";
            eprintln!("carillon: warning: {warning}");
        }
        if json { self.as_json(made) } else { self.in_words(made) }
    }

    fn as_json(&self, made: Option<&str>) -> Result<(), CommandError> {
        let given = self.args.admin_key.is_some();
        print::json(&json!({
            "url": self.url,
            "api_key": (!given).then(|| self.admin_key.expose_secret()),
            "data": self.args.data,
            "graph_url": self.provider.url(),
            "simulator": matches!(self.provider, Provider::BuiltIn { .. }),
            "connection_made": made,
        }))
    }

    fn in_words(&self, made: Option<&str>) -> Result<(), CommandError> {
        let data = self.args.data.display();
        print::line(&format!("Carillon is at {}\n", self.url))?;
        match self.args.admin_key {
            Some(_) => print::line("  API key     the one in CARILLON_ADMIN_KEY")?,
            None => print::line(&format!(
                "  API key     {}\n              kept in {data}/admin-key",
                self.admin_key.expose_secret()
            ))?,
        }
        print::line(&format!("  data        {data}"))?;
        let to = self.provider.url();
        match self.provider {
            Provider::Elsewhere { .. } => print::line(&format!("  sends to    {to}"))?,
            Provider::BuiltIn { .. } => print::line(&format!(
                "  sends to    the built-in simulator ({to}): nothing leaves this machine"
            ))?,
        }
        if let Some(id) = made {
            print::line(&format!("  connection  {id}, \"Simulator\", made just now"))?;
        }
        print::line("\nNext: carillon campaigns --help. Ctrl-C ends.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_reached_by_loopback() {
        assert_eq!(reachable("http://0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(reachable("http://[::]:8080"), "http://[::1]:8080");
        assert_eq!(reachable("http://10.0.0.7:8080"), "http://10.0.0.7:8080");
    }
}

//! `carillon simulator`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use whatsapp_simulator::{Behaviour, Config, Simulator};

use crate::error::CommandError;
use crate::{json_file, output, signals};

const EXAMPLES: &str = "\
Examples:
  carillon simulator
  carillon simulator --webhook-url http://127.0.0.1:8080/webhooks/whatsapp
  carillon serve --graph-url http://127.0.0.1:8090

Control routes, without a token: GET /_simulator/summary, GET /_simulator/log,
GET and POST /_simulator/config, POST /_simulator/inbound.";

/// Runs a simulated WhatsApp Cloud API on this machine. It accepts, throttles and
/// refuses messages and sends webhooks.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulatorArgs {
    /// Address of the listener. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// URL of the webhook. Until it is set, the simulator queues webhooks.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,

    /// Secret that signs webhooks [default: simulator-app-secret].
    #[arg(long, value_name = "SECRET")]
    app_secret: Option<String>,

    /// Token of the webhook verification request [default: simulator-verify-token].
    #[arg(long, value_name = "TOKEN")]
    verify_token: Option<String>,

    /// Seed of all outcomes, ids and delays [default: 1].
    #[arg(long)]
    seed: Option<u64>,

    /// Log file in JSON lines. The simulator restores its state from it and appends to it.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Outcomes of messages [default: realistic].
    #[arg(long, value_enum)]
    behaviour: Option<BehaviourPreset>,

    /// All settings as JSON. The other options override them.
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BehaviourPreset {
    /// Messages are delivered, read, answered or fail at usual rates, within hours.
    Realistic,
    /// Every message is delivered and read at once. Nobody replies.
    Perfect,
    /// Every message is accepted. No status follows.
    Silent,
}

pub(crate) async fn run(args: SimulatorArgs, json: bool) -> Result<(), CommandError> {
    let config = config(&args)?;
    let settings = ConnectionSettings::of(&config);
    let listen = args.listen;
    let simulator = Simulator::start(config)
        .await
        .map_err(|source| CommandError::Listen { address: listen, source })?;
    settings.print(&simulator.url(), json)?;
    signals::wait_for_shutdown().await.map_err(CommandError::Signal)?;
    simulator.shutdown().await;
    Ok(())
}

fn config(args: &SimulatorArgs) -> Result<Config, CommandError> {
    let mut config = match &args.config {
        Some(path) => json_file::read(path)?,
        None => Config { behaviour: Behaviour::realistic(), ..Config::default() },
    };
    config.listen = args.listen;
    config.log_file = args.log.clone().or(config.log_file);
    config.webhook_url = args.webhook_url.clone().or(config.webhook_url);
    config.app_secret = args.app_secret.clone().unwrap_or(config.app_secret);
    config.verify_token = args.verify_token.clone().unwrap_or(config.verify_token);
    config.seed = args.seed.unwrap_or(config.seed);
    if let Some(preset) = args.behaviour {
        config.behaviour = preset.behaviour();
    }
    Ok(config)
}

impl BehaviourPreset {
    fn behaviour(self) -> Behaviour {
        match self {
            Self::Realistic => Behaviour::realistic(),
            Self::Perfect => Behaviour::all_read(),
            Self::Silent => Behaviour::no_webhooks(),
        }
    }
}

/// The settings of a connection to the simulator.
struct ConnectionSettings {
    phone_number_id: String,
    waba_id: String,
    app_secret: String,
    verify_token: String,
    webhook_url: Option<String>,
}

impl ConnectionSettings {
    fn of(config: &Config) -> Self {
        let number = config.numbers.first().cloned().unwrap_or_default();
        Self {
            phone_number_id: number.id,
            waba_id: number.waba_id,
            app_secret: config.app_secret.clone(),
            verify_token: config.verify_token.clone(),
            webhook_url: config.webhook_url.clone(),
        }
    }

    fn print(&self, url: &str, json: bool) -> Result<(), CommandError> {
        let Self { phone_number_id, waba_id, app_secret, verify_token, webhook_url } = self;
        if json {
            return output::json(&json!({
                "url": url, "phone_number_id": phone_number_id, "waba_id": waba_id,
                "app_secret": app_secret, "verify_token": verify_token, "webhook_url": webhook_url,
            }));
        }
        let webhook = webhook_url.as_deref().unwrap_or("not set: webhooks are queued");
        output::line(&format!("The WhatsApp simulator listens on {url}\n"))?;
        for (name, value) in [
            ("phone number ID", phone_number_id.as_str()),
            ("WABA ID", waba_id),
            ("access token", "any"),
            ("app secret", app_secret),
            ("verify token", verify_token),
            ("webhook URL", webhook),
        ] {
            output::line(&format!("  {name:16}{value}"))?;
        }
        output::line(&format!("\nTo send to it: carillon serve --graph-url {url}"))
    }
}

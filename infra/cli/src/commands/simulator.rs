//! `carillon simulator`: the WhatsApp simulator alone; and how the other
//! commands set theirs up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use whatsapp_simulator::{Behaviour, Config, Delay, Delays, Limits, Number, Simulator};

use super::error::CommandError;
use super::{print, signals};

const EXAMPLES: &str = "\
Examples:
  carillon simulator
  carillon simulator --webhook-url http://127.0.0.1:8080/webhooks/whatsapp
  carillon serve --graph-url http://127.0.0.1:8090

Its own paths need no token: GET /_simulator/summary, GET /_simulator/log,
GET and POST /_simulator/config, POST /_simulator/inbound.";

/// Runs a WhatsApp Cloud API that accepts, throttles, fails and calls back, on
/// this machine.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulatorArgs {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Where webhooks go. Until it is known, they wait.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,

    /// The secret webhooks are signed with [default: simulator-app-secret].
    #[arg(long, value_name = "SECRET")]
    app_secret: Option<String>,

    /// The token of the webhook's verification [default: simulator-verify-token].
    #[arg(long, value_name = "TOKEN")]
    verify_token: Option<String>,

    /// The seed every fate, id and delay is drawn from [default: 1].
    #[arg(long)]
    seed: Option<u64>,

    /// A file of JSON lines that the log is appended to and taken up from.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// What becomes of messages [default: realistic].
    #[arg(long, value_enum)]
    behaviour: Option<Manner>,

    /// All its settings as JSON; the other options go before it.
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
}

/// What becomes of messages.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Manner {
    /// A usual funnel, within minutes and hours.
    Realistic,
    /// Everything arrives and is read at once; nobody answers.
    Perfect,
    /// Accepted, and nothing is heard of them again.
    Silent,
}

pub(crate) async fn run(args: SimulatorArgs, json: bool) -> Result<(), CommandError> {
    let config = config(&args)?;
    let told = Told::of(&config);
    let listen = args.listen;
    let simulator = Simulator::start(config)
        .await
        .map_err(|source| CommandError::Listen { address: listen, source })?;
    told.print(&simulator.url(), json)?;
    signals::asked_to_end().await.map_err(CommandError::Output)?;
    simulator.shutdown().await;
    Ok(())
}

fn config(args: &SimulatorArgs) -> Result<Config, CommandError> {
    let mut config = match &args.config {
        Some(path) => from_file(path)?,
        None => Config { behaviour: Behaviour::realistic(), ..Config::default() },
    };
    config.listen = args.listen;
    config.log_file = args.log.clone().or(config.log_file);
    config.webhook_url = args.webhook_url.clone().or(config.webhook_url);
    config.app_secret = args.app_secret.clone().unwrap_or(config.app_secret);
    config.verify_token = args.verify_token.clone().unwrap_or(config.verify_token);
    config.seed = args.seed.unwrap_or(config.seed);
    if let Some(manner) = args.behaviour {
        config.behaviour = manner.behaviour();
    }
    Ok(config)
}

impl Manner {
    fn behaviour(self) -> Behaviour {
        match self {
            Self::Realistic => Behaviour::realistic(),
            Self::Perfect => Behaviour::perfect(),
            Self::Silent => Behaviour::silent(),
        }
    }
}

/// What one has to know to connect to a simulator.
struct Told {
    phone_number_id: String,
    waba_id: String,
    app_secret: String,
    verify_token: String,
    webhook_url: Option<String>,
}

impl Told {
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
            return print::json(&json!({
                "url": url, "phone_number_id": phone_number_id, "waba_id": waba_id,
                "app_secret": app_secret, "verify_token": verify_token, "webhook_url": webhook_url,
            }));
        }
        let webhook = webhook_url.as_deref().unwrap_or("not known yet: webhooks wait");
        print::line(&format!("The WhatsApp simulator is at {url}\n"))?;
        for (name, value) in [
            ("phone number id", phone_number_id.as_str()),
            ("account (WABA)", waba_id),
            ("access token", "any"),
            ("app secret", app_secret),
            ("verify token", verify_token),
            ("webhooks go to", webhook),
        ] {
            print::line(&format!("  {name:16}{value}"))?;
        }
        print::line(&format!("\nSend through it with: carillon serve --graph-url {url}"))
    }
}

/// A configuration from a file.
pub(crate) fn from_file(path: &Path) -> Result<Config, CommandError> {
    let text = std::fs::read_to_string(path).map_err(CommandError::file(path))?;
    serde_json::from_str(&text)
        .map_err(|source| CommandError::Json { path: path.to_owned(), source })
}

/// The simulator that comes with `serve` and `demo`: a number as Meta gives it to
/// a business that has proved itself, and the template of the examples.
pub(crate) fn built_in(behaviour: Behaviour) -> Config {
    Config {
        numbers: vec![Number {
            messaging_limit: "TIER_2K".to_owned(),
            throughput: Some(80),
            ..Number::default()
        }],
        limits: Limits::meta(PORTFOLIO_LIMIT),
        templates: vec![spring_offer()],
        behaviour,
        ..Config::default()
    }
}

/// How many people the built-in simulator's business may reach in 24 hours.
pub(crate) const PORTFOLIO_LIMIT: u32 = 2000;
/// How many messages a second its number may send.
pub(crate) const THROUGHPUT: u32 = 80;
/// The template that the examples send.
pub(crate) const TEMPLATE: &str = "spring_offer";

/// A usual funnel for someone who waits for it: answers within minutes.
pub(crate) fn lively() -> Behaviour {
    let delays = Delays {
        sent: Delay::between(200, 800, 3_000),
        delivered: Delay::between(300, 3_000, 30_000),
        read: Delay::between(2_000, 30_000, 300_000),
        reply: Delay::between(5_000, 45_000, 300_000),
        ..Delays::realistic()
    };
    Behaviour { delays, ..Behaviour::realistic() }
}

fn spring_offer() -> serde_json::Value {
    json!({
        "name": TEMPLATE,
        "language": "es",
        "status": "APPROVED",
        "category": "MARKETING",
        "components": [{
            "type": "BODY",
            "text": "Hola {{1}}, esta semana tienes 20 % de descuento. ¿Te apartamos algo?",
            "example": { "body_text": [["Ana"]] }
        }]
    })
}

/// What the API is asked for to make a connection to the built-in simulator.
pub(crate) fn connection(simulator: &Config) -> serde_json::Value {
    let number = simulator.numbers.first().cloned().unwrap_or_default();
    let token = simulator.tokens.first().map_or("simulator-token", String::as_str);
    json!({
        "name": "Simulator",
        "kind": "whatsapp_cloud",
        "phone_number_id": number.id,
        "waba_id": number.waba_id,
        "access_token": token,
        "app_secret": simulator.app_secret,
        "verify_token": simulator.verify_token,
        "throughput_mps": simulator.limits.throughput.unwrap_or(THROUGHPUT),
        "messaging_limit": simulator.limits.portfolio_users.unwrap_or(PORTFOLIO_LIMIT),
    })
}

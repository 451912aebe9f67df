//! The Cloud API that `serve` sends to.

use secrecy::SecretString;
use serde_json::Value;
use whatsapp_simulator::{Config, Simulator};

use super::args::ServeArgs;
use crate::client::{ApiPath, Client, Request};
use crate::error::CommandError;
use crate::json_file;
use crate::simulator_config::{built_in, connection_request, fast_behaviour};

pub(super) enum Provider {
    CloudApi { url: String },
    BuiltInSimulator { simulator: Simulator, connection_request: Value, verify_token: String },
}

impl Provider {
    /// The Cloud API at `--graph-url`, or a simulator in this process.
    pub(super) async fn start(args: &ServeArgs) -> Result<Self, CommandError> {
        if let Some(url) = &args.graph_url {
            return Ok(Self::CloudApi { url: url.trim_end_matches('/').to_owned() });
        }
        let config = match &args.simulator_config {
            Some(path) => json_file::read(path)?,
            None => built_in(fast_behaviour()),
        };
        let log_file = config.log_file.clone();
        let log_file = log_file.or_else(|| Some(args.data.join("simulator.jsonl")));
        let config = Config { log_file, ..config };
        let connection_request = connection_request(&config);
        let verify_token = config.verify_token.clone();
        let simulator = Simulator::start(config).await.map_err(CommandError::Simulator)?;
        Ok(Self::BuiltInSimulator { simulator, connection_request, verify_token })
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::CloudApi { url } => url.clone(),
            Self::BuiltInSimulator { simulator, .. } => simulator.url(),
        }
    }

    pub(super) fn is_simulator(&self) -> bool {
        matches!(self, Self::BuiltInSimulator { .. })
    }

    /// Creates a connection to the simulator if there is no connection, and sets the
    /// simulator's webhook. Returns the id of the created connection.
    pub(super) async fn connect(
        &self,
        url: &str,
        key: &SecretString,
    ) -> Result<Option<String>, CommandError> {
        let Self::BuiltInSimulator { simulator, connection_request, verify_token } = self else {
            return Ok(None);
        };
        let client = Client::new(url, key.clone())?;
        let mut created_id = None;
        let connections = ApiPath::new("connections");
        if client.list(&Request::get(&connections), Some(1)).await?.len() == 0 {
            let created = client.post(&connections, connection_request.clone()).await?;
            created_id = created["id"].as_str().map(str::to_owned);
        }
        simulator.set_webhook(&format!("{url}/webhooks/whatsapp"), verify_token);
        Ok(created_id)
    }

    pub(super) async fn stop(self) {
        if let Self::BuiltInSimulator { simulator, .. } = self {
            simulator.shutdown().await;
        }
    }
}

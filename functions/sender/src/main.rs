//! Wires the sender to Lambda.

use carillon::AwsConfig;
use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::IdSource;
use carillon::time::Clock;
use lambda_runtime::{Error, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let http = http_client(Timeouts::default())?;
    let providers = Providers::standard(&ProviderSetup { http, graph_url: config.graph_url() });
    let sender =
        carillon_sender::sender(&config, &aws, Clock::system(), IdSource::random(), providers)?;
    lambda_runtime::run(service_fn(|event| carillon_sender::handle(&sender, event))).await
}

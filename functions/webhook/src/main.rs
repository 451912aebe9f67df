//! Wires the webhook to Lambda.

use std::sync::Arc;

use carillon::AwsConfig;
use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_webhook::Webhook;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let http = http_client(Timeouts::default())?;
    let providers = Providers::standard(&ProviderSetup { http, graph_url: config.graph_url() });
    let webhook = Webhook::new(&config, &aws, Clock::system(), IdSource::random(), providers)?;
    lambda_http::run(carillon_webhook::router(Arc::new(webhook))).await
}

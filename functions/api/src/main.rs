//! Wires the API to Lambda.

use std::sync::Arc;

use carillon::AwsConfig;
use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::http_client::http_client;
use carillon::ids::IdSource;
use carillon::jobs::Launcher;
use carillon::time::Clock;
use carillon_api::{Api, PROVIDER_TIMEOUTS};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let http = http_client(PROVIDER_TIMEOUTS)?;
    let providers = Providers::standard(&ProviderSetup { http, graph_url: config.graph_url() });
    let clock = Clock::system();
    let launcher = Launcher::of(&config, &aws, &clock)?;
    let api = Api::new(&config, &aws, clock, IdSource::random(), providers, launcher)?;
    lambda_http::run(carillon_api::router(Arc::new(api))).await
}

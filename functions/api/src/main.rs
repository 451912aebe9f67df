//! Wires the API to Lambda.

use std::sync::Arc;

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_api::Api;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let api = Api::new(&config, &aws, Clock::system(), IdSource::random())?;
    lambda_http::run(carillon_api::router(Arc::new(api))).await
}

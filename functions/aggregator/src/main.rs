//! Wires the aggregator to Lambda.

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::table::Table;
use carillon::time::Clock;
use carillon_aggregator::Aggregator;
use lambda_runtime::{Error, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let table = Table::new(&aws, &config.table()?);
    let aggregator = &Aggregator::new(table, Clock::system(), config.event_detail()?);
    lambda_runtime::run(service_fn(move |event| aggregator.handle(event))).await
}

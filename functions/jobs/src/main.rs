//! Wires the function that works jobs to Lambda.

use carillon::AwsConfig;
use carillon::config::Config;
use carillon::jobs::Launcher;
use carillon::time::Clock;
use lambda_runtime::{Error, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let clock = Clock::system();
    let launcher = Launcher::of(&config, &aws, &clock)?;
    let worker = carillon_jobs::worker(&config, &aws, clock, launcher)?;
    lambda_runtime::run(service_fn(|event| carillon_jobs::handle(&worker, event))).await
}

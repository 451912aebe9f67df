//! Wires the scheduler to Lambda.

use carillon::AwsConfig;
use carillon::channel::{ProviderSetup, Providers};
use carillon::config::Config;
use carillon::http_client::{Timeouts, http_client};
use carillon::jobs::Launcher;
use carillon::time::Clock;
use carillon_scheduler::Scheduler;
use lambda_runtime::{Error, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    carillon::telemetry::init_json(&config);
    let aws = AwsConfig::from_env().await;
    let http = http_client(Timeouts::default())?;
    let providers = Providers::standard(&ProviderSetup { http, graph_url: config.graph_url() });
    let clock = Clock::system();
    let launcher = Launcher::of(&config, &aws, &clock)?;
    let scheduler = Scheduler::new(&config, &aws, clock, providers, launcher)?;
    lambda_runtime::run(service_fn(|event| scheduler.handle(event))).await
}

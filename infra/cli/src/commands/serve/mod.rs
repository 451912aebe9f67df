//! `carillon serve`.

mod args;
mod provider;
mod startup;

use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_engines::Storage;
use carillon_host::{
    DataFolder, Host, HostConfig, SchedulerTrigger, StreamDelivery, standard_providers,
};
use secrecy::SecretString;

pub(crate) use args::ServeArgs;

use crate::error::CommandError;
use crate::signals;
use provider::Provider;
use startup::Startup;

pub(crate) async fn run(args: ServeArgs, json: bool) -> Result<(), CommandError> {
    let folder = DataFolder::open(&args.data)?;
    folder.ensure_unlocked()?;
    let provider = Provider::start(&args).await?;
    let ids = IdSource::random();
    let admin_key = folder.admin_key(args.admin_key.clone(), &ids)?;
    let config = host_config(&args, &folder, &provider, &admin_key, ids)?;
    let host = Host::start(config).await?;
    let url = local_url(&host.url());
    folder.record_address(&url)?;
    let created_connection = provider.connect(&url, &admin_key).await?;
    Startup { args: &args, url, admin_key, provider: &provider, created_connection }.print(json)?;
    signals::wait_for_shutdown().await.map_err(CommandError::Signal)?;
    eprintln!("Finishing the messages in progress. Ctrl-C stops at once and loses no data.");
    tokio::select! {
        () = stop(host, provider) => Ok(()),
        again = signals::wait_for_shutdown() => again.map_err(CommandError::Signal),
    }
}

async fn stop(host: Host, provider: Provider) {
    host.stop().await;
    provider.stop().await;
}

fn host_config(
    args: &ServeArgs,
    folder: &DataFolder,
    provider: &Provider,
    admin_key: &SecretString,
    ids: IdSource,
) -> Result<HostConfig, CommandError> {
    Ok(HostConfig {
        storage: Storage::Folder(folder.path().to_owned()),
        listen: args.listen,
        providers: standard_providers(&provider.url())?,
        public_url: args.public_url.clone(),
        admin_key: admin_key.clone(),
        secrets_key: folder.secrets_key(args.secrets_key.clone(), &ids)?,
        address_key: folder.address_key(None, &ids)?,
        clock: Clock::system(),
        ids,
        senders: args.senders,
        minimum_share: args.minimum_share,
        message_retention_days: args.message_retention_days,
        events: args.events,
        scheduler: SchedulerTrigger::Timer,
        stream_delivery: StreamDelivery::Once,
    })
}

/// The URL by which this machine reaches a listener. A listener on all addresses is
/// reached by loopback.
fn local_url(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_by_loopback() {
        assert_eq!(local_url("http://0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(local_url("http://[::]:8080"), "http://[::1]:8080");
        assert_eq!(local_url("http://10.0.0.7:8080"), "http://10.0.0.7:8080");
    }
}

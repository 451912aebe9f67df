//! Starts the host, again after a restart, and the fault proxies where faults are injected.

use std::num::NonZeroU16;
use std::sync::Arc;

use carillon::address_key::AddressKeys;
use carillon::channel::Providers;
use carillon::feed::Detail;
use carillon::ids::IdSource;
use carillon::time::Clock;
use carillon_api::Cursors;
use carillon_engines::{Engines, Storage};
use carillon_host::{
    DEFAULT_MESSAGE_RETENTION_DAYS, DEFAULT_MINIMUM_SHARE, ExternalBackends, Host, HostConfig,
    SchedulerTrigger, StreamDelivery, standard_providers,
};
use tempfile::TempDir;
use whatsapp_simulator::Simulator;

use crate::streams::DynamoDbStream;
use crate::{FaultProxy, FaultRates};

pub(crate) const ADMIN_KEY: &str = "test-admin-key";
pub(crate) const APP_SECRET: &str = "simulator-app-secret";
pub(crate) const VERIFY_TOKEN: &str = "simulator-verify-token";
/// The stream shards of a world with faults.
const STREAM_SHARDS: NonZeroU16 = NonZeroU16::new(3).unwrap();
/// 32 bytes, all zero.
const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The fault proxies in front of the engines.
#[derive(Debug)]
pub struct Proxies {
    /// In front of DynamoDB.
    pub table: FaultProxy,
    /// In front of SQS.
    pub queues: FaultProxy,
}

impl Proxies {
    pub(crate) fn set_rates(&self, rates: &FaultRates) {
        self.table.set_rates(rates.clone());
        self.queues.set_rates(rates.clone());
    }
}

/// What a start of the host needs, and a restart again.
pub(crate) struct HostSetup {
    pub(crate) clock: Clock,
    pub(crate) folder: TempDir,
    /// The name of the table and the prefix of the queues' names, on external engines.
    pub(crate) name: String,
    pub(crate) senders: usize,
    pub(crate) faults: Option<FaultRates>,
    pub(crate) providers: fn(Providers) -> Providers,
}

impl HostSetup {
    /// The cursors of the host's API.
    pub(crate) async fn cursors(&self) -> Cursors {
        let keys = AddressKeys::fixed(&SECRETS_KEY.into()).expect("a key");
        Cursors::of(&keys, &IdSource::seeded(1)).await.expect("the key is known")
    }

    /// Starts the host and lets the simulator call its webhook.
    pub(crate) async fn start(&self, simulator: &Simulator) -> (Host, Option<Proxies>) {
        let config = self.host_config(&simulator.url());
        let (host, proxies) = match (&self.faults, external_engines(&self.name)) {
            (Some(rates), _) => {
                let (host, proxies) = start_with_faults(config, rates).await;
                (host, Some(proxies))
            }
            (None, Some(external)) => {
                let host = Box::pin(Host::start_with_backends(config, external)).await;
                (host.expect("the host starts"), None)
            }
            (None, None) => (Box::pin(Host::start(config)).await.expect("the host starts"), None),
        };
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), VERIFY_TOKEN);
        (host, proxies)
    }

    fn host_config(&self, graph_url: &str) -> HostConfig {
        HostConfig {
            storage: Storage::Folder(self.folder.path().to_owned()),
            listen: ([127, 0, 0, 1], 0).into(),
            providers: (self.providers)(standard_providers(graph_url).expect("an HTTP client")),
            public_url: None,
            admin_key: ADMIN_KEY.into(),
            secrets_key: SECRETS_KEY.into(),
            address_key: SECRETS_KEY.into(),
            clock: self.clock.clone(),
            ids: IdSource::seeded(7),
            senders: self.senders,
            minimum_share: DEFAULT_MINIMUM_SHARE,
            message_retention_days: DEFAULT_MESSAGE_RETENTION_DAYS,
            events: Detail::default(),
            scheduler: SchedulerTrigger::Manual,
            stream_delivery: match self.faults {
                Some(_) => StreamDelivery::TwiceInShards(STREAM_SHARDS),
                None => StreamDelivery::Once,
            },
        }
    }
}

/// Starts the host behind fault proxies, and the faults once it has started.
async fn start_with_faults(config: HostConfig, rates: &FaultRates) -> (Host, Proxies) {
    let engines = Engines::start(config.storage.clone()).expect("the engines start");
    let proxy = |url: String, seed| async move {
        FaultProxy::start(&url, seed).await.expect("the proxy starts")
    };
    let (table, table_url) = proxy(engines.dynamodb_url(), 1).await;
    let (queues, queues_url) = proxy(engines.sqs_url(), 2).await;
    let host = Box::pin(Host::start_with_engines(config, engines, &table_url, &queues_url)).await;
    let proxies = Proxies { table, queues };
    proxies.set_rates(rates);
    (host.expect("the host starts"), proxies)
}

/// The external engines that the environment names in the SDK's own variables.
#[expect(clippy::disallowed_methods, reason = "the environment selects the engines to test")]
fn external_engines(name: &str) -> Option<ExternalBackends> {
    let url = |variable| std::env::var(variable).ok();
    let dynamodb_url = url("AWS_ENDPOINT_URL_DYNAMODB")?;
    let sqs_url = url("AWS_ENDPOINT_URL_SQS")?;
    let stream = Arc::new(DynamoDbStream::new(&dynamodb_url, name));
    Some(ExternalBackends { dynamodb_url, sqs_url, name: name.to_owned(), stream })
}

//! Every sample event in `events/` is delivered to its handler, as Lambda does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::analytics;
use carillon::channel::{Credentials, ProviderSetup, Providers};
use carillon::config::Config;
use carillon::connection::{self, Connection, Vault};
use carillon::feed::Detail;
use carillon::http_client::{Timeouts, http_client};
use carillon::ids::{ConnectionId, IdSource};
use carillon::jobs::Launcher;
use carillon::recipient::Status;
use carillon::table::{Table, ensure_table};
use carillon::time::{Clock, Timestamp};
use carillon_aggregator::Aggregator;
use carillon_api::Api;
use carillon_engines::{Engines, Storage};
use carillon_scheduler::Scheduler;
use carillon_webhook::Webhook;
use lambda_runtime::{Context, LambdaEvent};
use serde::de::DeserializeOwned;
use serde_json::json;
use tower::ServiceExt;

const SECRETS_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ADMIN_KEY: &str = "sample-admin-key-0123456789abcdef";

/// The functions on an embedded table that holds the samples' connection.
struct Functions {
    aws: AwsConfig,
    config: Config,
    clock: Clock,
    ids: IdSource,
    providers: Providers,
    table: Table,
    _engines: Engines,
}

impl Functions {
    async fn new() -> Self {
        let engines = Engines::start(Storage::Temporary).expect("the engines start");
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let config = Config::from_values([
            ("CARILLON_TABLE", "carillon"),
            ("CARILLON_SENDS_QUEUE_URL", "http://127.0.0.1/000000000000/sends.fifo"),
            ("CARILLON_PACED_QUEUE_URL", "http://127.0.0.1/000000000000/paced.fifo"),
            ("CARILLON_SECRETS_KEY", SECRETS_KEY),
            ("CARILLON_ADDRESS_KEY", SECRETS_KEY),
            ("CARILLON_ADMIN_KEY", ADMIN_KEY),
        ]);
        let addresses = AddressKeys::fixed(&SECRETS_KEY.into()).expect("a key");
        let table = Table::new(&aws, "carillon").with_addresses(addresses);
        ensure_table(&table).await.expect("the table is created");
        // The day of the samples.
        let clock = Clock::movable(Timestamp::constant(1_795_251_600, 0), 1.0);
        let ids = IdSource::seeded(1);
        let http = http_client(Timeouts::default()).expect("an HTTP client");
        let providers = Providers::standard(&ProviderSetup { http, graph_url: None });
        let functions = Self { aws, config, clock, ids, providers, table, _engines: engines };
        functions.create_connection().await;
        functions
    }

    async fn create_connection(&self) {
        let id: ConnectionId = "con_01890a5d-ac96-774b-bcce-b302099a8056".parse().expect("an id");
        let credentials = Credentials::from_iter([
            ("access_token", "token".into()),
            ("app_secret", "test_app_secret".into()),
            ("verify_token", "meatyhamhock".into()),
        ]);
        let settings = json!({"phone_number_id": "800000000000001"});
        let settings = settings.as_object().expect("an object").clone();
        let provider = self.providers.get("whatsapp_cloud").expect("the provider");
        let vault = Vault::new(&SECRETS_KEY.into()).expect("a vault");
        let connection = Connection {
            id,
            name: "Main".to_owned(),
            provider: provider.configure(settings).expect("valid settings"),
            quota_group: Some("main".to_owned()),
            throughput_mps: Some(80),
            credentials: vault.seal(id, &credentials, &self.ids).await.expect("sealed"),
            created_at: Timestamp::UNIX_EPOCH,
        };
        connection::store::create(&self.table, &connection).await.expect("stored");
    }

    fn api(&self) -> axum::Router {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let (providers, launcher) = (self.providers.clone(), Launcher::closed());
        let api = Api::new(&self.config, &self.aws, clock, ids, providers, launcher);
        let api = api.expect("the API starts");
        carillon_api::router(Arc::new(api))
    }

    fn webhook(&self) -> axum::Router {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let webhook = Webhook::new(&self.config, &self.aws, clock, ids, self.providers.clone());
        carillon_webhook::router(Arc::new(webhook.expect("the webhook starts")))
    }
}

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(events().join(name)).expect("a sample event")
}

fn event<T: DeserializeOwned>(name: &str) -> LambdaEvent<T> {
    let payload = serde_json::from_str(&read(name)).expect("an event of its type");
    let mut context = Context::default();
    context.deadline = 4_102_444_800_000;
    LambdaEvent::new(payload, context)
}

/// Delivers an HTTP API event to a router, as `lambda_http::run` does.
async fn http(router: axum::Router, name: &str) -> (u16, String) {
    let request = lambda_http::request::from_str(&read(name)).expect("an HTTP API event");
    let answer = router.oneshot(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 22).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_its_sample_events() {
    let functions = Functions::new().await;
    let api = functions.api();
    let (status, body) = http(api.clone(), "api-openapi.json").await;
    assert_eq!((status, body.contains("\"openapi\"")), (200, true), "{body}");
    let (status, body) = http(api.clone(), "api-create-campaign.json").await;
    assert_eq!(status, 201, "{body}");
    let (status, body) = http(api, "api-list-campaigns.json").await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_answers_its_sample_events() {
    let functions = Functions::new().await;
    let webhook = functions.webhook();
    let (status, body) = http(webhook.clone(), "webhook-verify.json").await;
    assert_eq!(status, 200, "{body}");
    for name in ["webhook-statuses.json", "webhook-statuses-base64.json", "webhook-inbound.json"] {
        let (status, body) = http(webhook.clone(), name).await;
        assert_eq!(status, 200, "{name}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_runs_on_both_of_its_triggers() {
    let functions = Functions::new().await;
    let clock = functions.clock.clone();
    let Functions { config, aws, providers, .. } = &functions;
    let scheduler = Scheduler::new(config, aws, clock, providers.clone(), Launcher::closed());
    let scheduler = scheduler.expect("set up");
    for name in ["scheduler-daily.json", "scheduler-minute.json"] {
        scheduler.handle(event(name)).await.expect(name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_drops_a_message_of_an_unknown_batch() {
    let functions = Functions::new().await;
    let (clock, ids) = (functions.clock.clone(), functions.ids.clone());
    let Functions { config, aws, providers, .. } = &functions;
    let sender = carillon_sender::sender(config, aws, clock, ids, providers.clone());
    let response =
        carillon_sender::handle(&sender.expect("set up"), event("sender-batch.json")).await;
    assert!(response.expect("handled").batch_item_failures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_not_exist_is_no_work() {
    let functions = Functions::new().await;
    let (clock, launcher) = (functions.clock.clone(), Launcher::closed());
    let worker = carillon_jobs::worker(&functions.config, &functions.aws, clock, launcher);
    carillon_jobs::handle(&worker.expect("set up"), event("jobs-run.json")).await.expect("handled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aggregator_counts_a_redelivered_record_once() {
    let functions = Functions::new().await;
    let aggregator = Aggregator::new(functions.table.clone(), Clock::system(), Detail::default());
    for _ in 0..2 {
        aggregator.handle(event("aggregator-recipients.json")).await.expect("counted");
    }
    let campaign = "cmp_01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("an id");
    let counters = analytics::store::read(&functions.table, campaign, 8).await;
    let counters = counters.expect("the table answers").0;
    let states: i64 =
        Status::ALL.iter().filter_map(|status| counters.get(&format!("n_{status}"))).sum();
    let inserted = read("aggregator-recipients.json").matches("\"INSERT\"").count();
    assert_eq!(states, i64::try_from(inserted).expect("few"), "{counters:?}");
}

#[test]
fn every_sample_event_has_a_test() {
    let known = include_str!("sample_events.rs");
    for entry in std::fs::read_dir(events()).expect("the samples") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        assert!(known.contains(&format!("\"{name}\"")), "{name} has no test");
    }
}

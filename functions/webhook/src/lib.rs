//! The webhook: events of the providers arrive here. A request is answered 200 only when
//! everything in it is stored; on a storage fault it is answered 500, and the provider
//! repeats it. What can never be stored as what it is, is stored as unreadable.

mod account;
mod apply;
mod candidates;
mod error;
mod unreadable;

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use carillon::AwsConfig;
use carillon::address_key::AddressKeys;
use carillon::channel::event::Event;
use carillon::channel::{Candidate, Handshake, Providers, WebhookRequest};
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::conversation::Retention;
use carillon::delivery::{CampaignConnections, LinkedAddresses, Shared, Successes};
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::telemetry::{Metric, measure};
use carillon::time::Clock;
use futures::stream::{self, StreamExt};

use crate::candidates::{Candidates, Concern, Signers};
use crate::error::EventError;

/// The largest body that is accepted, in bytes. Source: Meta, "Webhooks": payloads of up to
/// 3 MB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// How many events of a request are stored at the same time.
const IN_FLIGHT: usize = 64;

/// Stores the events of the providers.
#[derive(Debug)]
pub struct Webhook {
    table: Table,
    providers: Providers,
    candidates: Candidates,
    campaigns: CampaignConnections,
    linked: LinkedAddresses,
    successes: Successes,
    retention: Retention,
    clock: Clock,
    ids: IdSource,
}

/// Why a webhook cannot be set up.
pub type SetUpError = Box<dyn std::error::Error + Send + Sync>;

impl Webhook {
    /// A webhook with the settings of the configuration.
    pub fn new(
        config: &Config,
        aws: &AwsConfig,
        clock: Clock,
        ids: IdSource,
        providers: Providers,
    ) -> Result<Self, SetUpError> {
        let addresses = AddressKeys::of(config, aws, &clock, &ids)?;
        let table = Table::new(aws, &config.table()?).with_addresses(addresses);
        let vault = Vault::of(config, aws, &clock)?;
        let retention = config.message_retention()?;
        let candidates = Candidates::new(table.clone(), vault);
        let campaigns = CampaignConnections::default();
        let (linked, successes) = (LinkedAddresses::default(), Successes::default());
        Ok(Self {
            table,
            providers,
            candidates,
            campaigns,
            linked,
            successes,
            retention,
            clock,
            ids,
        })
    }

    fn count_dropped(&self, dropped: usize) {
        tracing::warn!(dropped, "events of a sender whose secret did not sign the request");
        measure(&[(Metric::EventsDropped, dropped as u64)], self.clock.now());
    }

    /// Stores the events that concern the signers, each whatever becomes of the others. One
    /// app's secret signs for its own senders only: events of others are dropped and counted,
    /// unless the other's secret cannot be read.
    ///
    /// # Errors
    /// What became of one event that is not stored.
    async fn store(&self, events: Vec<Event>, signers: &Signers) -> Result<(), EventError> {
        let (mut ours, mut unproven, mut dropped) = (Vec::with_capacity(events.len()), 0, 0);
        for event in events {
            match signers.concern(&event) {
                Concern::Signer => ours.push(event),
                Concern::SecretUnreadable => unproven += 1,
                Concern::Stranger => dropped += 1,
            }
        }
        if dropped > 0 {
            self.count_dropped(dropped);
        }
        let shared = Shared::default();
        let stored = stream::iter(ours)
            .map(|event| self.store_one(event, signers, &shared))
            .buffer_unordered(IN_FLIGHT)
            .fold(Ok(()), |all: Result<(), EventError>, one| ready(all.and(one)))
            .await;
        if unproven > 0 {
            return stored.and(Err(EventError::SecretUnreadable));
        }
        stored
    }
}

/// The webhook's routes.
pub fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route("/webhooks/{provider}", get(handshake).post(receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(webhook)
}

/// The status and the text of an answer other than 200.
type Refusal = (StatusCode, &'static str);

const UNKNOWN_PROVIDER: Refusal = (StatusCode::NOT_FOUND, "there is no such webhook\n");
const UNKNOWN_TOKEN: Refusal = (StatusCode::FORBIDDEN, "the verify token is not known\n");
const NOT_SIGNED: Refusal = (StatusCode::UNAUTHORIZED, "the signature does not match\n");

/// The provider verifies the address.
async fn handshake(
    State(webhook): State<Arc<Webhook>>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<String, Refusal> {
    let (provider, receiver) = webhook.providers.receiver(&path).ok_or(UNKNOWN_PROVIDER)?;
    let query = query.unwrap_or_default();
    let request = WebhookRequest { headers: &headers, query: &query, body: &[] };
    let confirmed = |candidates: &[Candidate]| match receiver.handshake(&request, candidates) {
        Handshake::Confirmed(body) => Some(body),
        Handshake::Refused => None,
    };
    let now = webhook.clock.now();
    let answer = webhook.candidates.ask(provider.name(), now, confirmed).await;
    answer.map_err(|error| unavailable(&error))?.ok_or(UNKNOWN_TOKEN)
}

async fn receive(
    State(webhook): State<Arc<Webhook>>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<String, Refusal> {
    let (provider, receiver) = webhook.providers.receiver(&path).ok_or(UNKNOWN_PROVIDER)?;
    let query = query.unwrap_or_default();
    let request = WebhookRequest { headers: &headers, query: &query, body: &body };
    let who_signed = |candidates: &[Candidate]| {
        let signers = receiver.authenticate(&request, candidates);
        (!signers.is_empty()).then_some(signers)
    };
    let now = webhook.clock.now();
    let signers = webhook.candidates.signers(provider, now, who_signed).await;
    let signers = signers.map_err(|error| unavailable(&error))?.ok_or(NOT_SIGNED)?;
    let events = receiver.parse(&body);
    let signers = webhook.candidates.renew(signers, &events, now, who_signed).await;
    let signers = signers.map_err(|error| unavailable(&error))?;
    webhook.store(events, &signers).await.map_err(|error| unavailable(&error))?;
    Ok(String::new())
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error, "the webhook could not store a request");
    (StatusCode::INTERNAL_SERVER_ERROR, "try again\n")
}

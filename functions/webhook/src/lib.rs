//! The webhook: WhatsApp's events come in here. It verifies the signature over
//! the raw bytes and answers 200 only when everything in the request is stored;
//! on a storage fault it answers 500, and Meta repeats the request.

mod apply;
mod connections;
mod news;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use carillon::channel::whatsapp_cloud::{self, Update};
use carillon::config::Config;
use carillon::connection::Vault;
use carillon::conversation::Retention;
use carillon::ids::IdSource;
use carillon::table::Table;
use carillon::time::Clock;
use serde::Deserialize;

use crate::connections::Connections;

/// The largest body Meta sends, with room to spare, in bytes.
/// Source: Meta, "Webhooks": payloads of up to 3 MB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Takes WhatsApp's events in.
#[derive(Debug)]
pub struct Webhook {
    table: Table,
    connections: Connections,
    kept: Retention,
    clock: Clock,
    ids: IdSource,
}

/// Why a webhook can't be set up.
pub type SetUpError = Box<dyn std::error::Error + Send + Sync>;

impl Webhook {
    /// A webhook as the environment describes it.
    pub fn new(
        config: &Config,
        aws: &carillon::AwsConfig,
        clock: Clock,
        ids: IdSource,
    ) -> Result<Self, SetUpError> {
        let table = Table::new(aws, &config.table()?);
        let vault = Vault::of(config, aws, &clock)?;
        let kept = config.message_retention()?;
        Ok(Self { connections: Connections::new(table.clone(), vault), table, kept, clock, ids })
    }
}

/// The webhook's routes.
pub fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route("/webhooks/whatsapp", get(verify).post(receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(webhook)
}

#[derive(Deserialize)]
struct Verification {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.verify_token")]
    verify_token: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
}

/// Meta's handshake: the challenge comes back if the token is one of ours.
async fn verify(
    State(webhook): State<Arc<Webhook>>,
    Query(asked): Query<Verification>,
) -> (StatusCode, String) {
    let subscribes = asked.mode.as_deref() == Some("subscribe");
    let token = asked.verify_token.unwrap_or_default();
    match webhook.connections.knows_verify_token(&token, webhook.clock.now()).await {
        Ok(true) if subscribes => (StatusCode::OK, asked.challenge.unwrap_or_default()),
        Ok(_) => (StatusCode::FORBIDDEN, "the verify token is not known\n".to_owned()),
        Err(error) => unavailable(&error),
    }
}

async fn receive(
    State(webhook): State<Arc<Webhook>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let now = webhook.clock.now();
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
    match webhook.connections.knows_signature(signature.unwrap_or_default(), &body, now).await {
        Ok(true) => {}
        Ok(false) => {
            return (StatusCode::UNAUTHORIZED, "the signature does not match\n".to_owned());
        }
        Err(error) => return unavailable(&error),
    }
    // What isn't JSON but is signed has nothing to store: Meta need not repeat it.
    let updates = match whatsapp_cloud::parse(&body) {
        Ok(parsed) => parsed.updates(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a signed body can't be read");
            Vec::new()
        }
    };
    match webhook.store(updates).await {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> (StatusCode, String) {
    tracing::error!(error, "the webhook could not store a request");
    (StatusCode::INTERNAL_SERVER_ERROR, "try again\n".to_owned())
}

impl Webhook {
    async fn store(&self, updates: Vec<Update>) -> Result<(), apply::ApplyError> {
        use futures::stream::{self, StreamExt, TryStreamExt};
        stream::iter(updates)
            .map(|update| self.apply(update))
            .buffer_unordered(16)
            .try_for_each(|()| async { Ok(()) })
            .await
    }
}

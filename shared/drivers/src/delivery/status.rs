//! Status events of webhooks, and of providers whose statuses were early.

use carillon_channel::event::{MessageStatus, StatusEvent};
use carillon_channel::{Correlation, Provider};
use carillon_foundations::ids::IdSource;
use carillon_nouns::recipient::{self, Callback, DeliveryStatus, Event};
use carillon_nouns::{campaign, connection};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;

use super::correlation;
use super::settle::{RefusalSource, Refused, settle};

/// Records the status of a message that a provider reported. Idempotent: a repeated status
/// changes nothing.
pub async fn record_status(
    table: &Table,
    ids: &IdSource,
    provider: &dyn Provider,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let attempt = match provider.capabilities().correlation {
        Correlation::Callback => event.callback.as_deref().and_then(|text| text.parse().ok()),
        Correlation::MessageId => {
            correlation::attempt_of(table, provider.name(), event, now).await?
        }
    };
    let Some(attempt) = attempt else {
        tracing::debug!("a status of a message that no campaign sent");
        return Ok(());
    };
    record_for(table, ids, &attempt, event, now).await
}

/// Records a status of a known attempt.
pub(super) async fn record_for(
    table: &Table,
    ids: &IdSource,
    attempt: &Callback,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let status = match event.status {
        MessageStatus::Sent => DeliveryStatus::Sent,
        MessageStatus::Delivered => DeliveryStatus::Delivered,
        MessageStatus::Read => DeliveryStatus::Read,
        MessageStatus::Failed => return record_failure(table, ids, attempt, event, now).await,
    };
    let reported = Event { attempt: attempt.attempt, status };
    let id = Some(event.message_id.as_str());
    recipient::store::record(table, &attempt.recipient, reported, event.at, id).await?;
    Ok(())
}

/// A message that failed after it was accepted did not arrive: it may be retried.
async fn record_failure(
    table: &Table,
    ids: &IdSource,
    attempt: &Callback,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(refusal) = &event.refusal else { return Ok(()) };
    let campaign = campaign::store::get(table, attempt.recipient.campaign).await?;
    let connection = match &campaign {
        Some(campaign) => connection::store::get(table, campaign.settings.connection_id).await?,
        None => None,
    };
    let refused = Refused {
        refusal,
        to: &attempt.recipient.contact,
        campaign: campaign.as_ref(),
        connection: connection.as_ref(),
        at: event.at,
    };
    let source = RefusalSource::Webhook { attempt };
    settle(table, ids, &refused, source, now).await.map(drop)
}

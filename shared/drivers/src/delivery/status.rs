//! Status events of webhooks, and of providers whose statuses were early.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use carillon_channel::capabilities::ReportedStatus;
use carillon_channel::event::{MessageStatus, StatusEvent};
use carillon_channel::{Correlation, Provider};
use carillon_foundations::address::Address;
use carillon_foundations::country::Country;
use carillon_foundations::ids::{CampaignId, ConnectionId, ContactId, IdSource};
use carillon_nouns::campaign;
use carillon_nouns::connection::Connection;
use carillon_nouns::contact::{addresses, person};
use carillon_nouns::recipient::{self, Callback, DeliveryStatus, Event};
use carillon_table::{StoreError, Table, shard_of};
use jiff::Timestamp;

use super::correlation::{self, MessageRef};
use super::lock;
use super::refusals::{ReportedBy, Successes};
use super::settle::{RefusalSource, Refused, settle};
use super::shared::Shared;

/// How many campaigns [`CampaignConnections`] keeps.
const MAX_CAMPAIGNS: usize = 1_000;
/// How many addresses [`LinkedAddresses`] keeps.
const MAX_ADDRESSES: usize = 20_000;

/// Who reports a status.
#[derive(Debug, Clone, Copy)]
pub struct Reporter<'a> {
    /// The provider.
    pub provider: &'a dyn Provider,
    /// The connections that the report is authentic for.
    pub connections: &'a [Connection],
    /// The provider's id of the sender, if the report names one: then it is the sender of one
    /// of the connections.
    pub sender_id: Option<&'a str>,
    /// The connections of the campaigns.
    pub campaigns: &'a CampaignConnections,
    /// The addresses that are linked already.
    pub linked: &'a LinkedAddresses,
    /// The messages that got through.
    pub successes: &'a Successes,
    /// What the events of the report share.
    pub shared: &'a Shared,
}

/// The connection of each campaign, cached: it does not change once a campaign has started.
#[derive(Debug, Default)]
pub struct CampaignConnections(Mutex<HashMap<CampaignId, ConnectionId>>);

/// Addresses that lead to a contact, cached: the statuses of one message name the same ones,
/// and often come together. Those of one contact are linked one after the other, so that only
/// the first reads and writes.
#[derive(Debug)]
pub struct LinkedAddresses {
    known: Mutex<HashSet<(ContactId, Address)>>,
    turns: Vec<tokio::sync::Mutex<()>>,
}

/// How many groups of contacts are linked at the same time.
const TURNS: u16 = 64;

impl Default for LinkedAddresses {
    fn default() -> Self {
        Self { known: Mutex::default(), turns: (0..TURNS).map(|_| <_>::default()).collect() }
    }
}

/// What became of a reported status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, or no campaign sent the message.
    Done,
    /// The message was sent over another connection than those of the reporter: this one, if
    /// it is known.
    NotAuthentic(Option<ConnectionId>),
}

/// Records the status of a message that a provider reported. Idempotent: a repeated status
/// changes nothing.
pub async fn record_status(
    table: &Table,
    ids: &IdSource,
    reporter: Reporter<'_>,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let provider = reporter.provider;
    let attempt = match provider.capabilities().correlation {
        Correlation::Callback => event.callback.as_deref().and_then(|text| text.parse().ok()),
        Correlation::MessageId => {
            let Some(sender_id) = reporter.sender_id else {
                return Ok(Recorded::NotAuthentic(None));
            };
            let message =
                MessageRef { provider: provider.name(), sender_id, message_id: &event.message_id };
            correlation::attempt_of(table, message, event, now).await?
        }
    };
    let Some(attempt) = attempt else {
        tracing::debug!("a status of a message that no campaign sent");
        return Ok(Recorded::Done);
    };
    let connection = reporter.campaigns.get(table, attempt.recipient.campaign).await?;
    if !reporter.connections.iter().any(|one| Some(one.id) == connection) {
        return Ok(Recorded::NotAuthentic(connection));
    }
    // A recipient that waits for this one to be settled must meet the link.
    reporter.linked.link(table, &attempt, event).await?;
    if shows_success(provider, event.status) {
        reporter.successes.note(attempt.recipient.campaign, ReportedBy::Webhook);
    }
    let known = (reporter.successes, reporter.shared);
    record_for(table, ids, known, &attempt, event, now).await?;
    Ok(Recorded::Done)
}

/// Whether a status shows that messages get through now: the first one of a message. A message
/// may be delivered or read days after it was sent.
fn shows_success(provider: &dyn Provider, status: MessageStatus) -> bool {
    let reports_sent = provider.capabilities().statuses.contains(&ReportedStatus::Sent);
    match status {
        MessageStatus::Sent => true,
        MessageStatus::Delivered => !reports_sent,
        MessageStatus::Read | MessageStatus::Failed => false,
    }
}

impl LinkedAddresses {
    /// Links the addresses that a status names to the contact of its message: they were one
    /// person's when the attempt was sent, and may be somebody else's since. A message that
    /// failed reached nobody. Of an earlier attempt it is not known when it was sent.
    async fn link(
        &self,
        table: &Table,
        attempt: &Callback,
        event: &StatusEvent,
    ) -> Result<(), StoreError> {
        if event.status == MessageStatus::Failed {
            return Ok(());
        }
        let contact = attempt.recipient.contact;
        let _turn = self.turns[usize::from(shard_of(contact, TURNS))].lock().await;
        let mut new: Vec<Address> = event.recipient.iter().chain(&event.aliases).cloned().collect();
        new.retain(|address| !lock(&self.known).contains(&(contact, address.clone())));
        if new.is_empty() || !link_as_of_send(table, attempt, &new, event).await? {
            return Ok(());
        }
        let mut known = lock(&self.known);
        if known.len() >= MAX_ADDRESSES {
            known.clear();
        }
        known.extend(new.into_iter().map(|address| (contact, address)));
        Ok(())
    }
}

/// Links addresses to the contact of an attempt as of the time when it was sent; `false` where
/// that is not known, and they do not lead there already.
async fn link_as_of_send(
    table: &Table,
    attempt: &Callback,
    addresses: &[Address],
    event: &StatusEvent,
) -> Result<bool, StoreError> {
    let contact = attempt.recipient.contact;
    let known = addresses::find_many(table, &addresses.iter().collect::<Vec<_>>()).await?;
    let leads_there = |address| known.get(address).and_then(|entry| entry.contact) == Some(contact);
    if addresses.iter().all(leads_there) {
        return Ok(true);
    }
    let recipient = recipient::store::get(table, &attempt.recipient).await?;
    let sent_at = recipient.and_then(|recipient| recipient.sent_at_in(attempt.attempt));
    let Some(sent_at) = sent_at else { return Ok(false) };
    let at = sent_at.min(event.at);
    person::attach_known(table, contact, (addresses, &known), at).await?;
    Ok(true)
}

impl CampaignConnections {
    async fn get(&self, table: &Table, id: CampaignId) -> Result<Option<ConnectionId>, StoreError> {
        if let Some(known) = lock(&self.0).get(&id) {
            return Ok(Some(*known));
        }
        let Some(campaign) = campaign::store::get(table, id).await? else { return Ok(None) };
        let connection = campaign.settings.connection_id;
        let mut known = lock(&self.0);
        if known.len() >= MAX_CAMPAIGNS {
            known.clear();
        }
        known.insert(id, connection);
        Ok(Some(connection))
    }
}

/// Records a status of a known attempt.
pub(super) async fn record_for(
    table: &Table,
    ids: &IdSource,
    known: (&Successes, &Shared),
    attempt: &Callback,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let status = match event.status {
        MessageStatus::Sent => DeliveryStatus::Sent,
        MessageStatus::Delivered => DeliveryStatus::Delivered,
        MessageStatus::Read => DeliveryStatus::Read,
        MessageStatus::Failed => {
            return record_failure(table, ids, known, attempt, event, now).await;
        }
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
    (successes, shared): (&Successes, &Shared),
    attempt: &Callback,
    event: &StatusEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(refusal) = &event.refusal else { return Ok(()) };
    let sent = shared.campaign(table, attempt.recipient.campaign).await?;
    let refused = Refused {
        refusal,
        contact: attempt.recipient.contact,
        country: event.recipient.as_ref().map_or(Country::UNKNOWN, Address::country),
        campaign: sent.as_ref().map(|sent| &sent.campaign),
        connection: sent.as_ref().and_then(|sent| sent.connection.as_ref()),
        at: event.at,
    };
    let recipient = recipient::store::get(table, &attempt.recipient).await?;
    let recipient = recipient.as_ref();
    let source = RefusalSource::Webhook { attempt, recipient, successes, shared };
    settle(table, ids, &refused, source, now).await.map(drop)
}

//! The invariants at the end of a month.

use carillon::analytics::Report;
use carillon::analytics::store::{read as read_counters, recount};
use carillon::batch::store::{of_campaign as batches_of, open as open_batches};
use carillon::campaign::Campaign;
use carillon::campaign::store::open_sweeps;
use carillon::recipient::{DeliveryStatus, Recipient, Status};
use tower::BoxError;

use crate::campaign_contact::CampaignContact;
use crate::fixture::Fixture;
use crate::invariants::describe;
use crate::month::Month;
use crate::whatsapp::{LimitOf, MessageOutcome};

/// How many waiting recipients an incomplete month lists.
const MAX_LISTED_RECIPIENTS: usize = 3;

/// The first violation of the month, if any.
pub(crate) async fn first_violation(month: &Month) -> Result<Option<String>, BoxError> {
    let fixture = &month.fixture;
    if let Some(violation) = fixture.monitor.first_violation() {
        return Ok(Some(violation));
    }
    fixture.indexes.catch_up();
    if let Some(violation) = check_limits(month) {
        return Ok(Some(violation));
    }
    if !month.is_complete() {
        return Ok(Some(describe_incomplete(month).await?));
    }
    if let Some(violation) = check_recipients(fixture) {
        return Ok(Some(violation));
    }
    if let Some(violation) = check_open_work(fixture).await? {
        return Ok(Some(violation));
    }
    for campaign in campaigns(month) {
        if let Some(violation) = check_counters(fixture, &campaign).await? {
            return Ok(Some(violation));
        }
    }
    Ok(None)
}

fn campaigns(month: &Month) -> Vec<Campaign> {
    let state = month.fixture.monitor.state();
    month.operator.campaigns.iter().filter_map(|id| state.campaign(*id)).cloned().collect()
}

/// The messaging limit and the campaigns' daily limits.
fn check_limits(month: &Month) -> Option<String> {
    let log = month.fixture.whatsapp.log();
    let violation = {
        let limits = month.fixture.whatsapp.limits();
        let limit = limits.get(&LimitOf::Portfolio);
        limit.and_then(|limit| log.messaging_limit_violation(limit))
    };
    if let Some((at, people, limit)) = violation {
        return Some(format!(
            "{people} people in the 24 hours before {at}, and the limit is {limit}"
        ));
    }
    let state = month.fixture.monitor.state();
    log.contacts_by_date().into_iter().find_map(|((id, date), contacts)| {
        let history = state.campaigns.get(&id);
        let limit = history.map_or(0, |history| history.highest_daily_limit(date));
        (contacts > limit as usize).then(|| {
            format!("{id} sent to {contacts} contacts on {date}; its daily limit was {limit}")
        })
    })
}

/// What is left in a month that did not complete.
async fn describe_incomplete(month: &Month) -> Result<String, BoxError> {
    let mut lines = vec!["the month did not complete".to_owned()];
    for campaign in campaigns(month).iter().filter(|campaign| !campaign.status.is_final()) {
        lines.push(describe_campaign(&month.fixture, campaign).await?);
    }
    let state = month.fixture.monitor.state();
    let waiting = state
        .recipients
        .iter()
        .filter(|(_, recipient)| matches!(recipient.status, Status::Pending | Status::Sending));
    lines.extend(waiting.take(MAX_LISTED_RECIPIENTS).map(|(key, recipient)| {
        format!("{key} is {}, not before {:?}", describe(recipient), recipient.not_before)
    }));
    Ok(lines.join("\n  "))
}

async fn describe_campaign(fixture: &Fixture, campaign: &Campaign) -> Result<String, BoxError> {
    let batches = batches_of(&fixture.table, campaign.id).await?;
    let last =
        batches.last().map(|batch| (batch.name.date, batch.size, batch.used, batch.close_reason));
    let Campaign { id, status, walk, settings, .. } = campaign;
    let count = batches.len();
    Ok(format!(
        "{id} is {status}, walk {walk:?}, settings {settings:?}, {count} batches, last {last:?}"
    ))
}

/// Each recipient against the messages that WhatsApp received.
fn check_recipients(fixture: &Fixture) -> Option<String> {
    let state = fixture.monitor.state();
    let mut recipients = state.recipients.iter();
    recipients.find_map(|(key, recipient)| check_recipient(fixture, key, recipient))
}

fn check_recipient(
    fixture: &Fixture,
    key: &CampaignContact,
    recipient: &Recipient,
) -> Option<String> {
    let log = fixture.whatsapp.log();
    let attempt = recipient.attempt;
    let message = log
        .messages()
        .iter()
        .find(|message| message.recipient == *key && message.attempt == attempt);
    let outcome = message.map(|message| message.outcome);
    let is_sent = (Status::Sent.rank()..=Status::Closed.rank()).contains(&recipient.rank)
        && recipient.status != Status::Failed;
    if is_sent && matches!(outcome, None | Some(MessageOutcome::Refused)) {
        return Some(format!("{key} is {}, but WhatsApp accepted no message", describe(recipient)));
    }
    let is_unsent =
        matches!(recipient.status, Status::Skipped | Status::Cancelled | Status::Failed);
    if is_unsent && outcome == Some(MessageOutcome::Accepted) {
        return Some(format!("{key} is {}, but WhatsApp accepted a message", describe(recipient)));
    }
    let stored =
        log.stored_status(key, attempt).filter(|status| *status != DeliveryStatus::Failed)?;
    (recipient.rank < stored.status().rank())
        .then(|| format!("{key} is {}, but {stored:?} was stored", describe(recipient)))
}

/// No batch and no sweep is open.
async fn check_open_work(fixture: &Fixture) -> Result<Option<String>, BoxError> {
    if let Some(batch) = open_batches(&fixture.table).await?.first() {
        return Ok(Some(format!("the batch {} is open", batch.name)));
    }
    let sweeps = open_sweeps(&fixture.table).await?;
    Ok(sweeps.first().map(|sweep| format!("the sweep of {} is open", sweep.campaign)))
}

/// A campaign's counters against a recount, and the sum over all states against the
/// number of recipients.
async fn check_counters(
    fixture: &Fixture,
    campaign: &Campaign,
) -> Result<Option<String>, BoxError> {
    let (table, id) = (&fixture.table, campaign.id);
    let mut counters = read_counters(table, id, campaign.shards).await?;
    // A recount has no figures by day.
    counters.0.retain(|name, _| !name.starts_with("d_"));
    let recounted = recount(table, campaign).await?;
    if counters != recounted {
        return Ok(Some(format!("{id} has counters {counters:?}; a recount gives {recounted:?}")));
    }
    let state = fixture.monitor.state();
    let imported = state.recipients.keys().filter(|key| key.campaign == id).count() as u64;
    let sum = Report::of(&recounted).recipients;
    Ok((sum != imported)
        .then(|| format!("{id} has {imported} recipients, but its states add up to {sum}")))
}

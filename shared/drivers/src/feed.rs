//! The feed: which events the changes of items in the table's stream are.

use std::collections::BTreeMap;

use carillon_foundations::ids::{CampaignId, EventId, uuid_of};
use carillon_nouns::batch::{Batch, BatchStatus};
use carillon_nouns::campaign::{Campaign, Status};
use carillon_nouns::connection::{Connection, Health};
use carillon_nouns::conversation::Inbound;
use carillon_nouns::event::store::{Offset, append, remember};
use carillon_nouns::event::{Event, EventType, Subject, SubjectType};
use carillon_nouns::job::{Job, Status as JobStatus, Work};
use carillon_nouns::recipient::Recipient;
use carillon_table::{Key, StoreError, Table};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Which events are written besides those of campaigns, batches, connections and jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// None.
    #[default]
    Campaigns,
    /// Those of recipients and messages too: one written unit for each change of a recipient.
    Recipients,
}

impl Detail {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Campaigns => "campaigns",
            Self::Recipients => "recipients",
        }
    }
}

/// A word that names no detail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected campaigns or recipients")]
pub struct UnknownDetail;

impl std::str::FromStr for Detail {
    type Err = UnknownDetail;

    fn from_str(text: &str) -> Result<Self, UnknownDetail> {
        match text {
            "campaigns" => Ok(Self::Campaigns),
            "recipients" => Ok(Self::Recipients),
            _ => Err(UnknownDetail),
        }
    }
}

/// A record of the stream: an item before and after a change.
#[derive(Debug, Clone)]
pub struct Record {
    /// The item's key.
    pub key: Key,
    /// When it changed, to the second.
    pub at: Timestamp,
    /// The record's sequence number.
    pub sequence: String,
    /// The item before; empty when it was added.
    pub old: serde_dynamo::Item,
    /// The item after; empty when it was deleted.
    pub new: serde_dynamo::Item,
}

/// How many subjects' events are written at once.
const AT_ONCE: usize = 16;

/// An event to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    event: Event,
    sequence: String,
    /// The campaign whose history has the event, too.
    history_of: Option<CampaignId>,
}

/// The events that records are, in their order.
pub fn entries(records: &[Record], detail: Detail) -> Vec<Entry> {
    let entry = |record: &Record| {
        let event = event_of(record, detail)?;
        let history_of = match record.key {
            Key::Campaign(campaign) if !record.new.is_empty() => Some(campaign),
            _ => None,
        };
        Some(Entry { event, sequence: record.sequence.clone(), history_of })
    };
    records.iter().filter_map(entry).collect()
}

/// Writes events to the feed, and those of a campaign to its history. Those of one subject are
/// written one after the other: a reader sees none before the one that it follows.
///
/// # Errors
/// The table fails. Repeated, the events are written again, with the same ids.
pub async fn write(table: &Table, entries: Vec<Entry>, now: Timestamp) -> Result<(), StoreError> {
    let mut subjects: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        subjects.entry(entry.event.subject.id.clone()).or_default().push(entry);
    }
    let writes: Vec<_> =
        subjects.into_values().map(|entries| write_in_order(table, entries, now)).collect();
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

async fn write_in_order(
    table: &Table,
    entries: Vec<Entry>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for Entry { event, sequence, history_of } in entries {
        if let Some(campaign) = history_of {
            remember(table, campaign, &sequence, &event).await?;
        }
        append(table, &Offset::of(now, &sequence, event.kind), &event, now).await?;
    }
    Ok(())
}

/// The event that a record is; none for a change that is no event.
pub fn event_of(record: &Record, detail: Detail) -> Option<Event> {
    let (kind, subject, data) = match &record.key {
        Key::Campaign(id) => {
            let (kind, data) = of_campaign(change(record)?)?;
            (kind, Subject { kind: SubjectType::Campaign, id: id.to_string() }, data)
        }
        Key::Batch { campaign, date, number } => {
            let (kind, data) = of_batch(change(record)?)?;
            let id = format!("{campaign}/{date}/{number}");
            (kind, Subject { kind: SubjectType::Batch, id }, data)
        }
        Key::Connection(id) => {
            let (kind, data) = of_connection(change(record)?)?;
            (kind, Subject { kind: SubjectType::Connection, id: id.to_string() }, data)
        }
        Key::Health(id) => {
            let data = of_health(change(record)?)?;
            let subject = Subject { kind: SubjectType::Connection, id: id.to_string() };
            (EventType::ConnectionHealthChanged, subject, data)
        }
        Key::Job(id) => {
            let (kind, data) = of_job(change(record)?)?;
            (kind, Subject { kind: SubjectType::Job, id: id.to_string() }, data)
        }
        Key::Recipient { campaign, contact, .. } if detail == Detail::Recipients => {
            let mut data = of_recipient(change(record)?)?;
            data["campaign_id"] = json!(campaign);
            let subject = Subject { kind: SubjectType::Contact, id: contact.to_string() };
            (EventType::RecipientChanged, subject, data)
        }
        Key::Message { contact, .. } if detail == Detail::Recipients => {
            let data = of_message(change(record)?)?;
            let subject = Subject { kind: SubjectType::Contact, id: contact.to_string() };
            (EventType::MessageReceived, subject, data)
        }
        _ => return None,
    };
    let id =
        EventId::from_uuid(uuid_of(record.at, &[&record.sequence, kind.as_str(), &subject.id]));
    Some(Event { id, kind, created_at: record.at, subject, data })
}

/// An item before and after a change.
type Change<T> = (Option<T>, Option<T>);

/// The item of a record; none where it can't be read.
fn change<T: DeserializeOwned>(record: &Record) -> Option<Change<T>> {
    let read = || Ok((image(&record.old)?, image(&record.new)?));
    read()
        .inspect_err(|_: &serde_dynamo::Error| {
            tracing::error!("an item in the stream can't be read");
        })
        .ok()
}

fn image<T: DeserializeOwned>(item: &serde_dynamo::Item) -> Result<Option<T>, serde_dynamo::Error> {
    if item.is_empty() { Ok(None) } else { serde_dynamo::from_item(item.clone()).map(Some) }
}

fn of_campaign(change: Change<Campaign>) -> Option<(EventType, Value)> {
    let (kind, campaign) = match change {
        // One that was moved into this table was created elsewhere.
        (None, Some(new)) if new.version == 1 => (EventType::CampaignCreated, new),
        (Some(old), None) => (EventType::CampaignDeleted, old),
        (Some(old), Some(new)) if old.status != new.status => (moved(old.status, new.status)?, new),
        (Some(old), Some(new)) if old.settings != new.settings => (EventType::CampaignUpdated, new),
        (Some(_) | None, Some(_)) | (None, None) => return None,
    };
    let halt = campaign.halt.map(|halt| json!({ "code": halt.code, "detail": halt.detail }));
    let data = json!({ "name": campaign.settings.name, "status": campaign.status, "halt": halt });
    Some((kind, data))
}

fn moved(from: Status, to: Status) -> Option<EventType> {
    match (from, to) {
        (_, Status::Draft) => None,
        (Status::Paused | Status::Halted, Status::Scheduled | Status::Active) => {
            Some(EventType::CampaignResumed)
        }
        (Status::Completed, Status::Active) => Some(EventType::CampaignReopened),
        (_, Status::Scheduled) => Some(EventType::CampaignScheduled),
        (_, Status::Active) => Some(EventType::CampaignStarted),
        (_, Status::Paused) => Some(EventType::CampaignPaused),
        (_, Status::Halted) => Some(EventType::CampaignHalted),
        (_, Status::Completed) => Some(EventType::CampaignCompleted),
        (_, Status::Cancelled) => Some(EventType::CampaignCancelled),
    }
}

fn of_batch(change: Change<Batch>) -> Option<(EventType, Value)> {
    let (kind, batch) = match change {
        (None, Some(new)) if new.enqueued == 0 => (EventType::BatchCreated, new),
        (Some(old), Some(new))
            if old.status == BatchStatus::Open && new.status == BatchStatus::Done =>
        {
            (EventType::BatchClosed, new)
        }
        (Some(_) | None, _) => return None,
    };
    let data = json!({
        "campaign_id": batch.name.campaign,
        "date": batch.name.date,
        "number": batch.name.number,
        "connection_id": batch.connection,
        "size": batch.size,
        "used": batch.used,
        "close_reason": batch.close_reason,
    });
    Some((kind, data))
}

fn of_connection(change: Change<Connection>) -> Option<(EventType, Value)> {
    let (kind, connection) = match change {
        (None, Some(new)) => (EventType::ConnectionCreated, new),
        (Some(old), None) => (EventType::ConnectionDeleted, old),
        (Some(old), Some(new)) if old != new => (EventType::ConnectionUpdated, new),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let provider = &connection.provider.provider;
    Some((kind, json!({ "name": connection.name, "provider": provider })))
}

fn of_health(change: Change<Health>) -> Option<Value> {
    let (old, Some(new)) = change else { return None };
    let reported =
        |health: &Health| Health { checked_at: None, throttling: None, ..health.clone() };
    if reported(&old.unwrap_or_default()) == reported(&new) {
        return None;
    }
    Some(json!({
        "quality": new.quality,
        "throughput_mps": new.throughput_mps,
        "learned_mps": new.learned_mps,
        "blocked_countries": new.blocked_countries,
        "note": new.note,
    }))
}

fn of_job(change: Change<Job>) -> Option<(EventType, Value)> {
    let (old, Some(job)) = change else { return None };
    let kind = match (old.map(|old| old.status), job.status) {
        (None, JobStatus::Queued) => EventType::JobCreated,
        (Some(old), new) if old != new => match new {
            JobStatus::Queued | JobStatus::Running => return None,
            JobStatus::Completed => EventType::JobCompleted,
            JobStatus::Failed => EventType::JobFailed,
            JobStatus::Cancelled => EventType::JobCancelled,
        },
        // It goes on, or was moved into this table.
        (Some(_) | None, _) => return None,
    };
    let Work::BulkRecipients(bulk) = &job.work;
    let data = json!({
        "campaign_id": bulk.campaign,
        "action": bulk.action,
        "dry_run": bulk.dry_run,
        "status": job.status,
        "matched": job.progress.matched,
        "changed": job.progress.changed,
    });
    Some((kind, data))
}

fn of_recipient(change: Change<Recipient>) -> Option<Value> {
    // One that is imported is no event of its own.
    let (Some(old), Some(new)) = change else { return None };
    if (old.status, old.attempt) == (new.status, new.attempt) {
        return None;
    }
    Some(json!({
        "status": new.status,
        "attempt": new.attempt,
        "failure_code": new.code,
        "skip_reason": new.skip_reason,
    }))
}

fn of_message(change: Change<Inbound>) -> Option<Value> {
    let (None, Some(new)) = change else { return None };
    Some(json!({ "connection_id": new.connection_id, "is_reply": new.is_reply }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaigns_way_is_told_as_events() {
        use Status::{Active, Cancelled, Completed, Draft, Halted, Paused, Scheduled};
        for (from, to, kind) in [
            (Draft, Active, EventType::CampaignStarted),
            (Draft, Scheduled, EventType::CampaignScheduled),
            (Scheduled, Active, EventType::CampaignStarted),
            (Active, Paused, EventType::CampaignPaused),
            (Paused, Active, EventType::CampaignResumed),
            (Paused, Scheduled, EventType::CampaignResumed),
            (Active, Halted, EventType::CampaignHalted),
            (Halted, Active, EventType::CampaignResumed),
            (Active, Completed, EventType::CampaignCompleted),
            (Completed, Active, EventType::CampaignReopened),
            (Paused, Cancelled, EventType::CampaignCancelled),
        ] {
            assert_eq!(moved(from, to), Some(kind), "{from} to {to}");
        }
    }

    #[test]
    fn a_probe_that_says_nothing_new_is_no_event() {
        let at = |second: i64| Some(Timestamp::from_second(1_800_000_000 + second).unwrap());
        let green = |checked_at| Health {
            quality: Some("green".to_owned()),
            checked_at,
            ..Health::default()
        };
        assert_eq!(of_health((Some(green(at(0))), Some(green(at(9))))), None);
        let red = Health { quality: Some("red".to_owned()), ..green(at(9)) };
        assert_eq!(of_health((Some(green(at(0))), Some(red))).unwrap()["quality"], "red");
    }
}

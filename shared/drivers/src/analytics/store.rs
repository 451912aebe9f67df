//! Counters in the table: one item for each shard, in the partition of its recipients.
//! The item has the counts and the sequence number of the last record that was counted.
//! One conditional write updates both, so that each record is counted exactly once, even
//! after a redelivery.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Change, Image, Tally, after_sequence};
use carillon_foundations::ids::CampaignId;
use carillon_nouns::campaign::{Campaign, Status as CampaignStatus};
use carillon_nouns::recipient::{self, Cursor, Recipient, RecipientSet, Status};
use carillon_table::{Key, StoreError, Table, Update};

/// How often the counters of an idle shard are audited.
const AUDIT_INTERVAL: SignedDuration = SignedDuration::from_hours(12);
/// The same, once nothing was sent for [`SETTLED_AFTER`]: few statuses arrive.
const SETTLED_AUDIT_INTERVAL: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long after a campaign has ended, or was planned last, most of its statuses have arrived.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The maximum number of recipients in one status that a recount returns.
const MAX_RETURNED: usize = 1000;

/// A counters item.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Row {
    /// The sequence number of the last record that was counted.
    #[serde(default)]
    pub(super) last_sequence: Option<String>,
    /// The id of the last watermark that the aggregator read from the stream (see
    /// `audit`).
    #[serde(default)]
    pub(super) watermark: Option<String>,
    /// When the last audit found or made the counters correct.
    #[serde(default)]
    pub(super) audited_at: Option<Timestamp>,
    /// The counters, among the other attributes.
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Row {
    /// When the next audit of the counters is due; none where they were never audited.
    pub(super) fn next_audit(&self, campaign: &Campaign) -> Option<Timestamp> {
        let at = self.audited_at?;
        let planned_at = campaign.planned_at.filter(|_| campaign.status != CampaignStatus::Active);
        let settled_at = campaign.finished_at.or(planned_at).map(|last| last + SETTLED_AFTER);
        let is_settled = settled_at.is_some_and(|settled_at| settled_at <= at);
        Some(at + if is_settled { SETTLED_AUDIT_INTERVAL } else { AUDIT_INTERVAL })
    }

    pub(super) fn tally(&self) -> Tally {
        let counters = self.rest.iter().filter_map(|(name, value)| {
            let known = ["n_", "skip_", "wait_", "fail_", "d_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            let amount = value.as_i64().or_else(|| value.as_f64().map(|n| n as i64))?;
            known.then(|| (name.clone(), amount))
        });
        Tally(counters.collect())
    }
}

/// Counts the changes of one shard, in stream order. Idempotent: changes that were
/// counted before are skipped.
pub async fn count(
    table: &Table,
    campaign: CampaignId,
    shard: u16,
    changes: &[Change],
    zone: &TimeZone,
) -> Result<(), StoreError> {
    let key = Key::Counters { campaign, shard };
    loop {
        let row: Row = table.get(&key).await?.unwrap_or_default();
        let seen = row.last_sequence.as_deref();
        let fresh = changes.iter().filter(|change| after_sequence(&change.sequence, seen));
        let mut tally = Tally::default();
        let mut last = None;
        let mut counts = false;
        for change in fresh {
            let one = Tally::of(change, zone);
            counts |= !one.0.is_empty();
            tally.add(one);
            last = Some(&change.sequence);
        }
        let Some(last) = last else { return Ok(()) };
        // No write is needed where no change affects a counter: a redelivery has no effect
        // either. Changes that cancel each other out must be recorded all the same: a
        // redelivery may start after the first of them.
        if !counts {
            return Ok(());
        }
        match table.update(addition(&key, &tally, last, seen)).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Condition(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

fn addition(key: &Key, tally: &Tally, last: &str, seen: Option<&str>) -> Update {
    let update = Update::of(key)
        .set("last_sequence", last)
        .unchanged("last_sequence", seen.map(str::to_owned));
    tally.0.iter().fold(update, |update, (name, amount)| update.add(name, *amount))
}

/// The counters of a campaign, over all its shards.
pub async fn read(table: &Table, campaign: CampaignId, shards: u16) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for (_, row) in rows(table, campaign, shards).await? {
        tally.add(row.tally());
    }
    Ok(tally)
}

/// When the audit of each shard of a campaign is due, none for a shard that was never audited:
/// the first to be due first.
pub async fn next_audits(
    table: &Table,
    campaign: &Campaign,
) -> Result<Vec<(Option<Timestamp>, u16)>, StoreError> {
    let rows: BTreeMap<u16, Row> =
        rows(table, campaign.id, campaign.shards).await?.into_iter().collect();
    let next = |shard| (rows.get(&shard).and_then(|row| row.next_audit(campaign)), shard);
    let mut audits: Vec<_> = (0..campaign.shards).map(next).collect();
    audits.sort_unstable();
    Ok(audits)
}

/// The counters of each shard that has any, in no order.
async fn rows(
    table: &Table,
    campaign: CampaignId,
    shards: u16,
) -> Result<Vec<(u16, Row)>, StoreError> {
    let keys: Vec<Key> = (0..shards).map(|shard| Key::Counters { campaign, shard }).collect();
    let shard = |(key, row)| match key {
        Key::Counters { shard, .. } => Some((shard, row)),
        _ => None,
    };
    Ok(table.get_many::<Row>(&keys).await?.into_iter().filter_map(shard).collect())
}

/// Recounts all recipients of a campaign, without the counters of days.
pub async fn recount(table: &Table, campaign: &Campaign) -> Result<Tally, StoreError> {
    let mut sum = Tally::default();
    for shard in 0..campaign.shards {
        sum.add(recount_shard(table, campaign, shard).await?.tally);
    }
    sum.0.retain(|name, _| !name.starts_with("d_"));
    Ok(sum)
}

/// The result of the recount of one shard.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// The counters.
    pub(super) tally: Tally,
    /// The recipients in status `sending`, at most [`MAX_RETURNED`].
    pub(super) sending: Vec<Recipient>,
    /// The pending recipients of a campaign that is over, at most [`MAX_RETURNED`].
    pub(super) left_behind: Vec<Recipient>,
}

/// Recounts one shard.
pub(super) async fn recount_shard(
    table: &Table,
    campaign: &Campaign,
    shard: u16,
) -> Result<Recount, StoreError> {
    let zone = campaign.zone();
    // The walk is limited to this shard: the cursor skips the shards before it, the number
    // of shards those after it.
    let recipients = RecipientSet { shards: shard + 1, ..campaign.recipients() };
    let mut recount = Recount::default();
    let mut cursor = Some(Cursor::start_of(shard));
    loop {
        let after = cursor.as_ref();
        let (page, next) = recipient::store::walk(table, recipients, after, 1000).await?;
        for recipient in page {
            let change =
                Change { sequence: String::new(), old: None, new: Some(Image::from(&recipient)) };
            recount.tally.add(Tally::of(&change, &zone));
            let of_status = match recipient.status {
                Status::Sending => &mut recount.sending,
                Status::Pending if campaign.status.is_final() => &mut recount.left_behind,
                _ => continue,
            };
            if of_status.len() < MAX_RETURNED {
                of_status.push(recipient);
            }
        }
        if next.is_none() {
            return Ok(recount);
        }
        cursor = next;
    }
}

impl From<&Recipient> for Image {
    fn from(recipient: &Recipient) -> Self {
        Self {
            status: recipient.status,
            skip_reason: recipient.skip_reason,
            code: recipient.code,
            waits_for: recipient.waits_for,
            sent_at: recipient.sent_at,
            delivered_at: recipient.delivered_at,
            read_at: recipient.read_at,
            replied_at: recipient.replied_at,
            failed_at: recipient.failed_at,
        }
    }
}

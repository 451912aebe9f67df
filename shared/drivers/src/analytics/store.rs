//! Counters in the table: one item a shard, beside its recipients, holding the
//! counts and how far in the stream they reach. One conditional write moves both,
//! so that a record counts exactly once however often it is delivered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Change, Image, Tally, after_sequence};
use carillon_foundations::ids::CampaignId;
use carillon_nouns::campaign::Campaign;
use carillon_nouns::recipient::{self, Cursor, CursorRange, Recipient, RecipientSet, Status};
use carillon_table::{Key, StoreError, Table, Update};

/// How often the counters of a shard at rest are audited.
const AUDIT_INTERVAL: SignedDuration = SignedDuration::from_hours(12);
/// How many recipients that are being sent to a recount returns.
const MAX_SENDING: usize = 1000;

/// A counters item: whatever counters there are, and the last record counted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Row {
    /// The last record counted.
    #[serde(default)]
    pub(super) last_sequence: Option<String>,
    /// The last watermark seen in the stream (see `audit`).
    #[serde(default)]
    pub(super) watermark: Option<String>,
    /// When the counters were last found to be right.
    #[serde(default)]
    pub(super) audited_at: Option<Timestamp>,
    pk: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Row {
    /// Whether the counters are to be audited.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.audited_at
            .is_none_or(|at| at.checked_add(AUDIT_INTERVAL).is_ok_and(|next| next <= now))
    }

    fn shard(&self) -> Option<u16> {
        match Key::parse(self.pk.as_deref()?, Key::COUNTERS)? {
            Key::Counters { shard, .. } => Some(shard),
            _ => None,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let counters = self.rest.iter().filter_map(|(name, value)| {
            let known =
                ["n_", "skip_", "fail_", "d_"].iter().any(|prefix| name.starts_with(prefix));
            let amount = value.as_i64().or_else(|| value.as_f64().map(|n| n as i64))?;
            known.then(|| (name.clone(), amount))
        });
        Tally(counters.collect())
    }
}

/// Counts the changes of one shard, in stream order. Those counted before are
/// passed over.
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
        // Changes that count for nothing may come again. Not so those that only
        // add up to nothing: they may come again without the first of them.
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
    let update = Update::of(key).set("last_sequence", last);
    let update = match seen {
        Some(seen) => update.when("#last_sequence = :seen").value("seen", seen),
        None => update.when("attribute_not_exists(#last_sequence)"),
    };
    tally.0.iter().fold(update, |update, (name, amount)| update.add(name, *amount))
}

/// The counters of a campaign, over all its shards.
pub async fn read(table: &Table, campaign: CampaignId, shards: u16) -> Result<Tally, StoreError> {
    Ok(snapshot(table, campaign, shards, Timestamp::MAX).await?.tally)
}

/// The counters of a campaign, and whether they were audited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CounterSnapshot {
    /// The counters, over all shards.
    pub tally: Tally,
    /// The first shard whose counters are due for an audit.
    pub unaudited: Option<u16>,
}

/// The counters of a campaign as they stand at `now`.
pub async fn snapshot(
    table: &Table,
    campaign: CampaignId,
    shards: u16,
    now: Timestamp,
) -> Result<CounterSnapshot, StoreError> {
    let keys: Vec<Key> = (0..shards).map(|shard| Key::Counters { campaign, shard }).collect();
    let mut audited = BTreeSet::new();
    let mut tally = Tally::default();
    for keys in keys.chunks(100) {
        for row in table.get_many::<Row>(keys).await? {
            tally.add(row.tally());
            audited.extend(row.shard().filter(|_| !row.is_due(now)));
        }
    }
    Ok(CounterSnapshot { tally, unaudited: (0..shards).find(|shard| !audited.contains(shard)) })
}

/// The state counters as a full recount of the recipients gives them; the days
/// are left out. Reads every recipient.
pub async fn recount(table: &Table, campaign: &Campaign) -> Result<Tally, StoreError> {
    let mut sum = Tally::default();
    for shard in 0..campaign.shards {
        sum.add(recount_shard(table, campaign, shard).await?.tally);
    }
    sum.0.retain(|name, _| !name.starts_with("d_"));
    Ok(sum)
}

/// What a recount of one shard finds.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// All counters as its recipients give them.
    pub(super) tally: Tally,
    /// Some of those being sent at this moment.
    pub(super) sending: Vec<Recipient>,
}

/// Recounts one shard.
pub(super) async fn recount_shard(
    table: &Table,
    campaign: &Campaign,
    shard: u16,
) -> Result<Recount, StoreError> {
    let zone = campaign.zone();
    // Only this shard: the recipients of the shards before it are skipped by the cursor.
    let recipients = RecipientSet { shards: shard + 1, ..campaign.recipients() };
    let mut recount = Recount::default();
    let mut cursor = Some(Cursor::start_of(shard));
    loop {
        let range = CursorRange::after(cursor.as_ref());
        let (page, next) = recipient::store::walk(table, recipients, range, 1000).await?;
        for recipient in page {
            let change =
                Change { sequence: String::new(), old: None, new: Some(Image::from(&recipient)) };
            recount.tally.add(Tally::of(&change, &zone));
            if recipient.status == Status::Sending && recount.sending.len() < MAX_SENDING {
                recount.sending.push(recipient);
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
            sent_at: recipient.sent_at,
            delivered_at: recipient.delivered_at,
            read_at: recipient.read_at,
            replied_at: recipient.replied_at,
            failed_at: recipient.failed_at,
        }
    }
}

//! Counters in the table: one item a shard, beside its recipients, holding the
//! counts and how far in the stream they reach. One conditional write moves both,
//! so that a record counts exactly once however often it is delivered.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Change, Image, Tally, after_sequence};
use crate::campaign::Campaign;
use crate::ids::CampaignId;
use crate::plan::Cursor;
use crate::recipient::{self, Recipient};
use crate::table::{Key, StoreError, Table, Update};

/// A counters item: whatever counters there are, and the last record counted.
#[derive(Debug, Default, Deserialize)]
struct Row {
    #[serde(default)]
    last_sequence: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Row {
    fn tally(&self) -> Tally {
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
    let keys: Vec<Key> = (0..shards).map(|shard| Key::Counters { campaign, shard }).collect();
    let mut sum = Tally::default();
    for keys in keys.chunks(100) {
        for row in table.get_many::<Row>(keys).await? {
            sum.add(row.tally());
        }
    }
    Ok(sum)
}

/// The state counters as a full recount of the recipients gives them; the days
/// are left out. Reads every recipient.
pub async fn recount(table: &Table, campaign: &Campaign) -> Result<Tally, StoreError> {
    let mut sum = Tally::default();
    let mut cursor: Option<Cursor> = None;
    loop {
        let (page, next) = recipient::store::walk(
            table,
            campaign.id,
            campaign.shards,
            cursor.as_ref(),
            None,
            1000,
        )
        .await?;
        for recipient in &page {
            let change =
                Change { sequence: String::new(), old: None, new: Some(Image::from(recipient)) };
            sum.add(Tally::of(&change, &TimeZone::UTC));
        }
        if next.is_none() {
            sum.0.retain(|name, _| !name.starts_with("d_"));
            return Ok(sum);
        }
        cursor = next;
    }
}

impl From<&Recipient> for Image {
    fn from(recipient: &Recipient) -> Self {
        Self {
            status: recipient.status,
            reason: recipient.reason.clone(),
            code: recipient.code,
            sent_at: recipient.sent_at,
            delivered_at: recipient.delivered_at,
            read_at: recipient.read_at,
            replied_at: recipient.replied_at,
            failed_at: recipient.failed_at,
        }
    }
}

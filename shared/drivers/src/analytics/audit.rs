//! The audit: whether the counters of a shard are what a recount of its
//! recipients gives, and their correction when they are not.
//!
//! Counters run behind their recipients, and how far is not known: the stream may
//! be late. So a watermark is stored beside the recipients. It passes through the stream
//! after everything written before it; once the aggregator has seen it, all of
//! that is counted. If no recipient of the shard changed between two watermarks, the
//! recount made between them can be compared with the counters.
//!
//! First a watermark is stored. When it was seen, and nothing was counted since,
//! the recipients are recounted; if the counters agree, the audit ends. If not, another
//! watermark is stored with the difference. When that was seen, and still nothing was
//! counted, the difference is real and is added.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Tally;
use super::store::{Row, recount_shard};
use carillon_foundations::time::sortable;
use carillon_nouns::campaign::Campaign;
use carillon_nouns::recipient::{self, Recipient};
use carillon_table::{Key, StoreError, Table, Update, Write, read_item};

/// The minimum time between two steps of an audit. A shard that changes more often is
/// still being sent to.
const STEP: SignedDuration = SignedDuration::from_secs(55);
/// After how long a watermark that was not seen is stored again.
const WATERMARK_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

/// A watermark beside the recipients of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Its id, unique within the shard.
    pub id: String,
    /// When it was stored.
    pub put_at: Timestamp,
    /// The last record that was counted when it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// What a recount found missing from the counters; none before the recount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<BTreeMap<String, i64>>,
}

/// The progress of the audit of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// It waits until a watermark has passed through the stream.
    Waits,
    /// The counters equal the recount, or no audit is due.
    Correct,
    /// They differed and were corrected.
    Corrected {
        /// What was missing, by counter.
        missing: Tally,
    },
}

/// Runs the next step of the audit of a shard. Call it again a minute later.
pub async fn audit(
    table: &Table,
    campaign: &Campaign,
    shard: u16,
    now: Timestamp,
) -> Result<Audit, StoreError> {
    let counters = Key::Counters { campaign: campaign.id, shard };
    let row: Row = table.get(&counters).await?.unwrap_or_default();
    if !row.is_due(now) {
        return Ok(Audit::Correct);
    }
    let key = Key::Watermark { campaign: campaign.id, shard };
    let fresh = Watermark {
        id: sortable(now),
        put_at: now,
        sequence: row.last_sequence.clone(),
        missing: None,
    };
    let Some(watermark) = table.get::<Watermark>(&key).await? else {
        return put(table, &key, fresh).await;
    };
    if now < watermark.put_at + STEP {
        return Ok(Audit::Waits);
    }
    let seen = row.watermark.as_ref() == Some(&watermark.id);
    if !seen && now < watermark.put_at + WATERMARK_TIMEOUT {
        return Ok(Audit::Waits);
    }
    if !seen || watermark.sequence != row.last_sequence {
        return put(table, &key, fresh).await;
    }
    let missing = if let Some(missing) = watermark.missing {
        Tally(missing)
    } else {
        let recount = recount_shard(table, campaign, shard).await?;
        if settle_expired_claims(table, campaign, &recount.sending, now).await? {
            return put(table, &key, fresh).await;
        }
        let missing = recount.tally.missing_from(&row.tally());
        if !missing.0.is_empty() {
            return put(table, &key, Watermark { missing: Some(missing.0), ..fresh }).await;
        }
        missing
    };
    if !conclude(table, &counters, &row, &watermark.id, &missing, now).await? {
        return put(table, &key, fresh).await;
    }
    table.write(Write::Delete(key)).await?;
    Ok(if missing.0.is_empty() { Audit::Correct } else { Audit::Corrected { missing } })
}

/// Settles claims that nobody will settle any more: their sender froze so long that
/// the batch was taken over and finished without it, and then ended. `true` when
/// there were some.
async fn settle_expired_claims(
    table: &Table,
    campaign: &Campaign,
    sending: &[Recipient],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut any = false;
    for recipient in sending.iter().filter(|one| one.claim_is_expired(now)) {
        let key = campaign.recipients().key(&recipient.contact);
        recipient::store::settle_lost(table, &key, recipient.attempt, now).await?;
        any = true;
    }
    Ok(any)
}

async fn put(table: &Table, key: &Key, watermark: Watermark) -> Result<Audit, StoreError> {
    table.write(Write::put(key, &watermark)?).await?;
    Ok(Audit::Waits)
}

/// Adds what is missing, unless a record was counted since; `false` then. The watermark
/// is used up with it, so that the same write, repeated, adds nothing again.
async fn conclude(
    table: &Table,
    counters: &Key,
    row: &Row,
    watermark: &str,
    missing: &Tally,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let used_up = format!("{watermark} used up");
    let update = Update::of(counters)
        .set("audited_at", now)
        .set("watermark", &used_up)
        .when("#watermark = :seen_watermark")
        .value("seen_watermark", watermark);
    let update = match &row.last_sequence {
        Some(seen) => update.when("#last_sequence = :seen").value("seen", seen),
        None => update.when("attribute_not_exists(#last_sequence)"),
    };
    let update = missing.0.iter().fold(update, |update, (name, amount)| update.add(name, *amount));
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(Some(item))) => {
            Ok(read_item::<Row>(*item)?.watermark.as_ref() == Some(&used_up))
        }
        Err(StoreError::Condition(None)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records that a watermark passed through the stream.
pub async fn seen(table: &Table, shard: &Key, watermark: &str) -> Result<(), StoreError> {
    table.update(Update::of(shard).set("watermark", watermark)).await.map(drop)
}

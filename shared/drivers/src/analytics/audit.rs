//! The audit: whether the counters of a shard are what a recount of its
//! recipients gives, and the mending when they are not.
//!
//! Counters run behind their recipients, and how far is not known: the stream may
//! be late. So a watermark is put beside the recipients. It travels through the stream
//! after everything written before it; once the aggregator has seen it, all of
//! that is counted. If no recipient of the shard changed between two marks, the
//! recount made between them can be compared with the counters.
//!
//! First a watermark is put. When it was seen, and nothing was counted since it was put,
//! the recipients are recounted; if the counters agree, all is well. If not, another
//! watermark is put that carries the difference. When that was seen, and still nothing was
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

/// The least time between two steps of an audit: who changes a shard more often
/// than that is not done with it.
const STEP: SignedDuration = SignedDuration::from_secs(55);
/// After how long without being seen a watermark is put anew.
const WATERMARK_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

/// A watermark beside the recipients of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Tells it from others of the shard.
    pub id: String,
    /// When it was put.
    pub put_at: Timestamp,
    /// The last record that was counted when it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// What a recount found missing from the counters; none before the recount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<BTreeMap<String, i64>>,
}

/// How far an audit of a shard has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// It waits for a watermark to come through the stream.
    Waits,
    /// The counters are what the recount gives, or it is not yet time.
    Correct,
    /// They were not, and are now.
    Corrected {
        /// What was missing, by counter.
        missing: Tally,
    },
}

/// Takes the audit of one shard a step further; to be called again a minute later.
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

/// Notes that a watermark came through the stream.
pub async fn seen(table: &Table, shard: &Key, watermark: &str) -> Result<(), StoreError> {
    table.update(Update::of(shard).set("watermark", watermark)).await.map(drop)
}

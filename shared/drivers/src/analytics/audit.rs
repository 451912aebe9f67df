//! The audit compares the counters of a shard with a recount of its recipients, and
//! corrects them where they differ.
//!
//! The stream may be late, so that the counters lag behind the recipients. The audit
//! therefore writes a watermark into the partition of the recipients. The stream delivers
//! it after all earlier writes to the partition: once the aggregator has read it, they are
//! all counted. If no recipient of the shard changed between two watermarks, a recount made
//! between them can be compared with the counters.
//!
//! The steps of an audit:
//!
//! 1. It stores a watermark.
//! 2. Once the aggregator has read it, and no record was counted since, the audit recounts
//!    the recipients. If the counters are equal, the audit ends. If not, it stores another
//!    watermark with the difference.
//! 3. Once the aggregator has read that one, and still no record was counted, the audit
//!    adds the difference to the counters.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Tally;
use super::store::{Row, recount_shard};
use carillon_foundations::time::sortable;
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::recipient::{self, CancelReason, Recipient};
use carillon_table::{Key, StoreError, Table, Update, Write, condition_held, read_item};

/// The minimum time between two steps of an audit. A shard that changes more often is
/// still being sent to.
pub const STEP: SignedDuration = SignedDuration::from_secs(55);
/// After how long a watermark that the aggregator has not read is stored again.
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
    /// It waits until the aggregator has read a watermark.
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
    if row.next_audit(campaign).is_some_and(|next| next > now) {
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
        if settle_expired_claims(table, campaign, &recount.sending, now).await?
            || cancel_left_behind(table, campaign, &recount.left_behind).await?
        {
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
    table.write(Write::delete(&key)).await?;
    Ok(if missing.0.is_empty() { Audit::Correct } else { Audit::Corrected { missing } })
}

/// Settles claims that no run will settle: the sender froze until another run had leased
/// and closed its batch, and then stopped. `true` where there was one.
async fn settle_expired_claims(
    table: &Table,
    campaign: &Campaign,
    sending: &[Recipient],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut any = false;
    for recipient in sending.iter().filter(|one| one.claim_is_expired(now)) {
        let key = campaign.recipients().key(recipient.contact);
        recipient::store::settle_lost(table, &key, recipient.attempt, now).await?;
        any = true;
    }
    Ok(any)
}

/// Cancels recipients who are pending although their campaign is over and its sweep done: a run
/// that froze for long made them pending, and stopped before it looked at the campaign. `true`
/// where there was one.
async fn cancel_left_behind(
    table: &Table,
    campaign: &Campaign,
    left_behind: &[Recipient],
) -> Result<bool, StoreError> {
    if left_behind.is_empty() || campaign::store::is_being_swept(table, campaign.id).await? {
        return Ok(false);
    }
    let mut any = false;
    for recipient in left_behind {
        let key = campaign.recipients().key(recipient.contact);
        let reason = CancelReason::CampaignOver;
        let cancel = recipient::store::cancel_update(&key, recipient.attempt, reason);
        // A campaign that a person reopens meets them.
        let is_over = campaign::store::unchanged_check(campaign);
        any |= condition_held(table.transact(vec![Write::Update(cancel), is_over]).await)?;
    }
    Ok(any)
}

async fn put(table: &Table, key: &Key, watermark: Watermark) -> Result<Audit, StoreError> {
    table.write(Write::put(key, &watermark)?).await?;
    Ok(Audit::Waits)
}

/// Adds what is missing. `false` where a record was counted since. Idempotent: the same
/// write replaces the watermark, so that a repeated write adds nothing.
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
        .unchanged("watermark", Some(watermark.to_owned()))
        .unchanged("last_sequence", row.last_sequence.clone());
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

/// Records that the aggregator has read a watermark from the stream.
pub async fn seen(table: &Table, shard: &Key, watermark: &str) -> Result<(), StoreError> {
    table.update(Update::of(shard).set("watermark", watermark)).await.map(drop)
}

//! The audit: whether the counters of a shard are what a recount of its
//! recipients gives, and the mending when they are not.
//!
//! Counters run behind their recipients, and how far is not known: the stream may
//! be late. So a mark is put beside the recipients. It travels through the stream
//! after everything written before it; once the aggregator has seen it, all of
//! that is counted. If no recipient of the shard changed between two marks, the
//! recount made between them can be compared with the counters.
//!
//! First a mark is put. When it was seen, and nothing was counted since it was put,
//! the recipients are recounted; if the counters agree, all is well. If not, another
//! mark is put that carries the difference. When that was seen, and still nothing was
//! counted, the difference is real and is added.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Tally;
use super::store::{Row, recount_shard};
use crate::campaign::Campaign;
use crate::recipient::store::Place;
use crate::recipient::{self, Recipient};
use crate::table::{Key, StoreError, Table, Update, Write, read_item};
use crate::time::sortable;

/// How often a shard that is at rest is audited.
pub const AUDIT_EVERY: SignedDuration = SignedDuration::from_hours(12);
/// The least time between two steps of an audit: who changes a shard more often
/// than that is not done with it.
const STEP: SignedDuration = SignedDuration::from_secs(55);
/// After how long without being seen a mark is put anew.
const MARK_PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// A mark beside the recipients of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Tells it from others of the shard.
    pub mark: String,
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
    /// It waits for a mark to come through the stream.
    Waits,
    /// The counters are what the recount gives, or it is not yet time.
    Fine,
    /// They were not, and are now.
    Mended {
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
        return Ok(Audit::Fine);
    }
    let key = Key::Mark { campaign: campaign.id, shard };
    let fresh = Mark {
        mark: sortable(now),
        put_at: now,
        sequence: row.last_sequence.clone(),
        missing: None,
    };
    let Some(mark) = table.get::<Mark>(&key).await? else { return put(table, &key, fresh).await };
    if now < mark.put_at + STEP {
        return Ok(Audit::Waits);
    }
    let seen = row.mark.as_ref() == Some(&mark.mark);
    if !seen && now < mark.put_at + MARK_PATIENCE {
        return Ok(Audit::Waits);
    }
    if !seen || mark.sequence != row.last_sequence {
        return put(table, &key, fresh).await;
    }
    let missing = if let Some(missing) = mark.missing {
        Tally(missing)
    } else {
        let recount = recount_shard(table, campaign, shard).await?;
        if give_up(table, campaign, &recount.sending, now).await? {
            return put(table, &key, fresh).await;
        }
        let missing = recount.tally.missing_from(&row.tally());
        if !missing.0.is_empty() {
            return put(table, &key, Mark { missing: Some(missing.0), ..fresh }).await;
        }
        missing
    };
    if !conclude(table, &counters, &row, &mark.mark, &missing, now).await? {
        return put(table, &key, fresh).await;
    }
    table.write(Write::Delete(key)).await?;
    Ok(if missing.0.is_empty() { Audit::Fine } else { Audit::Mended { missing } })
}

/// Settles claims that nobody will settle any more: their sender froze so long that
/// the batch was taken over and finished without it, and then ended. `true` when
/// there were some.
async fn give_up(
    table: &Table,
    campaign: &Campaign,
    sending: &[Recipient],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut any = false;
    for recipient in sending.iter().filter(|one| one.is_given_up(now)) {
        let place = Place::of(campaign.id, &recipient.contact, campaign.shards);
        recipient::store::settle_lost(table, &place, recipient.attempt, now).await?;
        any = true;
    }
    Ok(any)
}

async fn put(table: &Table, key: &Key, mark: Mark) -> Result<Audit, StoreError> {
    table.write(Write::put(key, &mark)?).await?;
    Ok(Audit::Waits)
}

/// Adds what is missing, unless a record was counted since; `false` then. The mark
/// is used up with it, so that the same write, repeated, adds nothing again.
async fn conclude(
    table: &Table,
    counters: &Key,
    row: &Row,
    mark: &str,
    missing: &Tally,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let used_up = format!("{mark} used up");
    let update = Update::of(counters)
        .set("audited_at", now)
        .set("mark", &used_up)
        .when("#mark = :seen_mark")
        .value("seen_mark", mark);
    let update = match &row.last_sequence {
        Some(seen) => update.when("#last_sequence = :seen").value("seen", seen),
        None => update.when("attribute_not_exists(#last_sequence)"),
    };
    let update = missing.0.iter().fold(update, |update, (name, amount)| update.add(name, *amount));
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(Some(item))) => {
            Ok(read_item::<Row>(*item)?.mark.as_ref() == Some(&used_up))
        }
        Err(StoreError::Condition(None)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notes that a mark came through the stream.
pub async fn seen(table: &Table, shard: &Key, mark: &str) -> Result<(), StoreError> {
    table.update(Update::of(shard).set("mark", mark)).await.map(drop)
}

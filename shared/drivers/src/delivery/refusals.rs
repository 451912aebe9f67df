//! Refusals in a row: a fault that may be one recipient's is everybody's once several people
//! of a campaign in a row are refused with the same code.
//!
//! Each campaign and code has one item with the length of its row, whichever process and
//! whichever way a refusal came. Only refusals write it. A process that saw a message get
//! through since it last counted a refusal with that code begins a new row; so two processes
//! that take turns at failing and succeeding never make up a row between them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use carillon_foundations::ids::{CampaignId, ContactId};
use carillon_foundations::time::sortable;
use carillon_table::{Key, Shape, StoreError, Table, Update, Write, condition_held, read_item};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::lock;

/// The length of a row that shows a fault of everybody's: so many people in a row.
const ROW: u32 = 5;
/// A row without a refusal for so long is over.
const ROW_ENDS_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How many campaigns [`Successes`] keeps.
const MAX_CAMPAIGNS: usize = 1_000;

/// How a provider reports what became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ReportedBy {
    /// In the answer to the send. An accepted message may still fail.
    Answer,
    /// In a webhook.
    Webhook,
}

/// What this process has seen of the messages that got through, for each campaign.
#[derive(Debug, Default)]
pub struct Successes(Mutex<HashMap<(CampaignId, ReportedBy), Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// How many got through.
    successes: u64,
    /// How many had, at the last refusal with each code.
    at_refusal: BTreeMap<Option<u32>, u64>,
}

impl Successes {
    /// Notes that a message of a campaign got through.
    pub(super) fn note(&self, campaign: CampaignId, reported_by: ReportedBy) {
        self.with(campaign, reported_by, |seen| seen.successes += 1);
    }

    /// Notes a refusal, and whether a message got through since the last one with that code.
    fn were_there_before(
        &self,
        campaign: CampaignId,
        reported_by: ReportedBy,
        code: Option<u32>,
    ) -> bool {
        self.with(campaign, reported_by, |seen| {
            let before = seen.at_refusal.insert(code, seen.successes).unwrap_or(0);
            seen.successes > before
        })
    }

    fn with<T>(
        &self,
        campaign: CampaignId,
        reported_by: ReportedBy,
        change: impl FnOnce(&mut Seen) -> T,
    ) -> T {
        let mut known = lock(&self.0);
        if known.len() >= MAX_CAMPAIGNS && !known.contains_key(&(campaign, reported_by)) {
            known.clear();
        }
        change(known.entry((campaign, reported_by)).or_default())
    }
}

/// The row of a campaign and a code.
#[derive(Debug, Deserialize)]
struct Row {
    /// Its length.
    people: u32,
    /// The last of them.
    contact: ContactId,
    /// When.
    at: Timestamp,
}

/// A refusal that may be everybody's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect<'a> {
    pub(super) campaign: CampaignId,
    pub(super) code: Option<u32>,
    pub(super) contact: ContactId,
    pub(super) reported_by: ReportedBy,
    pub(super) successes: &'a Successes,
}

impl Suspect<'_> {
    fn key(&self) -> Key {
        Key::Refusals { campaign: self.campaign, code: self.code }
    }

    /// Counts the refusal; `true` where it ends a row of several people.
    pub(super) async fn count(&self, table: &Table, now: Timestamp) -> Result<bool, StoreError> {
        let Self { campaign, code, reported_by, successes, .. } = *self;
        if successes.were_there_before(campaign, reported_by, code) {
            table.update(self.first(now)).await?;
            return Ok(false);
        }
        loop {
            let item = match table.update(self.next(now)).await {
                Ok(item) => return Ok(read_item::<Row>(item)?.people >= ROW),
                Err(StoreError::Condition(found)) => found,
                Err(error) => return Err(error),
            };
            if let Some(item) = item {
                let row: Row = read_item(*item)?;
                if row.contact == self.contact && row.at > now - ROW_ENDS_AFTER {
                    return Ok(false);
                }
            }
            let first = self
                .first(now)
                .when("attribute_not_exists(#at) OR #at <= :over")
                .value("over", sortable(now - ROW_ENDS_AFTER));
            // Two may begin a row at the same time: one of them continues it.
            if condition_held(table.update(first).await)? {
                return Ok(false);
            }
        }
    }

    /// Forgets the row, once what it shows is acted on.
    pub(super) async fn forget(&self, table: &Table) -> Result<(), StoreError> {
        table.write(Write::delete(&self.key())).await
    }

    /// The refusal that begins a row.
    fn first(&self, now: Timestamp) -> Update {
        self.update(now).set("people", 1)
    }

    /// The refusal that continues a row: of another person than the last one.
    fn next(&self, now: Timestamp) -> Update {
        self.update(now)
            .add("people", 1)
            .when("#contact <> :refused AND #at > :over")
            .value("refused", self.contact)
            .value("over", sortable(now - ROW_ENDS_AFTER))
    }

    fn update(&self, now: Timestamp) -> Update {
        Update::of(&self.key())
            .set("contact", self.contact)
            .set("at", sortable(now))
            .set(Shape::TTL, (now + ROW_ENDS_AFTER).as_second())
    }
}

#[cfg(test)]
mod tests {
    use carillon_foundations::ids::IdSource;

    use super::*;

    #[test]
    fn a_success_ends_the_rows_of_all_codes_but_not_those_reported_otherwise() {
        let successes = Successes::default();
        let campaign = CampaignId::from_uuid(IdSource::seeded(1).uuid(Timestamp::UNIX_EPOCH));
        let before = |code| successes.were_there_before(campaign, ReportedBy::Webhook, Some(code));
        assert!(!before(1));
        assert!(!before(2));
        successes.note(campaign, ReportedBy::Answer);
        assert!(!before(1), "an accepted message may still fail");
        successes.note(campaign, ReportedBy::Webhook);
        assert!(before(1));
        assert!(!before(1));
        assert!(before(2));
        assert!(!before(2));
    }
}

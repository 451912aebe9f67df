use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::Tally;
use carillon_nouns::recipient::Status;

/// A campaign's funnel. `recipients` is the sum of `pending`, `sending`,
/// `unconfirmed`, `sent`, `failed`, `skipped` and `cancelled`; from `sent` on the
/// steps count cumulatively: `sent` includes `received`, which includes `read`,
/// and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Funnel)]
pub struct Report {
    /// All imported recipients.
    pub recipients: u64,
    /// Not sent yet, or to be retried.
    pub pending: u64,
    /// Claimed: the request to the provider is in progress.
    pub sending: u64,
    /// Accepted by the provider.
    pub sent: u64,
    /// Delivered to the device.
    pub received: u64,
    /// Read.
    pub read: u64,
    /// Replied to.
    pub replied: u64,
    /// Closed by a user.
    pub closed: u64,
    /// Refused by the provider.
    pub failed: u64,
    /// Skipped: never sent to.
    pub skipped: u64,
    /// Outcome unknown: the response was lost, and no status was reported yet.
    pub unconfirmed: u64,
    /// Cancelled with the campaign, or pending at its end.
    pub cancelled: u64,
    /// Skipped recipients by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// Pending recipients that are not sent to before a time, by what they wait for:
    /// `retry`, `marketing_hold` (the provider holds marketing messages back from the
    /// contact) or `likely_twin` (a number that may be the same person's goes first). Holds
    /// are counted once the campaign has met them.
    pub waiting_by_reason: BTreeMap<String, u64>,
    /// Failed recipients by the provider's error code (`none` without one).
    pub failed_by_code: BTreeMap<String, u64>,
}

/// The counts of one day, in the campaign's time zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayCounts {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// Messages that the provider accepted.
    pub sent: u64,
    /// Messages that were delivered.
    pub received: u64,
    /// Messages that were read.
    pub read: u64,
    /// Messages that were replied to.
    pub replied: u64,
    /// Messages that failed.
    pub failed: u64,
}

impl Report {
    /// The report that a campaign's counters give.
    pub fn of(tally: &Tally) -> Self {
        let count = |status: Status| number(tally, &format!("n_{status}"));
        let closed = count(Status::Closed);
        // Those closed, from those that had come at least so far.
        let closed_after = |status: &str| number(tally, &format!("n_closed_{status}"));
        let now_replied = count(Status::Replied);
        let now_read = now_replied + count(Status::Read);
        let now_received = now_read + count(Status::Delivered);
        Self {
            recipients: Status::ALL.into_iter().map(count).sum(),
            pending: count(Status::Pending),
            sending: count(Status::Sending),
            sent: now_received + count(Status::Sent) + closed,
            received: now_received + closed_after("received"),
            read: now_read + closed_after("read"),
            replied: now_replied + closed_after("replied"),
            closed,
            failed: count(Status::Failed),
            skipped: count(Status::Skipped),
            unconfirmed: count(Status::Unconfirmed),
            cancelled: count(Status::Cancelled),
            skipped_by_reason: by(tally, "skip_"),
            waiting_by_reason: by(tally, "wait_"),
            failed_by_code: by(tally, "fail_"),
        }
    }
}

impl DayCounts {
    /// The days that a campaign's counters know, in order.
    pub fn of(tally: &Tally) -> Vec<Self> {
        let mut days: BTreeMap<Date, Self> = BTreeMap::new();
        for (name, amount) in &tally.0 {
            let Some((date, what)) = name.strip_prefix("d_").and_then(|rest| rest.split_once('_'))
            else {
                continue;
            };
            let Ok(date) = Date::strptime("%Y%m%d", date) else { continue };
            let day = days.entry(date).or_insert_with(|| Self { date, ..Self::default() });
            let amount = u64::try_from(*amount).unwrap_or(0);
            match what {
                "sent" => day.sent = amount,
                "received" => day.received = amount,
                "read" => day.read = amount,
                "replied" => day.replied = amount,
                "failed" => day.failed = amount,
                _ => {}
            }
        }
        days.into_values().collect()
    }
}

fn number(tally: &Tally, name: &str) -> u64 {
    tally.0.get(name).and_then(|amount| u64::try_from(*amount).ok()).unwrap_or(0)
}

fn by(tally: &Tally, prefix: &str) -> BTreeMap<String, u64> {
    let named =
        tally.0.keys().filter_map(|name| name.strip_prefix(prefix).map(|rest| (name, rest)));
    named
        .map(|(name, rest)| (rest.to_owned(), number(tally, name)))
        .filter(|(_, amount)| *amount > 0)
        .collect()
}

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use carillon_foundations::time::date_in;
use carillon_nouns::recipient::{SkipReason, Status, WaitsFor};

/// What the counters use of a recipient, before or after a change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Its status.
    pub status: Status,
    /// Why it was skipped.
    #[serde(default)]
    pub skip_reason: Option<SkipReason>,
    /// The provider's error code.
    #[serde(default)]
    pub code: Option<u32>,
    /// What it waits for.
    #[serde(default)]
    pub waits_for: Option<WaitsFor>,
    /// When its attempt was claimed.
    #[serde(default)]
    pub sent_at: Option<Timestamp>,
    /// When the message arrived.
    #[serde(default)]
    pub delivered_at: Option<Timestamp>,
    /// When it was read.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// When the contact replied.
    #[serde(default)]
    pub replied_at: Option<Timestamp>,
    /// When it failed.
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
}

/// One change of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its sequence number in the stream: a decimal number that rises for each partition key.
    pub sequence: String,
    /// The recipient before; none when it was added.
    pub old: Option<Image>,
    /// The recipient after; none when it was deleted.
    pub new: Option<Image>,
}

/// Counters by name: their values, or by how much each changes. `n_<status>` counts recipients,
/// `n_closed_<status>` the closed ones by the status they had reached, `skip_<reason>`,
/// `wait_<reason>` and `fail_<code>` count reasons, `d_<date>_<status>` counts a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<String, i64>);

/// Whether the sequence number `sequence` is higher than `seen`. The numbers may not fit
/// into any integer type.
pub fn after_sequence(sequence: &str, seen: Option<&str>) -> bool {
    let order = |text: &str| {
        let digits = text.trim_start_matches('0');
        (digits.len(), digits.to_owned())
    };
    seen.is_none_or(|seen| order(sequence) > order(seen))
}

impl Tally {
    /// The effect of a change on the counters of its shard. Days are dates in `zone`.
    pub fn of(change: &Change, zone: &TimeZone) -> Self {
        let mut tally = Self::default();
        if let Some(old) = &change.old {
            tally.count_state(old, -1);
        }
        if let Some(new) = &change.new {
            tally.count_state(new, 1);
            tally.count_day(change.old.as_ref(), new, 1, zone);
        } else if let Some(old) = &change.old {
            tally.count_day(None, old, -1, zone);
        }
        tally.0.retain(|_, amount| *amount != 0);
        tally
    }

    /// The difference between this tally, a recount of all recipients, and the counters
    /// `counted`. A day's counter is never lowered: a recipient does not show what an
    /// earlier attempt did on an earlier day.
    #[must_use]
    pub fn missing_from(&self, counted: &Self) -> Self {
        let mut missing = self.clone();
        for (name, amount) in &counted.0 {
            missing.bump(name, -amount);
        }
        missing.0.retain(|name, amount| *amount > 0 || (*amount < 0 && !name.starts_with("d_")));
        missing
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        for (name, amount) in other.0 {
            self.bump(&name, amount);
        }
        self.0.retain(|_, amount| *amount != 0);
    }

    fn count_state(&mut self, image: &Image, amount: i64) {
        self.bump(&format!("n_{}", image.status), amount);
        if image.status == Status::Closed {
            // A lead may be closed before its message is read or replied to.
            for (what, _) in FUNNEL.into_iter().filter(|(_, reached)| reached(image)) {
                self.bump(&format!("n_closed_{what}"), amount);
            }
        }
        match image.status {
            Status::Skipped => {
                let reason = image.skip_reason.map_or("other", SkipReason::as_str);
                self.bump(&format!("skip_{reason}"), amount);
            }
            Status::Failed => {
                let code = image.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                self.bump(&format!("fail_{code}"), amount);
            }
            Status::Pending => {
                if let Some(waits_for) = image.waits_for {
                    self.bump(&format!("wait_{}", waits_for.as_str()), amount);
                }
            }
            Status::Sending
            | Status::Unconfirmed
            | Status::Sent
            | Status::Delivered
            | Status::Read
            | Status::Replied
            | Status::Closed
            | Status::Cancelled => {}
        }
    }

    fn count_day(&mut self, old: Option<&Image>, new: &Image, amount: i64, zone: &TimeZone) {
        let steps: [Step; 5] = [
            ("sent", was_sent, new.sent_at),
            ("received", was_received, new.delivered_at.or(new.read_at).or(new.replied_at)),
            ("read", was_read, new.read_at.or(new.replied_at)),
            ("replied", was_replied, new.replied_at),
            ("failed", |image| image.status == Status::Failed, new.failed_at),
        ];
        for (what, reached, at) in steps {
            if let Some(at) = at
                && reached(new)
                && !old.is_some_and(reached)
            {
                let date = date_in(at, zone).strftime("%Y%m%d");
                self.bump(&format!("d_{date}_{what}"), amount);
            }
        }
    }

    fn bump(&mut self, name: &str, amount: i64) {
        *self.0.entry(name.to_owned()).or_default() += amount;
    }
}

/// Whether a recipient has reached a step of the funnel.
type Reached = fn(&Image) -> bool;

/// A counter of a day: its name, who has reached the step, and when.
type Step = (&'static str, Reached, Option<Timestamp>);

/// The statuses above `sent` that the funnel shows.
const FUNNEL: [(&str, Reached); 3] =
    [("received", was_received), ("read", was_read), ("replied", was_replied)];

fn was_sent(image: &Image) -> bool {
    matches!(image.status, Status::Sent | Status::Closed) || was_received(image)
}

fn was_received(image: &Image) -> bool {
    is_or_was(image, Status::Delivered, image.delivered_at) || was_read(image)
}

fn was_read(image: &Image) -> bool {
    is_or_was(image, Status::Read, image.read_at) || was_replied(image)
}

fn was_replied(image: &Image) -> bool {
    is_or_was(image, Status::Replied, image.replied_at)
}

/// Whether a recipient has a status, or had it at `at` before it was closed.
fn is_or_was(image: &Image, status: Status, at: Option<Timestamp>) -> bool {
    image.status == status || (image.status == Status::Closed && at.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(status: Status) -> Image {
        let at = Some(Timestamp::from_second(1_800_000_000).unwrap());
        Image {
            status,
            skip_reason: None,
            code: None,
            waits_for: None,
            sent_at: at,
            delivered_at: at,
            read_at: at,
            replied_at: at,
            failed_at: at,
        }
    }

    fn tally(old: Option<Status>, new: Option<Status>) -> Tally {
        let change = Change { sequence: "1".to_owned(), old: old.map(image), new: new.map(image) };
        Tally::of(&change, &TimeZone::UTC)
    }

    #[test]
    fn a_step_moves_one_from_state_to_state() {
        let tally = tally(Some(Status::Sent), Some(Status::Delivered));
        let expected = [("n_sent", -1), ("n_delivered", 1), ("d_20270115_received", 1)];
        let expected = expected.map(|(name, n)| (name.to_owned(), n));
        assert_eq!(tally.0, BTreeMap::from(expected));
    }

    #[test]
    fn read_without_delivered_counts_as_received_too() {
        let tally = tally(Some(Status::Sent), Some(Status::Read));
        assert_eq!(tally.0["d_20270115_received"], 1);
        assert_eq!(tally.0["d_20270115_read"], 1);
    }

    #[test]
    fn who_comes_and_goes_again_leaves_no_trace() {
        let way = [None, Some(Status::Pending), Some(Status::Sending), Some(Status::Read), None];
        let mut sum = Tally::default();
        for step in way.windows(2) {
            sum.add(tally(step[0], step[1]));
        }
        assert_eq!(sum, Tally::default());
    }

    #[test]
    fn sequences_compare_as_numbers() {
        assert!(after_sequence("10", Some("9")));
        assert!(after_sequence(
            "111000000000000000000000000000000002",
            Some("111000000000000000000000000000000001")
        ));
        assert!(!after_sequence("0009", Some("9")));
        assert!(after_sequence("1", None));
    }
}

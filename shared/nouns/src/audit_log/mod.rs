//! The audit log: which API key did what, with what, and when. One record for each key, operation,
//! subject and hour.

pub mod store;

use carillon_foundations::ids::{AuditId, KeyId, time_of, uuid_of};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit};
use serde::{Deserialize, Serialize};

/// How long a record is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a key did within an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id: the same for the same key, operation, subject and hour.
    pub id: AuditId,
    /// The key.
    pub key_id: KeyId,
    /// The key's name at that time.
    pub key_name: String,
    /// The operation, such as `getContact`.
    pub operation: String,
    /// What it was done with: an id, or the name in the path; none for a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was first done within the hour.
    pub at: Timestamp,
    /// When the table may delete it, in seconds since 1970.
    pub expires_at: i64,
}

/// What a key does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Act {
    /// The key.
    pub key_id: KeyId,
    /// The operation.
    pub operation: String,
    /// What it is done with.
    pub subject: Option<String>,
}

impl Act {
    /// The record of the act at that time, by a key of that name.
    pub fn record(self, key_name: String, at: Timestamp) -> Record {
        let hour = hour_of(at);
        let key = self.key_id.to_string();
        let subject = self.subject.as_deref().unwrap_or_default();
        let id = AuditId::from_uuid(uuid_of(hour, &[&key, &self.operation, subject]));
        let Self { key_id, operation, subject } = self;
        let expires_at = (at + KEPT_FOR).as_second();
        Record { id, key_id, key_name, operation, subject, at, expires_at }
    }
}

/// The hour of a time.
pub fn hour_of(at: Timestamp) -> Timestamp {
    let round = jiff::TimestampRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc);
    at.round(round).unwrap_or(at)
}

/// The day of a record, in UTC.
fn day_of(id: AuditId) -> Date {
    time_of(id.uuid()).to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_hour_has_one_record_of_the_same_act() {
        let act = |subject: &str| Act {
            key_id: KeyId::from_uuid(Uuid::nil()),
            operation: "getContact".to_owned(),
            subject: Some(subject.to_owned()),
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let record = |subject, time| act(subject).record("shop".to_owned(), at(time));
        let first = record("ctc_1", "2026-11-22T09:00:00Z");
        assert_eq!(first.id, record("ctc_1", "2026-11-22T09:59:59Z").id);
        assert_ne!(first.id, record("ctc_1", "2026-11-22T10:00:00Z").id);
        assert_ne!(first.id, record("ctc_2", "2026-11-22T09:00:00Z").id);
        assert_eq!(day_of(first.id).to_string(), "2026-11-22");
    }
}

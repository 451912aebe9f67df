use std::fmt;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::ConnectionId;
use crate::message::Content;
use crate::phone::Country;

/// The most people a campaign may be set to write to in a day.
pub const MAX_DAILY_SEND_LIMIT: u32 = 1_000_000;

/// How many more attempts someone gets after a first that surely failed, when
/// nothing is said.
pub const MAX_RETRIES: u8 = 3;
/// The most that may be set.
pub const MOST_RETRIES: u8 = 10;

const fn max_retries() -> u8 {
    MAX_RETRIES
}

/// What people set of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The connection that sends it.
    pub connection_id: ConnectionId,
    /// What is sent.
    pub message: Content,
    /// How many people a day at most, 1 to [`MAX_DAILY_SEND_LIMIT`].
    pub daily_send_limit: u32,
    /// How fast.
    pub speed: Speed,
    /// 1 (first) to 10 (last).
    pub priority: u8,
    /// How many more attempts someone gets after one that surely failed, 0 to
    /// [`MOST_RETRIES`].
    #[serde(default = "max_retries")]
    pub max_retries: u8,
    /// Not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_start: Option<Timestamp>,
    /// Not after this moment; who was not written to by then is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_end: Option<Timestamp>,
    /// The hours in which it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_window: Option<SendWindow>,
    /// The time zone in which its days are counted.
    pub timezone: Zone,
    /// The country in which national phone numbers are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<CountryCode>,
    /// A word to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Which stage of a follow-up it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up_stage: Option<u8>,
}

/// How fast a campaign sends; each speed is a lane of its own on the number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// The number's throughput less what is kept for the others and for replies.
    Fast,
    /// 5 messages a second.
    #[default]
    Normal,
    /// 1 message a second.
    Slow,
}

/// A fixed share of a number's throughput: one batch at a time is sent in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// For campaigns of [`Speed::Fast`].
    Fast,
    /// For campaigns of [`Speed::Normal`].
    Normal,
    /// For campaigns of [`Speed::Slow`].
    Slow,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Normal, Self::Slow];

    /// Its messages a second on a number of `throughput` messages a second. A
    /// tenth is kept for replies; the shares never add up to more than the whole.
    pub fn rate(self, throughput: u32) -> f64 {
        let throughput = f64::from(throughput.max(1));
        let slow = f64::min(1.0, throughput * 0.1);
        let normal = f64::min(5.0, throughput * 0.3);
        match self {
            Self::Slow => slow,
            Self::Normal => normal,
            Self::Fast => throughput * 0.9 - slow - normal,
        }
    }

    /// The word in queue groups and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Normal => "normal",
            Self::Slow => "slow",
        }
    }
}

impl Speed {
    /// The lane that campaigns of this speed share.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Fast => Lane::Fast,
            Self::Normal => Lane::Normal,
            Self::Slow => Lane::Slow,
        }
    }
}

/// The hours of the day in which a campaign may send. A window whose end is
/// before its start spans midnight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendWindow {
    /// The first moment, such as `09:00`.
    #[schema(value_type = String, example = "09:00:00")]
    pub from: Time,
    /// The first moment after it, such as `20:00`.
    #[schema(value_type = String, example = "20:00:00")]
    pub to: Time,
    /// Whose clock: an IANA time zone; the campaign's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Zone>,
}

impl SendWindow {
    /// Whether the window is open at `now`; when not, when it opens next.
    pub fn opens(&self, now: Timestamp, campaign_zone: &TimeZone) -> Option<Timestamp> {
        let own = self.timezone.as_ref().map(Zone::time_zone);
        let zone = own.as_ref().unwrap_or(campaign_zone);
        let local = zone.to_datetime(now);
        if self.holds(local.time()) {
            return None;
        }
        let mut date = local.date();
        if local.time() >= self.from {
            date = date.tomorrow().unwrap_or(date);
        }
        let opens = date.to_datetime(self.from).to_zoned(zone.clone());
        Some(opens.map_or(now + SignedDuration::from_hours(1), |zoned| zoned.timestamp()))
    }

    fn holds(&self, time: Time) -> bool {
        if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        }
    }
}

/// A time zone by its IANA name, such as `America/Bogota`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "America/Bogota")]
pub struct Zone(String);

impl Zone {
    /// The zone itself.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match TimeZone::get(&name) {
            Ok(_) => Ok(Self(name)),
            Err(_) => Err("expected an IANA time zone such as America/Bogota".to_owned()),
        }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0
    }
}

/// A country by its two-letter ISO code, such as `CO`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "CO")]
pub struct CountryCode(String);

impl CountryCode {
    /// The country itself.
    pub fn country(&self) -> Option<Country> {
        self.0.parse().ok()
    }
}

impl TryFrom<String> for CountryCode {
    type Error = crate::phone::CountryError;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        let code = code.to_ascii_uppercase();
        code.parse::<Country>().map(|_| Self(code))
    }
}

impl From<CountryCode> for String {
    fn from(code: CountryCode) -> String {
        code.0
    }
}

/// One thing wrong with a campaign's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SettingsProblem {
    /// The field, as a path such as `message.template.name`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl SettingsProblem {
    fn new(field: &str, reason: impl fmt::Display) -> Self {
        Self { field: field.to_owned(), reason: reason.to_string() }
    }
}

impl Settings {
    /// Everything that is wrong with the settings, at once.
    pub fn problems(&self, now: Timestamp) -> Vec<SettingsProblem> {
        let mut problems = self.range_problems();
        problems.extend(self.schedule_problems(now));
        if let Err(content) = self.message.validate() {
            problems.extend(content.into_iter().map(|problem| {
                SettingsProblem::new(&format!("message.{}", problem.field), problem.reason)
            }));
        }
        problems
    }

    fn range_problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let name = self.name.trim().chars().count();
        if !(1..=200).contains(&name) {
            problems.push(SettingsProblem::new("name", "must have 1 to 200 characters"));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 2000) {
            problems.push(SettingsProblem::new("description", "must have at most 2000 characters"));
        }
        if self.tag.as_ref().is_some_and(|text| text.chars().count() > 100) {
            problems.push(SettingsProblem::new("tag", "must have at most 100 characters"));
        }
        if !(1..=MAX_DAILY_SEND_LIMIT).contains(&self.daily_send_limit) {
            let reason = format!("must be from 1 to {MAX_DAILY_SEND_LIMIT} people a day");
            problems.push(SettingsProblem::new("daily_send_limit", reason));
        }
        if !(1..=10).contains(&self.priority) {
            problems.push(SettingsProblem::new("priority", "must be from 1 (first) to 10 (last)"));
        }
        if self.max_retries > MOST_RETRIES {
            let reason = format!("must be from 0 to {MOST_RETRIES} more attempts");
            problems.push(SettingsProblem::new("max_retries", reason));
        }
        problems
    }

    fn schedule_problems(&self, now: Timestamp) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        // A minute of grace: "now" is a moment ago when the request arrives.
        let past = now - SignedDuration::from_secs(60);
        if self.scheduled_start.is_some_and(|start| start < past) {
            problems.push(SettingsProblem::new(
                "scheduled_start",
                "is in the past; leave it out to start at once",
            ));
        }
        if self.scheduled_end.is_some_and(|end| end <= now) {
            problems.push(SettingsProblem::new("scheduled_end", "is in the past"));
        }
        if let (Some(start), Some(end)) = (self.scheduled_start, self.scheduled_end)
            && end <= start
        {
            problems.push(SettingsProblem::new("scheduled_end", "must be after scheduled_start"));
        }
        if self.send_window.as_ref().is_some_and(|window| window.from == window.to) {
            let reason =
                "from and to are the same moment; leave the window out to send at any hour";
            problems.push(SettingsProblem::new("send_window", reason));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(from: &str, to: &str, zone: &str) -> SendWindow {
        SendWindow {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            timezone: Some(Zone::try_from(zone.to_owned()).unwrap()),
        }
    }

    #[test]
    fn a_window_opens_in_its_own_time_zone() {
        let window = window("09:00", "18:00", "America/Bogota");
        assert_eq!(window.opens(at("2026-11-20T14:00:00Z"), &TimeZone::UTC), None);
        let before = window.opens(at("2026-11-20T13:59:00Z"), &TimeZone::UTC);
        assert_eq!(before, Some(at("2026-11-20T14:00:00Z")));
        let after = window.opens(at("2026-11-20T23:00:00Z"), &TimeZone::UTC);
        assert_eq!(after, Some(at("2026-11-21T14:00:00Z")));
    }

    #[test]
    fn a_window_may_span_midnight() {
        let window = window("22:00", "02:00", "UTC");
        assert_eq!(window.opens(at("2026-11-20T23:30:00Z"), &TimeZone::UTC), None);
        assert_eq!(window.opens(at("2026-11-20T01:30:00Z"), &TimeZone::UTC), None);
        let noon = window.opens(at("2026-11-20T12:00:00Z"), &TimeZone::UTC);
        assert_eq!(noon, Some(at("2026-11-20T22:00:00Z")));
    }

    proptest! {
        #[test]
        fn lanes_never_add_up_to_more_than_the_number_has(throughput in 1u32..2000) {
            let lanes = [Lane::Fast, Lane::Normal, Lane::Slow];
            let sum: f64 = lanes.iter().map(|lane| lane.rate(throughput)).sum();
            prop_assert!(sum <= f64::from(throughput) * 0.9 + 1e-9);
            prop_assert!(lanes.iter().all(|lane| lane.rate(throughput) > 0.0));
        }
    }

    #[test]
    fn a_number_of_80_sends_250_fast_in_under_4_seconds() {
        assert!(250.0 / Lane::Fast.rate(80) < 4.0);
        assert!((Lane::Normal.rate(80) - 5.0).abs() < 1e-9);
        assert!((Lane::Slow.rate(80) - 1.0).abs() < 1e-9);
    }
}

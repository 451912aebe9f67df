use carillon_channel::{Content, FieldCode, FieldProblem, TemplateRef};
use carillon_foundations::country::Country;
use carillon_foundations::ids::ConnectionId;
use carillon_foundations::time::ZoneName;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::connection::Lane;

/// The highest daily limit of a campaign, in messages.
pub const MAX_DAILY_SEND_LIMIT: u32 = 1_000_000;

/// The default number of retries after an attempt that was not sent.
pub const DEFAULT_MAX_RETRIES: u8 = 3;
/// The highest number of retries.
pub const MAX_RETRIES_LIMIT: u8 = 10;

const fn max_retries() -> u8 {
    DEFAULT_MAX_RETRIES
}

/// The settings of a campaign.
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
    /// The template that the message sends, as its provider reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRef>,
    /// The maximum number of messages a day, 1 to [`MAX_DAILY_SEND_LIMIT`].
    pub daily_send_limit: u32,
    /// How fast.
    pub speed: Speed,
    /// 1 (first) to 10 (last).
    pub priority: u8,
    /// The maximum number of retries of an attempt that was not sent, 0 to
    /// [`MAX_RETRIES_LIMIT`].
    #[serde(default = "max_retries")]
    pub max_retries: u8,
    /// The earliest time of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_start: Option<Timestamp>,
    /// The end of sending: recipients that are pending then are cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_end: Option<Timestamp>,
    /// The hours of the day in which it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_window: Option<SendWindow>,
    /// The time zone of its days.
    pub timezone: ZoneName,
    /// The country of phone numbers in national form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<Country>,
    /// A tag to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its stage in a follow-up, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up_stage: Option<String>,
}

/// How fast a campaign sends. Each speed has a lane of its own on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// The throughput of the connection less the shares of the other lanes.
    Fast,
    /// 5 messages a second.
    #[default]
    Normal,
    /// 1 message a second.
    Slow,
}

impl Speed {
    /// The lane of campaigns of this speed.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Fast => Lane::Fast,
            Self::Normal => Lane::Normal,
            Self::Slow => Lane::Slow,
        }
    }
}

/// The hours of the day in which a campaign may send. A window whose end is before its
/// start spans midnight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendWindow {
    /// Its start, such as `09:00`.
    #[schema(value_type = String, example = "09:00:00", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")]
    pub from: Time,
    /// Its end, exclusive, such as `20:00`.
    #[schema(value_type = String, example = "20:00:00", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")]
    pub to: Time,
    /// Its IANA time zone; the campaign's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<ZoneName>,
}

impl SendWindow {
    /// When the window opens next; none while it is open.
    pub fn opens(&self, now: Timestamp, campaign_zone: &TimeZone) -> Option<Timestamp> {
        let own = self.timezone.as_ref().map(ZoneName::time_zone);
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

fn problem(field: &str, code: FieldCode, reason: impl Into<String>) -> FieldProblem {
    FieldProblem::new(field, code, reason)
}

impl Settings {
    /// All problems of the settings, except those of the message, whose rules are the
    /// provider's.
    pub fn problems(&self, now: Timestamp) -> Vec<FieldProblem> {
        let mut problems = self.range_problems();
        problems.extend(self.schedule_problems(now));
        problems
    }

    fn range_problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let name = self.name.trim().chars().count();
        if !(1..=200).contains(&name) {
            problems.push(problem("name", FieldCode::WrongLength, "must have 1 to 200 characters"));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 2000) {
            problems.push(problem(
                "description",
                FieldCode::WrongLength,
                "must have at most 2000 characters",
            ));
        }
        if self.tag.as_ref().is_some_and(|text| text.chars().count() > 100) {
            problems.push(problem(
                "tag",
                FieldCode::WrongLength,
                "must have at most 100 characters",
            ));
        }
        if self.follow_up_stage.as_ref().is_some_and(|text| text.chars().count() > 100) {
            let reason = "must have at most 100 characters";
            problems.push(problem("follow_up_stage", FieldCode::WrongLength, reason));
        }
        if !(1..=MAX_DAILY_SEND_LIMIT).contains(&self.daily_send_limit) {
            let reason = format!("must be from 1 to {MAX_DAILY_SEND_LIMIT} people a day");
            problems.push(problem("daily_send_limit", FieldCode::OutOfRange, reason));
        }
        if !(1..=10).contains(&self.priority) {
            problems.push(problem(
                "priority",
                FieldCode::OutOfRange,
                "must be from 1 (first) to 10 (last)",
            ));
        }
        if self.max_retries > MAX_RETRIES_LIMIT {
            let reason = format!("must be from 0 to {MAX_RETRIES_LIMIT} more attempts");
            problems.push(problem("max_retries", FieldCode::OutOfRange, reason));
        }
        problems
    }

    fn schedule_problems(&self, now: Timestamp) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        // A minute of grace: "now" is a moment ago when the request arrives.
        let past = now - SignedDuration::from_secs(60);
        if self.scheduled_start.is_some_and(|start| start < past) {
            problems.push(problem(
                "scheduled_start",
                FieldCode::OutOfRange,
                "is in the past; leave it out to start at once",
            ));
        }
        if self.scheduled_end.is_some_and(|end| end <= now) {
            problems.push(problem("scheduled_end", FieldCode::OutOfRange, "is in the past"));
        }
        if let (Some(start), Some(end)) = (self.scheduled_start, self.scheduled_end)
            && end <= start
        {
            problems.push(problem(
                "scheduled_end",
                FieldCode::OutOfRange,
                "must be after scheduled_start",
            ));
        }
        if self.send_window.as_ref().is_some_and(|window| window.from == window.to) {
            let reason =
                "from and to are the same moment; leave the window out to send at any hour";
            problems.push(problem("send_window", FieldCode::OutOfRange, reason));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(from: &str, to: &str, zone: &str) -> SendWindow {
        SendWindow {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            timezone: Some(ZoneName::try_from(zone.to_owned()).unwrap()),
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
}

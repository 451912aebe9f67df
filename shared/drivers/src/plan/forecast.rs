use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use carillon_nouns::campaign::Campaign;

/// The most days a forecast looks ahead.
const MAX_DAYS: usize = 366;

/// How many messages a campaign sends on which day, if nothing changes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    /// The days, at most 366.
    pub days: Vec<ForecastDay>,
    /// The day of the last message; none where no recipient is pending, where it is more
    /// than 366 days ahead, or where the scheduled end comes first.
    #[schema(value_type = Option<String>, format = Date)]
    pub finish_date: Option<Date>,
    /// How many recipients are left at the scheduled end, or after 366 days.
    pub left_over: u64,
}

/// One day of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ForecastDay {
    /// The day, in the campaign's time zone.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// How many messages.
    pub messages: u64,
}

/// Spreads `pending` recipients over the coming days, within the campaign's daily limit, its
/// schedule and the limit of its quota group. Other campaigns of the group are not counted.
pub fn forecast(
    campaign: &Campaign,
    pending: u64,
    quota_limit: Option<u64>,
    now: Timestamp,
) -> Forecast {
    let start = campaign.settings.scheduled_start.unwrap_or(now).max(now);
    let mut date = campaign.today(first_open(campaign, start));
    let today = campaign.day_at(now);
    let daily = u64::from(campaign.settings.daily_send_limit).min(quota_limit.unwrap_or(u64::MAX));
    let last = campaign.settings.scheduled_end.map(|end| campaign.today(end));
    let mut left = pending;
    let mut days = Vec::new();
    while left > 0 && daily > 0 && days.len() < MAX_DAYS && last.is_none_or(|last| date <= last) {
        let used = if date == today.date { u64::from(today.planned) } else { 0 };
        let messages = daily.saturating_sub(used).min(left);
        if messages > 0 {
            days.push(ForecastDay { date, messages });
            left -= messages;
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    let finish_date = if left == 0 { days.last().map(|day| day.date) } else { None };
    Forecast { days, finish_date, left_over: left }
}

fn first_open(campaign: &Campaign, start: Timestamp) -> Timestamp {
    campaign.window_opens(start).unwrap_or(start)
}

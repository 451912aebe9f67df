use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::campaign::Campaign;

/// The most days a forecast looks ahead.
const MOST_DAYS: usize = 366;

/// What a campaign will do if nothing changes: which day how many.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    /// Day by day; at most 366 days.
    pub days: Vec<ForecastDay>,
    /// The day the last one is sent; none when nobody waits, when it lies more
    /// than 366 days ahead, or when the scheduled end comes first.
    #[schema(value_type = Option<String>, format = Date)]
    pub finish_date: Option<Date>,
    /// How many would not be sent before the scheduled end, or within 366 days.
    pub left_over: u64,
}

/// One day of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ForecastDay {
    /// The day, in the campaign's time zone.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// How many people.
    pub people: u64,
}

/// Spreads `waiting` people over the days to come, under the campaign's daily
/// limit, its schedule, and the portfolio's limit. What other campaigns will
/// take of the portfolio's limit is not known and left out.
pub fn forecast(
    campaign: &Campaign,
    waiting: u64,
    portfolio_limit: Option<u64>,
    now: Timestamp,
) -> Forecast {
    let start = campaign.settings.scheduled_start.unwrap_or(now).max(now);
    let mut date = campaign.today(first_open(campaign, start));
    let today = campaign.day_at(now);
    let daily =
        u64::from(campaign.settings.daily_send_limit).min(portfolio_limit.unwrap_or(u64::MAX));
    let last = campaign.settings.scheduled_end.map(|end| campaign.today(end));
    let mut left = waiting;
    let mut days = Vec::new();
    while left > 0 && daily > 0 && days.len() < MOST_DAYS && last.is_none_or(|last| date <= last) {
        let used = if date == today.date { u64::from(today.planned) } else { 0 };
        let people = daily.saturating_sub(used).min(left);
        if people > 0 {
            days.push(ForecastDay { date, people });
            left -= people;
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    let finish_date = if left == 0 { days.last().map(|day| day.date) } else { None };
    Forecast { days, finish_date, left_over: left }
}

fn first_open(campaign: &Campaign, start: Timestamp) -> Timestamp {
    let window = campaign.settings.send_window.as_ref();
    let opens = window.and_then(|window| window.opens(start, &campaign.zone()));
    opens.unwrap_or(start)
}

//! The demo's clock: it starts shortly before the send window opens and jumps to the
//! next event.

use std::time::Duration;

use carillon::time::{Clock, Date, TimeZone, Timestamp};

/// Time zone of the campaign.
pub(super) const TIME_ZONE: &str = "America/Bogota";
/// Start and end of the campaign's send window.
pub(super) const SEND_WINDOW: (&str, &str) = ("09:00", "18:00");
/// Seconds of the demo's clock in one second of the machine's. At a much higher rate a
/// request would take longer, on the demo's clock, than the intervals of Meta's limits.
const RATE: f64 = 20.0;
/// Time of day at which the demo starts.
const START: TimeOfDay = TimeOfDay { hour: 8, minute: 50, second: 0 };
/// Time of day just after the send window has opened.
const AFTER_OPENING: TimeOfDay = TimeOfDay { hour: 9, minute: 0, second: 1 };
const MIN_JUMP: Duration = Duration::from_mins(10);
const MAX_JUMP: Duration = Duration::from_hours(2);

#[derive(Clone, Copy)]
struct TimeOfDay {
    hour: i8,
    minute: i8,
    second: i8,
}

/// A clock that starts at the next 08:50 after `now`.
pub(super) fn start(now: Timestamp) -> Clock {
    Clock::movable(next(now, START).unwrap_or(now), RATE)
}

pub(super) fn time_zone() -> TimeZone {
    TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC)
}

/// How far the clock jumps: to `next_event`, bounded by [`MIN_JUMP`] and [`MAX_JUMP`],
/// and never past the next opening of the send window.
pub(super) fn jump(now: Timestamp, next_event: Option<Timestamp>) -> Duration {
    let until = |then: Timestamp| Duration::try_from(then.duration_since(now)).unwrap_or_default();
    let event = next_event.map_or(MAX_JUMP, until).clamp(MIN_JUMP, MAX_JUMP);
    let opening = next(now, AFTER_OPENING).map_or(MAX_JUMP, until);
    event.min(opening.max(Duration::from_secs(1)))
}

/// The next time of day after `now`, in the campaign's time zone.
fn next(now: Timestamp, time: TimeOfDay) -> Option<Timestamp> {
    let zone = time_zone();
    let at = |date: Date| {
        let local = date.at(time.hour, time.minute, time.second, 0);
        local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
    };
    let today = now.to_zoned(zone.clone()).date();
    match at(today) {
        Some(moment) if now < moment => Some(moment),
        _ => at(today.tomorrow().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_demo_starts_at_the_next_ten_to_nine() {
        for (now, start) in [
            ("2026-11-20T13:49:00Z", "2026-11-20T13:50:00Z"),
            ("2026-11-20T13:50:00Z", "2026-11-21T13:50:00Z"),
            ("2026-11-21T04:59:00Z", "2026-11-21T13:50:00Z"),
        ] {
            assert_eq!(next(at(now), START), Some(at(start)));
        }
    }

    #[test]
    fn the_clock_jumps_to_the_next_event_within_bounds() {
        let noon = at("2026-11-20T17:00:00Z");
        assert_eq!(jump(noon, Some(noon + Duration::from_secs(3))), MIN_JUMP);
        assert_eq!(jump(noon, Some(at("2026-11-20T18:00:00Z"))), Duration::from_hours(1));
        assert_eq!(jump(noon, None), MAX_JUMP);
    }

    #[test]
    fn the_clock_never_jumps_past_the_opening_of_the_send_window() {
        assert_eq!(jump(at("2026-11-20T13:59:01Z"), None), Duration::from_mins(1));
    }
}

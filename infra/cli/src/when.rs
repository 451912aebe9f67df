//! Times as the user writes and reads them: in the time zone of this machine.

use carillon::time::{Clock, TimeZone, Timestamp};
use jiff::civil::{Date, DateTime};

/// Parses RFC 3339 (`2026-12-01T14:00:00Z`), or a local time (`2026-12-01 09:00`) or day
/// (`2026-12-01`). For clap.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    parse_in(text, &TimeZone::system())
}

fn parse_in(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local = local_time(text).ok_or_else(|| {
        "expected a local time such as `2026-12-01 09:00`, or RFC 3339 such as \
         2026-12-01T14:00:00Z"
            .to_owned()
    })?;
    // A time that a change of the clocks repeats or leaves out is not guessed.
    let found = zone.to_ambiguous_timestamp(local).unambiguous();
    found.map_err(|_| format!("{text} is not one moment where the clocks change; give RFC 3339"))
}

/// A day, or a day and a time. Other forms that the parser takes are not guessed at: it reads
/// `2026-12-01 0900` as midnight, and leaves the zone of `2026-12-01T09:00[Asia/Tokyo]` out.
fn local_time(text: &str) -> Option<DateTime> {
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match form.as_str() {
        "0000-00-00" => text.parse::<Date>().ok().map(DateTime::from),
        "0000-00-00 00:00" | "0000-00-00T00:00" | "0000-00-00 00:00:00" | "0000-00-00T00:00:00" => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// The time as the API writes and reads it.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Writes a time of the API in local time; `None` where the text is no such time.
pub(crate) fn local(text: &str) -> Option<String> {
    local_in(text, TimeZone::system())
}

fn local_in(text: &str, zone: TimeZone) -> Option<String> {
    let time = text.parse::<Timestamp>().ok().filter(|_| text.ends_with('Z'))?;
    Some(time.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string())
}

pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_in_the_zone() {
        let zone = TimeZone::get("America/Bogota").unwrap();
        for (text, expected) in [
            ("2026-12-01 09:00", "2026-12-01T14:00:00.000Z"),
            ("2026-12-01T09:00:30", "2026-12-01T14:00:30.000Z"),
            ("2026-12-01", "2026-12-01T05:00:00.000Z"),
            ("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(parse_in(text, &zone).unwrap()), expected, "{text}");
        }
        for text in [
            "tomorrow",
            "2026-12-01 0900",
            "2026-12-01T09",
            "2026-12-01T09:00[Asia/Tokyo]",
            "2026-13-01",
        ] {
            assert!(parse_in(text, &zone).unwrap_err().contains("2026-12-01 09:00"), "{text}");
        }
        let local = local_in("2026-12-01T14:00:00.000Z", zone.clone());
        assert_eq!(local.as_deref(), Some("2026-12-01 09:00"));
        assert_eq!(local_in("2026-12-01", zone), None);
    }

    #[test]
    fn a_time_that_a_change_of_the_clocks_repeats_is_refused() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert!(parse_in("2026-10-25 02:30", &zone).unwrap_err().contains("clocks change"));
    }
}

//! Events in the table: the feed, in partitions of an hour that the table deletes after
//! [`KEPT_FOR`], and the history of each campaign.
//!
//! The feed is in the order in which its writer wrote. A reader stays [`LAG`] behind the clock, so
//! that nothing is written behind the offset to which it has read.

use std::time::Duration;

use carillon_foundations::ids::CampaignId;
use carillon_foundations::time::sortable;
use carillon_table::{Key, Page, StoreError, Table, Write};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Event, EventType, KEPT_FOR};

/// How far readers stay behind: longer than the writer lets its writes take.
pub const LAG: Duration = Duration::from_secs(5);
/// The last text.
const END: &str = "\u{10FFFF}";

/// An offset in the feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offset(String);

impl Offset {
    /// The offset of the events that were written at `at` or later.
    pub fn at(at: Timestamp) -> Self {
        Self(sortable(at))
    }

    /// The offset of an event that was written at `at`, from the stream's record with that sequence
    /// number.
    pub fn of(at: Timestamp, sequence: &str, kind: EventType) -> Self {
        Self(format!("{}#{sequence:0>40}#{kind}", sortable(at)))
    }

    /// The oldest offset that may have events.
    pub fn oldest(now: Timestamp) -> Self {
        Self::at(now - KEPT_FOR)
    }

    fn hour(&self) -> String {
        self.0.chars().take("2026-11-22T09".len()).collect()
    }

    fn next_hour(&self) -> Option<Self> {
        let hour: Timestamp = format!("{}:00:00Z", self.hour()).parse().ok()?;
        Some(Self::at(hour.to_zoned(TimeZone::UTC).timestamp() + SignedDuration::from_hours(1)))
    }
}

/// An event as the feed has it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    sk: String,
    #[serde(flatten)]
    event: Event,
}

#[derive(Serialize)]
struct Expiring<'a> {
    #[serde(flatten)]
    event: &'a Event,
    expires_at: i64,
}

/// Adds an event to the feed.
pub async fn append(
    table: &Table,
    offset: &Offset,
    event: &Event,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = Key::Event { hour: offset.hour(), offset: offset.0.clone() };
    let expires_at = (now + KEPT_FOR).as_second();
    table.write(Write::put(&key, &Expiring { event, expires_at })?).await
}

/// The events after an offset and before a time, oldest first, each with its offset: `limit` at
/// most, of one hour; and where to read on if there are none.
pub async fn read(
    table: &Table,
    after: &Offset,
    limit: u32,
    before: Timestamp,
) -> Result<(Vec<(Event, Offset)>, Offset), StoreError> {
    let end = Offset::at(before);
    let mut offset = after.clone().max(Offset::oldest(before));
    while offset < end {
        let hour = offset.hour();
        let to = if hour == end.hour() { &end.0 } else { END };
        let from = format!("{}\u{0}", offset.0);
        let page: Page<Stored> =
            table.query(&Key::events_of(&hour), (&from, to), None, limit).await?;
        if !page.items.is_empty() {
            let event = |Stored { sk, event }| (event, Offset(sk));
            return Ok((page.items.into_iter().map(event).collect(), offset));
        }
        match offset.next_hour() {
            Some(next) if next < end => offset = next,
            Some(_) | None => break,
        }
    }
    Ok((Vec::new(), offset))
}

/// Adds an event to the history of a campaign. Idempotent: an event of the stream has one offset.
pub async fn remember(
    table: &Table,
    campaign: CampaignId,
    sequence: &str,
    event: &Event,
) -> Result<(), StoreError> {
    let Offset(offset) = Offset::of(event.created_at, sequence, event.kind);
    table.write(Write::put(&Key::History { campaign, offset }, event)?).await
}

/// Events of the history of a campaign after an offset, oldest first; and the offset to read on from,
/// if there are more.
pub async fn history(
    table: &Table,
    campaign: CampaignId,
    after: Option<&Offset>,
    limit: u32,
) -> Result<(Vec<Event>, Option<Offset>), StoreError> {
    let from = after.map_or_else(String::new, |Offset(offset)| format!("{offset}\u{0}"));
    let range = (format!("{}{from}", Key::HISTORY), format!("{}{END}", Key::HISTORY));
    let pk = Key::Campaign(campaign).pk();
    let page: Page<Stored> = table.query(&pk, (&range.0, &range.1), None, limit).await?;
    let last = page.items.last().and_then(|last| last.sk.strip_prefix(Key::HISTORY));
    let next = last.filter(|_| page.next.is_some()).map(|offset| Offset(offset.to_owned()));
    Ok((page.items.into_iter().map(|stored| stored.event).collect(), next))
}

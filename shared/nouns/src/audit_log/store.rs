//! The audit log in the table, in partitions of a day.

use carillon_foundations::ids::AuditId;
use carillon_table::{Key, StoreError, Table, Write, condition_held, exclusive_start_key};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Record, day_of};

/// Adds a record, unless the hour has it already.
pub async fn add(table: &Table, record: &Record) -> Result<(), StoreError> {
    let key = Key::Audit { day: day_of(record.id), id: record.id };
    condition_held(table.write(Write::create(&key, record)?).await).map(drop)
}

/// Reads a record.
pub async fn get(table: &Table, id: AuditId) -> Result<Option<Record>, StoreError> {
    table.get(&Key::Audit { day: day_of(id), id }).await
}

/// An offset in the log, which is read from the newest record to the oldest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// Before all records of the day after this one.
    Day(Date),
    /// After this record.
    After(AuditId),
}

impl Offset {
    /// The newest offset.
    pub fn newest(now: Timestamp) -> Self {
        Self::Day(now.to_zoned(TimeZone::UTC).date())
    }
}

/// The records before an offset, newest hour first: `limit` at most, of one day; and the offset to
/// read on from.
pub async fn read(
    table: &Table,
    offset: Offset,
    limit: u32,
) -> Result<(Vec<Record>, Option<Offset>), StoreError> {
    let (day, after) = match offset {
        Offset::Day(day) => (day, None),
        Offset::After(id) => {
            let day = day_of(id);
            (day, Some(exclusive_start_key(&Key::Audit { day, id })))
        }
    };
    let pk = Key::audit_day(day);
    let range = (AuditId::PREFIX, "\u{10FFFF}");
    let page = table.query_back::<Record>(&pk, range, after, limit).await?;
    let next = match page.items.last() {
        Some(last) if page.next.is_some() => Some(Offset::After(last.id)),
        Some(_) | None => day.yesterday().ok().map(Offset::Day),
    };
    Ok((page.items, next))
}

use axum::Json;
use axum::extract::State;
use carillon::audit_log::store::{Offset, get as find, read};
use carillon::audit_log::{KEPT_FOR, Record, hour_of};
use carillon::ids::{AuditId, KeyId, time_of};
use carillon::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::body::{Asked, Id, page_size};
use crate::problem::{Answer, Problem};
use crate::values::Time;

/// How many reads one request makes at most: of a day each, or more where a day has many.
const MAX_READS: u32 = 62;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordsAsked {
    /// Only those of these keys.
    #[serde(default)]
    #[param(required = false, value_type = Vec<String>)]
    key_id: Vec<KeyId>,
    /// Only those of these operations, such as `getContact`.
    #[serde(default)]
    #[param(required = false)]
    operation: Vec<String>,
    /// Only those about these ids.
    #[serde(default)]
    #[param(required = false)]
    subject: Vec<String>,
    /// Only those since this time.
    created_after: Option<Time>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl RecordsAsked {
    fn has(&self, record: &Record) -> bool {
        let subject = record.subject.as_deref().unwrap_or_default();
        let is_about =
            |wanted: &String| subject == wanted || subject.split('/').any(|part| part == wanted);
        (self.key_id.is_empty() || self.key_id.contains(&record.key_id))
            && (self.operation.is_empty() || self.operation.contains(&record.operation))
            && (self.subject.is_empty() || self.subject.iter().any(is_about))
            && self.created_after.is_none_or(|Time(since)| record.at >= since)
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordPage {
    /// The records, the newest hour first. A page may have few or none and still not be the last.
    items: Vec<RecordView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// What a key did within an hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub(crate) struct RecordView {
    /// Its id.
    #[schema(value_type = String, example = "aud_01890a5d-ac96-874b-bcce-b302099a8057")]
    id: AuditId,
    /// The key's id.
    #[schema(value_type = String, example = "key_01890a5d-ac96-774b-bcce-b302099a8057")]
    key_id: KeyId,
    /// The key's name at that time.
    key_name: String,
    /// The operation, by its id in this description.
    #[schema(example = "getContact")]
    operation: String,
    /// What it was done with: the ids in its path, or the contact that was found; null for a list.
    #[schema(example = "ctc_01890a5d-ac96-774b-bcce-b302099a8057")]
    subject: Option<String>,
    /// The hour.
    hour: Time,
    /// When it was first done within the hour.
    first_at: Time,
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            key_id: record.key_id,
            key_name: record.key_name,
            operation: record.operation,
            subject: record.subject,
            hour: Time(hour_of(record.at)),
            first_at: Time(record.at),
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Before(Date),
    After(AuditId),
}

/// Read the audit log
///
/// Which key did what with what: one record for each key, operation, subject and hour, kept for
/// 400 days. Changes are recorded before they are made, whether they succeed or not; reads that
/// show something, before their answer leaves.
#[utoipa::path(get, path = "/v1/audit-log", operation_id = "listAuditLog", tag = "Keys",
    security(("api_key" = ["admin"])), params(RecordsAsked),
    responses((status = 200, description = "A page of records.", body = RecordPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<RecordsAsked>,
) -> Answer<Json<RecordPage>> {
    let limit = page_size(asked.limit)? as usize;
    let now = api.clock.now();
    let oldest = now - KEPT_FOR;
    let oldest = asked.created_after.map_or(oldest, |Time(since)| since.max(oldest));
    let cursors = api.cursors().await?;
    let mut offset = match cursors.read(asked.cursor.as_deref())? {
        Some(Ended::Before(day)) => Offset::Day(day),
        Some(Ended::After(id)) => Offset::After(id),
        None => Offset::newest(now),
    };
    let mut items = Vec::new();
    for _ in 0..MAX_READS {
        let left = u32::try_from(limit - items.len()).unwrap_or(1);
        let (found, next) = read(&api.table, offset, left).await?;
        items.extend(found.into_iter().filter(|record| asked.has(record)).map(RecordView::from));
        let Some(next) = next.filter(|next| !is_older(*next, oldest)) else {
            return Ok(Json(RecordPage { items, next_cursor: None }));
        };
        offset = next;
        if items.len() >= limit {
            break;
        }
    }
    let ended = match offset {
        Offset::Day(day) => Ended::Before(day),
        Offset::After(id) => Ended::After(id),
    };
    Ok(Json(RecordPage { items, next_cursor: cursors.write(&ended) }))
}

/// Whether all records after an offset are older.
fn is_older(offset: Offset, oldest: Timestamp) -> bool {
    let day_of = |at: Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    match offset {
        Offset::Day(day) => day < day_of(oldest),
        Offset::After(id) => time_of(id.uuid()) < hour_of(oldest),
    }
}

/// Show a record of the audit log
#[utoipa::path(get, path = "/v1/audit-log/{id}", operation_id = "getAuditRecord", tag = "Keys",
    security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The record's id.")),
    responses((status = 200, description = "The record.", body = RecordView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<AuditId>) -> Answer<Json<RecordView>> {
    let found = find(&api.table, id).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("record"))?.into()))
}

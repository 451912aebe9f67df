use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use carillon::campaign::{self, Campaign};
use carillon::ids::CampaignId;
use carillon::recipient::{self, Cursor, CursorRange, Recipient, SkipReason};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use futures::stream;
use http::{HeaderValue, header};

use crate::Api;
use crate::body::Id;
use crate::problem::Answer;

/// How many recipients are read and written at a time.
const PAGE: u32 = 500;

/// The columns of every export; a campaign's own come after them.
const COLUMNS: [&str; 13] = [
    "contact",
    "status",
    "attempt",
    "imported_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "replied_at",
    "closed_at",
    "failed_at",
    "code",
    "skip_reason",
    "reason",
];

/// Export the recipients as CSV
///
/// One line a recipient, with their state and the columns they were imported
/// with (`column.` before those names that the export uses itself). Cells that a
/// spreadsheet would take for a formula begin with an apostrophe.
#[utoipa::path(get, path = "/v1/campaigns/{id}/recipients.csv", operation_id = "exportRecipients", tag = "Recipients",
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The recipients.", content_type = "text/csv", body = String)))]
pub(crate) async fn recipients(
    State(api): State<Arc<Api>>,
    Id(id): Id<CampaignId>,
) -> Answer<Response> {
    let campaign = super::campaign(&api, id).await?;
    let imports = campaign::store::imports(&api.table, id).await?;
    let columns: BTreeSet<String> =
        imports.into_iter().flat_map(|import| import.columns.into_keys()).collect();
    let export = Export {
        table: api.table.clone(),
        campaign,
        columns: columns.into_iter().collect(),
        ready: VecDeque::new(),
        ahead: Ahead::After(None),
    };
    let body = Body::from_stream(stream::try_unfold(export.begun(), Export::next));
    let name = format!("attachment; filename=\"{id}.csv\"");
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// An export under way: a page at a time.
struct Export {
    table: Table,
    campaign: Campaign,
    columns: Vec<String>,
    ready: VecDeque<Bytes>,
    ahead: Ahead,
}

/// What is still to be read.
enum Ahead {
    /// What comes after a place, or everything.
    After(Option<Cursor>),
    Nothing,
}

impl Export {
    fn begun(mut self) -> Self {
        let own = self.columns.iter().map(|name| shown_name(name));
        let names = COLUMNS.into_iter().map(str::to_owned).chain(own);
        self.ready.push_back(line(names.map(|name| cell(&name))).into());
        self
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Ok(Some((bytes, self)));
            }
            let Ahead::After(after) = std::mem::replace(&mut self.ahead, Ahead::Nothing) else {
                return Ok(None);
            };
            let (table, campaign) = (&self.table, &self.campaign);
            let range = CursorRange::after(after.as_ref());
            let page = recipient::store::walk(table, campaign.recipients(), range, PAGE).await;
            let (page, next) = page.inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "an export broke off");
            })?;
            if next.is_some() {
                self.ahead = Ahead::After(next);
            }
            let lines: String = page.iter().map(|recipient| self.line(recipient)).collect();
            if !lines.is_empty() {
                self.ready.push_back(lines.into());
            }
        }
    }

    fn line(&self, recipient: &Recipient) -> String {
        let code = recipient.code.map(|code| code.to_string()).unwrap_or_default();
        let fixed = [
            quoted(recipient.contact.as_str()),
            cell(recipient.status.as_str()),
            recipient.attempt.to_string(),
            recipient.imported_at.to_string(),
            time(recipient.sent_at),
            time(recipient.delivered_at),
            time(recipient.read_at),
            time(recipient.replied_at),
            time(recipient.closed_at),
            time(recipient.failed_at),
            code,
            cell(recipient.skip_reason.map_or("", SkipReason::as_str)),
            cell(recipient.reason.as_deref().unwrap_or_default()),
        ];
        let own = self.columns.iter().map(|name| value(&recipient.columns, name));
        line(fixed.into_iter().chain(own))
    }
}

fn shown_name(name: &str) -> String {
    if COLUMNS.contains(&name) { format!("column.{name}") } else { name.to_owned() }
}

fn value(columns: &BTreeMap<String, String>, name: &str) -> String {
    cell(columns.get(name).map_or("", String::as_str))
}

fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// A cell that no spreadsheet takes for a formula. Source: OWASP, "CSV Injection".
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return quoted(&format!("'{text}"));
    }
    quoted(text)
}

/// A cell, in quotes where CSV needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', ';', '"', '\n', '\r', '\t']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

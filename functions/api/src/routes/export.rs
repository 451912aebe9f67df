use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use carillon::address::Address;
use carillon::campaign;
use carillon::contact::Contact;
use carillon::ids::CampaignId;
use carillon::recipient::{self, Cursor, Recipient, RecipientSet, SkipReason};
use carillon::table::{StoreError, Table};
use carillon::time::sortable;
use futures::{StreamExt as _, stream};
use http::header;

use super::recipients::contacts_of;
use crate::App;
use crate::body::Id;
use crate::problem::Answer;

/// How many recipients are read and written at a time.
const PAGE: u32 = 500;

/// The columns of every export; a campaign's own come after them.
const COLUMNS: [&str; 14] = [
    "contact_id",
    "address",
    "status",
    "attempt",
    "imported_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "replied_at",
    "closed_at",
    "failed_at",
    "failure_code",
    "skip_reason",
    "failure_reason",
];

/// Export the recipients as CSV
///
/// One line a recipient, with their state and the columns they were imported
/// with (`column.` before those names that the export uses itself). Cells that a
/// spreadsheet would take for a formula begin with an apostrophe.
#[utoipa::path(get, path = "/v1/campaigns/{id}/recipients.csv", operation_id = "exportRecipients", tag = "Recipients",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id.")),
    responses((status = 200, description = "The recipients.", content_type = "text/csv", body = String)))]
pub(crate) async fn recipients(State(api): App, Id(id): Id<CampaignId>) -> Answer<Response> {
    let campaign = super::campaign(&api, id).await?;
    let imports = campaign::store::imported(&api.table, id).await?;
    let export = Export {
        table: api.table.clone(),
        recipients: campaign.recipients(),
        columns: imports.into_iter().flat_map(|import| import.columns.into_keys()).collect(),
        after: Some(Cursor::start_of(0)),
    };
    let first: Result<Bytes, StoreError> = Ok(export.header().into());
    let pages = stream::try_unfold(export, Export::next);
    let body = Body::from_stream(stream::iter([first]).chain(pages));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.csv\"")),
    ];
    Ok((headers, body).into_response())
}

/// An export under way: a page at a time.
struct Export {
    table: Table,
    recipients: RecipientSet,
    columns: BTreeSet<String>,
    /// The recipient before the next page; none after the last page.
    after: Option<Cursor>,
}

impl Export {
    fn header(&self) -> String {
        let own = self.columns.iter().map(|name| cell(&shown_name(name)));
        line(COLUMNS.into_iter().map(cell).chain(own))
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        while let Some(after) = self.after.take() {
            let page =
                recipient::store::walk(&self.table, self.recipients, Some(&after), PAGE).await;
            let (page, next) = page.inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "an export broke off");
            })?;
            self.after = next;
            let contacts = contacts_of(&self.table, &page).await?;
            let lines: String = page
                .iter()
                .map(|recipient| self.line(recipient, contacts.get(&recipient.contact)))
                .collect();
            if !lines.is_empty() {
                return Ok(Some((lines.into(), self)));
            }
        }
        Ok(None)
    }

    fn line(&self, recipient: &Recipient, contact: Option<&Contact>) -> String {
        let address = contact.and_then(|contact| contact.profile.addresses.first());
        let fixed = [
            recipient.contact.to_string(),
            quoted(address.map_or("", Address::as_str)),
            cell(recipient.status.as_str()),
            recipient.attempt.to_string(),
            sortable(recipient.imported_at),
            text(recipient.sent_at.map(sortable)),
            text(recipient.delivered_at.map(sortable)),
            text(recipient.read_at.map(sortable)),
            text(recipient.replied_at.map(sortable)),
            text(recipient.closed_at.map(sortable)),
            text(recipient.failed_at.map(sortable)),
            text(recipient.code),
            cell(recipient.skip_reason.map_or("", SkipReason::as_str)),
            cell(recipient.reason.as_deref().unwrap_or_default()),
        ];
        let own =
            self.columns.iter().map(|name| recipient.columns.get(name).map_or("", String::as_str));
        line(fixed.into_iter().chain(own.map(cell)))
    }
}

fn shown_name(name: &str) -> String {
    if COLUMNS.contains(&name) { format!("column.{name}") } else { name.to_owned() }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
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

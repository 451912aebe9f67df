use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use carillon::address::Address;
use carillon::bulk::{self, Retried};
use carillon::campaign::{Campaign, Import};
use carillon::contact::{self, Contact};
use carillon::country::Country;
use carillon::ids::{CampaignId, ContactId, ImportId};
use carillon::import::{Finished, Format, Passed, Report, Upload, UploadError};
use carillon::recipient::store::record;
use carillon::recipient::{
    self, Cursor, DeliveryStatus, Event, Recipient, RecipientKey, SkipReason, Status,
};
use carillon::table::{StoreError, Table};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::campaign_view::CampaignView;
use crate::body::{Asked, Id, NoMembers, OptionalBody, Within, media_type, page_size};
use crate::cursor;
use crate::etag::{IfMatch, Resource, Tagged};
use crate::idempotent::FirstAskedAt;
use crate::problem::{Answer, Code, Problem, sentence};
use crate::request_id;
use crate::values::Time;
use crate::{Api, App};

/// How many recipients are read at a time.
const PAGE: u32 = 250;
/// How many reads one request may take before it answers with what it has.
const MAX_READS: u32 = 20;

/// How an upload is read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadAsked {
    /// The country in which national phone numbers are read, such as `CO`; the
    /// campaign's own by default.
    #[param(value_type = Option<String>)]
    default_country: Option<Country>,
}

/// Which page of the recipients.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Only those of these statuses.
    #[serde(default)]
    #[param(required = false)]
    status: Vec<Status>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of recipients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecipientPage {
    /// The recipients. With a `status`, a page may have few or none and still
    /// not be the last.
    items: Vec<RecipientView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A recipient: one contact in one campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecipientView {
    /// The contact's id.
    #[schema(value_type = String, example = "ctc_01890a5d-ac96-774b-bcce-b302099a8057")]
    contact_id: ContactId,
    /// The contact's first address: a phone in E.164, or a business-scoped user id. Null
    /// once the person was erased.
    #[schema(value_type = Option<String>, example = "+573001234567")]
    address: Option<Address>,
    /// Its status.
    status: Status,
    /// The number of its attempt, from 1.
    attempt: u32,
    /// The columns it was imported with.
    columns: BTreeMap<String, String>,
    /// When it was imported.
    imported_at: Time,
    /// The provider's id of the message.
    message_id: Option<String>,
    /// When it was sent to the provider.
    sent_at: Option<Time>,
    /// When it was delivered.
    delivered_at: Option<Time>,
    /// When it was read.
    read_at: Option<Time>,
    /// When the contact replied.
    replied_at: Option<Time>,
    /// When the lead was closed.
    closed_at: Option<Time>,
    /// When it failed.
    failed_at: Option<Time>,
    /// The provider's code of the last refusal.
    failure_code: Option<u32>,
    /// Why it was skipped.
    skip_reason: Option<SkipReason>,
    /// Why it failed, was skipped or waits, in plain words.
    failure_reason: Option<String>,
    /// A retry waits until then.
    not_before: Option<Time>,
}

impl RecipientView {
    fn of(recipient: Recipient, contacts: &HashMap<ContactId, Contact>) -> Self {
        let contact = contacts.get(&recipient.contact);
        Self {
            contact_id: recipient.contact,
            address: contact.and_then(|one| one.profile.addresses.first()).cloned(),
            status: recipient.status,
            attempt: recipient.attempt,
            columns: recipient.columns,
            imported_at: Time(recipient.imported_at),
            message_id: recipient.message_id,
            sent_at: recipient.sent_at.map(Time),
            delivered_at: recipient.delivered_at.map(Time),
            read_at: recipient.read_at.map(Time),
            replied_at: recipient.replied_at.map(Time),
            closed_at: recipient.closed_at.map(Time),
            failed_at: recipient.failed_at.map(Time),
            failure_code: recipient.code,
            skip_reason: recipient.skip_reason,
            failure_reason: recipient.reason,
            not_before: recipient.not_before.map(Time),
        }
    }
}

impl Resource for RecipientView {
    fn tagged(&self) -> impl Serialize {
        self
    }
}

/// Add recipients
///
/// The body is read as a stream and may have 64 MiB. CSV has a header line; the
/// column with the phone is found by its name (`phone`, `mobile`, `celular`, …),
/// and so is `bsuid`; the others become the recipients' columns, their names in
/// small letters with `_` for spaces. JSON is an array of objects, or one object
/// a line. Invalid lines are reported, and the others are added. The
/// same upload again adds nothing and reports duplicates.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients", operation_id = "addRecipients", tag = "Recipients",
    security(("api_key" = ["people"])),
    params(("id" = String, Path, description = "The campaign's id."), UploadAsked),
    request_body(content(
        (String = "text/csv", example = "phone,first_name\n+573001234567,Ana\n"),
        (Vec<BTreeMap<String, String>> = "application/json", example = json!([{"phone": "+573001234567", "first_name": "Ana"}])),
        (String = "application/x-ndjson", example = "{\"phone\": \"+573001234567\", \"first_name\": \"Ana\"}\n"))),
    responses((status = 200, description = "What it brought.", body = Report)))]
pub(crate) async fn upload(
    State(api): App,
    Id(id): Id<CampaignId>,
    Asked(asked): Asked<UploadAsked>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Answer<Json<Report>> {
    let now = api.clock.now();
    let format = format(&headers)?;
    let campaign = super::campaign(&api, id).await?;
    let country = asked.default_country.or(campaign.settings.default_country);
    let import = Import::new(ImportId::from_uuid(api.ids.uuid(now)), now);
    // A task of its own, so that what was added is noted even when the client
    // goes away in the middle.
    let work = request_id::spawn(async move {
        let Api { table, clock, ids, .. } = &*api;
        let passed = Passed::default();
        let upload = Upload { table, clock, ids, campaign: &campaign, country, format, passed };
        upload.run(body.into_data_stream(), import).await
    });
    let Finished { report, outcome } = work.await.map_err(Problem::internal)?;
    tracing::info!(campaign = %id, added = report.added, duplicates = report.duplicates, suppressed = report.suppressed, invalid = report.invalid_total, "recipients uploaded");
    match outcome {
        Ok(()) => Ok(Json(report)),
        Err(error) => Err(ended_early(error).with_report(report)),
    }
}

fn format(headers: &HeaderMap) -> Answer<Format> {
    match media_type(headers).as_deref() {
        Some("text/csv") => Ok(Format::Csv),
        Some("application/json") => Ok(Format::JsonArray),
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            Ok(Format::JsonLines)
        }
        Some(_) | None => Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send Content-Type: text/csv, application/json (an array of objects) or application/x-ndjson (one object a line).",
        )),
    }
}

fn ended_early(error: UploadError) -> Problem {
    let words = sentence(&error);
    match error {
        UploadError::Unreadable(_) => Problem::new(Code::UploadUnreadable, format!("{words}.")),
        UploadError::TooLarge => Problem::new(
            Code::TooLarge,
            "The upload is larger than 64 MiB. What was read up to there stays; split the rest into smaller files. Lines uploaded again count as duplicates.",
        ),
        UploadError::BrokenOff(_) => Problem::new(
            Code::UploadBrokenOff,
            "The upload broke off. What was read up to there stays.",
        ),
        UploadError::Campaign(error) => error.into(),
        UploadError::Store(error) => error.into(),
    }
}

/// List the recipients
#[utoipa::path(get, path = "/v1/campaigns/{id}/recipients", operation_id = "listRecipients", tag = "Recipients",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id."), PageAsked),
    responses((status = 200, description = "A page of recipients.", body = RecipientPage)))]
pub(crate) async fn list(
    State(api): App,
    Id(id): Id<CampaignId>,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<RecipientPage>> {
    let limit = page_size(asked.limit)? as usize;
    let campaign = super::campaign(&api, id).await?;
    let cursors = api.cursors().await?;
    let mut after: Option<Cursor> = cursors.read(asked.cursor.as_deref())?;
    if after.as_ref().is_some_and(|after| !is_in(after, &campaign)) {
        return Err(cursor::unknown());
    }
    let recipients = campaign.recipients();
    let mut found = Vec::new();
    for _ in 0..MAX_READS {
        let (page, next) =
            recipient::store::walk(&api.table, recipients, after.as_ref(), PAGE).await?;
        after = next;
        // A page lies in one shard; who was erased keeps theirs.
        let shard = after.as_ref().map_or(0, |after| after.shard);
        let is_asked =
            |found: &Recipient| asked.status.is_empty() || asked.status.contains(&found.status);
        for recipient in page.into_iter().filter(is_asked) {
            let last = Cursor { shard, contact: Some(recipient.contact) };
            found.push(recipient);
            if found.len() == limit {
                let items = views(&api, found).await?;
                return Ok(Json(RecipientPage { items, next_cursor: cursors.write(&last) }));
            }
        }
        if after.is_none() {
            break;
        }
    }
    let items = views(&api, found).await?;
    Ok(Json(RecipientPage { items, next_cursor: after.and_then(|after| cursors.write(&after)) }))
}

/// The recipients with the addresses of their contacts.
async fn views(api: &Api, recipients: Vec<Recipient>) -> Answer<Vec<RecipientView>> {
    let contacts = contacts_of(&api.table, &recipients).await?;
    Ok(recipients.into_iter().map(|one| RecipientView::of(one, &contacts)).collect())
}

/// The contacts of recipients.
pub(crate) async fn contacts_of(
    table: &Table,
    recipients: &[Recipient],
) -> Result<HashMap<ContactId, Contact>, StoreError> {
    let ids: Vec<ContactId> = recipients.iter().map(|one| one.contact).collect();
    contact::store::many(table, &ids).await
}

fn is_in(after: &Cursor, campaign: &Campaign) -> bool {
    after.shard < campaign.shards
}

/// Show a recipient
///
/// One person in one campaign: what became of the message, and why.
#[utoipa::path(get, path = "/v1/campaigns/{id}/recipients/{contact}", operation_id = "getRecipient", tag = "Recipients",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id."), ("contact" = String, Path, description = "The contact's id.")),
    responses((status = 200, description = "The recipient.", body = RecipientView)))]
pub(crate) async fn get(
    State(api): App,
    Within(id, contact): Within<CampaignId, ContactId>,
) -> Answer<Tagged<RecipientView>> {
    let campaign = super::campaign(&api, id).await?;
    let key = campaign.recipients().key(contact);
    Ok(Tagged(view(&api, find(&api, &key).await?).await?))
}

/// Close a lead
///
/// Of a recipient who was sent to. Closing again changes nothing.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients/{contact}/close", operation_id = "closeRecipient", tag = "Recipients",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id."), ("contact" = String, Path, description = "The contact's id.")),
    request_body = NoMembers,
    responses((status = 200, description = "The recipient.", body = RecipientView)))]
pub(crate) async fn close(
    State(api): App,
    Within(id, contact): Within<CampaignId, ContactId>,
    if_match: IfMatch,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<RecipientView>> {
    let now = api.clock.now();
    let key = super::campaign(&api, id).await?.recipients().key(contact);
    let found = checked(&api, &key, &if_match).await?;
    match found.status {
        Status::Sent | Status::Delivered | Status::Read | Status::Replied | Status::Closed => {}
        Status::Pending
        | Status::Sending
        | Status::Unconfirmed
        | Status::Failed
        | Status::Skipped
        | Status::Cancelled => {
            return Err(refused(&api, found, "only who was sent to can be closed").await?);
        }
    }
    let event = Event { attempt: found.attempt, status: DeliveryStatus::Closed };
    record(&api.table, &key, event, now, None).await?;
    Ok(Tagged(view(&api, find(&api, &key).await?).await?))
}

/// Retry an unconfirmed recipient
///
/// The answer to the first message was lost: it may have arrived, and a second one is sent
/// deliberately.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients/{contact}/retry", operation_id = "retryRecipient", tag = "Recipients",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id."), ("contact" = String, Path, description = "The contact's id.")),
    request_body = NoMembers,
    responses((status = 200, description = "The recipient.", body = RecipientView)))]
pub(crate) async fn retry(
    State(api): App,
    Within(id, contact): Within<CampaignId, ContactId>,
    if_match: IfMatch,
    FirstAskedAt(asked_at): FirstAskedAt,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<RecipientView>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let key = campaign.recipients().key(contact);
    // The request that came first has retried them.
    let retried = find(&api, &key).await?;
    let was_sent_since = retried.sent_at.zip(asked_at).is_some_and(|(sent, asked)| sent >= asked);
    if retried.attempt > 1 && was_sent_since {
        return Ok(Tagged(view(&api, retried).await?));
    }
    let found = checked(&api, &key, &if_match).await?;
    if found.status != Status::Unconfirmed || found.is_erased() {
        return Err(refused(&api, found, "only who is unconfirmed can be retried").await?);
    }
    if !bulk::take_up(&api.table, &campaign, now).await? {
        return Err(ended(campaign));
    }
    match bulk::retry(&api.table, &key, &found, now).await? {
        Retried::Pending => Ok(Tagged(view(&api, find(&api, &key).await?).await?)),
        Retried::Changed => {
            let detail = "The recipient was settled at this moment.";
            Err(Problem::new(Code::ChangedMeanwhile, detail))
        }
        Retried::CampaignOver => Err(ended(campaign)),
    }
}

fn ended(campaign: Campaign) -> Problem {
    let detail = "The campaign's scheduled_end has come: nobody is sent to any more.";
    Problem::new(Code::CampaignEnded, detail).with_current(&CampaignView::from(campaign))
}

/// Skip a pending recipient
///
/// No message is sent to them in this campaign.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients/{contact}/skip", operation_id = "skipRecipient", tag = "Recipients",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id."), ("contact" = String, Path, description = "The contact's id.")),
    request_body = NoMembers,
    responses((status = 200, description = "The recipient.", body = RecipientView)))]
pub(crate) async fn skip(
    State(api): App,
    Within(id, contact): Within<CampaignId, ContactId>,
    if_match: IfMatch,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<RecipientView>> {
    let key = super::campaign(&api, id).await?.recipients().key(contact);
    let found = checked(&api, &key, &if_match).await?;
    let is_skipped = found.skip_reason == Some(SkipReason::Requested);
    if !is_skipped {
        if found.status != Status::Pending {
            return Err(refused(&api, found, "only who is pending can be skipped").await?);
        }
        if !recipient::store::skip(&api.table, &key, found.attempt, SkipReason::Requested, None)
            .await?
        {
            let detail = "The recipient was changed at this moment.";
            return Err(Problem::new(Code::ChangedMeanwhile, detail));
        }
    }
    Ok(Tagged(view(&api, find(&api, &key).await?).await?))
}

async fn find(api: &Api, key: &RecipientKey) -> Answer<Recipient> {
    let found = recipient::store::get(&api.table, key).await?;
    found.ok_or_else(|| Problem::not_found("recipient in this campaign"))
}

/// The recipient, in the state that the client has read.
async fn checked(api: &Api, key: &RecipientKey, if_match: &IfMatch) -> Answer<Recipient> {
    let found = find(api, key).await?;
    if_match.check(&view(api, found.clone()).await?)?;
    Ok(found)
}

async fn view(api: &Api, recipient: Recipient) -> Answer<RecipientView> {
    let contacts = contacts_of(&api.table, std::slice::from_ref(&recipient)).await?;
    Ok(RecipientView::of(recipient, &contacts))
}

async fn refused(api: &Api, found: Recipient, rule: &str) -> Answer<Problem> {
    let detail = format!("The recipient is {}: {rule}.", found.status);
    let current = view(api, found).await?;
    Ok(Problem::new(Code::RecipientStatus, detail).with_current(&current))
}

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use carillon::contact::{self, Contact, Suppression, SuppressionId, SuppressionReason, person};
use carillon::ids::ContactId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::contacts::{known, parse_address};
use crate::answer::Created;
use crate::audit::Subject;
use crate::body::{Asked, Body, Id, page_size};
use crate::cursor::{self, Cursors};
use crate::etag::{IfMatch, Resource, Tagged};
use crate::problem::{Answer, Code, Problem};
use crate::values::Time;
use crate::{Api, App};

/// How many contacts are read at a time.
const PAGE: u32 = 200;
/// How many pages of contacts one request reads at most.
const MAX_READS: u32 = 20;

/// Which page of the suppressions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SuppressionsAsked {
    /// Only those of these reasons.
    #[serde(default)]
    #[param(required = false)]
    reason: Vec<SuppressionReason>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of suppressions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuppressionPage {
    /// The suppressions, by contact. A page may have few or none and still not be the last.
    items: Vec<SuppressionView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A suppression: no message is sent to the contact while it has one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(crate) struct SuppressionView {
    /// Its id.
    #[schema(value_type = String, example = "sup_blacklisted_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: String,
    /// The contact.
    #[schema(value_type = String, example = "ctc_01890a5d-ac96-774b-bcce-b302099a8057")]
    contact_id: ContactId,
    /// Why.
    reason: SuppressionReason,
    /// Which messages are not sent.
    scope: SuppressionScope,
    /// Who made it.
    source: SuppressionSource,
    /// Since when.
    created_at: Time,
}

/// Which messages a suppression stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SuppressionScope {
    /// All.
    All,
}

/// Who made a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SuppressionSource {
    /// The business, over the API.
    Api,
    /// The contact.
    Contact,
    /// The erasure of the person.
    Erasure,
}

impl From<Suppression> for SuppressionView {
    fn from(suppression: Suppression) -> Self {
        let Suppression { id, since, is_erased } = suppression;
        let source = match id.reason {
            SuppressionReason::OptedOut => SuppressionSource::Contact,
            SuppressionReason::Blacklisted if is_erased => SuppressionSource::Erasure,
            SuppressionReason::Blacklisted => SuppressionSource::Api,
        };
        Self {
            id: id.to_string(),
            contact_id: id.contact,
            reason: id.reason,
            scope: SuppressionScope::All,
            source,
            created_at: Time(since),
        }
    }
}

impl Resource for SuppressionView {
    fn tagged(&self) -> impl Serialize {
        self
    }
}

/// A suppression to be made: the contact, or an address of theirs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, max_properties = 1)]
pub(crate) struct NewSuppression {
    /// The contact's id; or give an `address`.
    #[schema(value_type = Option<String>, example = "ctc_01890a5d-ac96-774b-bcce-b302099a8057")]
    contact_id: Option<ContactId>,
    /// A phone number in E.164 or a business-scoped user id. An address that no contact has makes
    /// a contact.
    #[schema(example = "+573001234567")]
    address: Option<String>,
}

/// Suppress a contact
///
/// Puts the contact on the blacklist: after the answer no message to them is started. Repeated, it
/// changes nothing and answers the suppression that there is.
#[utoipa::path(post, path = "/v1/suppressions", operation_id = "createSuppression", tag = "Contacts",
    security(("api_key" = ["people"])), request_body = NewSuppression,
    responses((status = 201, description = "The suppression.", body = SuppressionView),
        (status = 200, description = "The suppression that there was.", body = SuppressionView)))]
pub(crate) async fn create(State(api): App, Body(new): Body<NewSuppression>) -> Answer<Response> {
    let now = api.clock.now();
    let id = match (new.contact_id, new.address) {
        (Some(id), None) => known(&api, id).await?.id,
        (None, Some(address)) => {
            let address = parse_address("address", &address)?;
            let found = person::resolve(&api.table, &api.ids, &[address], now).await?;
            found.ok_or_else(|| Problem::not_found("contact"))?
        }
        (Some(_), Some(_)) => {
            return Err(Problem::field("address", "give contact_id or address, and not both"));
        }
        (None, None) => return Err(Problem::field("contact_id", "give contact_id or address")),
    };
    let before = contact::store::current(&api.table, id).await?;
    let was_there = before.profile.blacklisted_at.is_some();
    let contact = contact::store::blacklist(&api.table, id, now).await?;
    let blacklisted = SuppressionReason::Blacklisted;
    let found = contact.suppressions().find(|one| one.id.reason == blacklisted);
    let view = SuppressionView::from(found.ok_or_else(|| Problem::not_found("suppression"))?);
    let subject = Extension(Subject(view.contact_id.to_string()));
    let response = if was_there {
        Tagged(view).into_response()
    } else {
        Created(format!("/v1/suppressions/{}", view.id), view).into_response()
    };
    Ok((subject, response).into_response())
}

/// List the suppressions
#[utoipa::path(get, path = "/v1/suppressions", operation_id = "listSuppressions", tag = "Contacts",
    security(("api_key" = ["read"])), params(SuppressionsAsked),
    responses((status = 200, description = "A page of suppressions.", body = SuppressionPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<SuppressionsAsked>,
) -> Answer<Json<SuppressionPage>> {
    let limit = page_size(asked.limit)? as usize;
    let cursors = api.cursors().await?;
    let after = asked_after(&cursors, asked.cursor.as_deref())?;
    let is_asked =
        |one: &Suppression| asked.reason.is_empty() || asked.reason.contains(&one.id.reason);
    let mut last = after.map(|after| after.contact);
    let mut found = match after {
        Some(after) => others_of(&api, after).await?,
        None => Vec::new(),
    };
    found.retain(is_asked);
    let mut is_end = false;
    for _ in 0..MAX_READS {
        if is_end || found.len() > limit {
            break;
        }
        let (page, has_more) = contact::store::suppressed(&api.table, last, PAGE).await?;
        last = page.last().map(|contact| contact.id).or(last);
        is_end = !has_more;
        found.extend(page.iter().flat_map(Contact::suppressions).filter(is_asked));
    }
    let next = if found.len() > limit {
        found.truncate(limit);
        found.last().map(|last| last.id)
    } else {
        let reason = SuppressionReason::OptedOut;
        last.filter(|_| !is_end).map(|contact| SuppressionId { contact, reason })
    };
    let next_cursor = next.and_then(|id| cursors.write(&id.to_string()));
    let items = found.into_iter().map(SuppressionView::from).collect();
    Ok(Json(SuppressionPage { items, next_cursor }))
}

fn asked_after(cursors: &Cursors, asked: Option<&str>) -> Answer<Option<SuppressionId>> {
    let id: Option<String> = cursors.read(asked)?;
    id.map(|id| id.parse().map_err(|_| cursor::unknown())).transpose()
}

/// The suppressions of a contact after one: a page may have ended between two of them.
async fn others_of(api: &Api, after: SuppressionId) -> Answer<Vec<Suppression>> {
    let id = after.contact;
    let Some(profile) = contact::store::get(&api.table, id).await? else { return Ok(Vec::new()) };
    let contact = Contact { id, profile };
    Ok(contact.suppressions().filter(|one| one.id > after).collect())
}

/// Show a suppression
#[utoipa::path(get, path = "/v1/suppressions/{id}", operation_id = "getSuppression", tag = "Contacts",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The suppression's id.")),
    responses((status = 200, description = "The suppression.", body = SuppressionView)))]
pub(crate) async fn get(
    State(api): App,
    Id(id): Id<SuppressionId>,
) -> Answer<Tagged<SuppressionView>> {
    let contact = known(&api, id.contact).await?;
    let found = contact.suppressions().find(|one| one.id.reason == id.reason);
    Ok(Tagged(found.ok_or_else(|| Problem::not_found("suppression"))?.into()))
}

/// Lift a suppression
///
/// Takes the contact off the blacklist. Campaigns that have skipped the contact do not send to
/// them. An opt-out is the contact's own: it ends when they write that they want messages again.
#[utoipa::path(delete, path = "/v1/suppressions/{id}", operation_id = "deleteSuppression", tag = "Contacts",
    security(("api_key" = ["erase"])),
    params(("id" = String, Path, description = "The suppression's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): App,
    Id(id): Id<SuppressionId>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let contact = known(&api, id.contact).await?;
    let found = contact.suppressions().find(|one| one.id.reason == id.reason);
    let view = SuppressionView::from(found.ok_or_else(|| Problem::not_found("suppression"))?);
    if_match.check(&view)?;
    match id.reason {
        SuppressionReason::Blacklisted => {
            contact::store::unblacklist(&api.table, contact.id).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        SuppressionReason::OptedOut => {
            let detail = "The contact opted out, and only they can opt in again.";
            Err(Problem::new(Code::SuppressionOfContact, detail).with_current(&view))
        }
    }
}

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::contact::{self, ContactKey, Profile};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::body::Named;
use crate::problem::{Answer, Problem};

/// A contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// How it is known: a phone in E.164, or a business-scoped user id.
    #[schema(value_type = String, example = "+573001234567")]
    key: ContactKey,
    #[serde(flatten)]
    profile: Profile,
}

/// A contact by its key: E.164 with or without the plus, or a BSUID.
pub(crate) fn parse_key(text: &str) -> Answer<ContactKey> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { format!("+{text}").parse() } else { text.trim().parse() };
    parsed.map_err(|error: contact::ContactKeyError| Problem::field("key", error.to_string()))
}

/// Show a contact
#[utoipa::path(get, path = "/v1/contacts/{key}", operation_id = "getContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164 (`%2B573001234567`, the plus may be left out) or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Named(key): Named,
) -> Answer<Json<ContactView>> {
    let key = parse_key(&key)?;
    let profile = contact::store::get(&api.table, &key).await?;
    let profile = profile.ok_or_else(|| Problem::not_found("contact"))?;
    Ok(Json(ContactView { key, profile }))
}

/// Put a contact on the blacklist
///
/// From the moment this is answered, nobody sends to them. A contact that is not
/// known yet is made.
#[utoipa::path(put, path = "/v1/contacts/{key}/blacklist", operation_id = "blacklistContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164, or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn blacklist(
    State(api): State<Arc<Api>>,
    Named(key): Named,
) -> Answer<Json<ContactView>> {
    let now = api.clock.now();
    let key = parse_key(&key)?;
    let profile = contact::store::blacklist(&api.table, &key, now).await?;
    Ok(Json(ContactView { key, profile }))
}

/// Take a contact off the blacklist
///
/// Campaigns that have skipped them don't come back to them.
#[utoipa::path(delete, path = "/v1/contacts/{key}/blacklist", operation_id = "unblacklistContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164, or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn unblacklist(
    State(api): State<Arc<Api>>,
    Named(key): Named,
) -> Answer<Json<ContactView>> {
    let key = parse_key(&key)?;
    if contact::store::get(&api.table, &key).await?.is_none() {
        return Err(Problem::not_found("contact"));
    }
    let profile = contact::store::unblacklist(&api.table, &key).await?;
    Ok(Json(ContactView { key, profile }))
}

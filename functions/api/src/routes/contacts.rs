use axum::Json;
use axum::extract::State;
use carillon::address::Address;
use carillon::contact::{self, Profile};
use carillon::privacy::{Erasure, erase as erase_person};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Named;
use crate::problem::{Answer, Problem};
use crate::{Api, App};

/// A contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its address: a phone number in E.164, or a business-scoped user id.
    #[schema(value_type = String, example = "+573001234567")]
    key: Address,
    #[serde(flatten)]
    profile: Profile,
}

/// A contact by its address: E.164 with or without the plus, or a BSUID.
pub(crate) fn parse_address(text: &str) -> Answer<Address> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = if digits { format!("+{text}") } else { text.trim().to_owned() };
    match text.parse::<Address>() {
        Ok(Address::Erased(_)) => Err(Problem::field("key", "stands for someone who was erased")),
        Ok(key) => Ok(key),
        Err(error) => Err(Problem::field("key", error.to_string())),
    }
}

/// Show a contact
#[utoipa::path(get, path = "/v1/contacts/{key}", operation_id = "getContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164 (`%2B573001234567`, the plus may be left out) or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn get(State(api): App, Named(key): Named) -> Answer<Json<ContactView>> {
    let key = parse_address(&key)?;
    let profile = find(&api, &key).await?;
    Ok(Json(ContactView { key, profile }))
}

async fn find(api: &Api, key: &Address) -> Answer<Profile> {
    let found = contact::store::get(&api.table, key).await?;
    found.ok_or_else(|| Problem::not_found("contact"))
}

/// What was erased of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureView {
    /// Messages from the person that were deleted.
    messages: u64,
    /// Campaigns in which a pseudonym replaced the person.
    campaigns: u64,
    #[serde(flatten)]
    contact: ContactView,
}

/// Erase a person
///
/// Deletes the messages from the person and the columns of their recipients. In each campaign
/// a pseudonym replaces the person, so that its counts stay exact. The address stays on the
/// blacklist, with the dates of the suppression, of the erasure and of the last message, so
/// that the import of an old list does not add the person again. While a message to the person
/// is being sent the answer is 409: the rest is erased; repeat the request a minute later.
#[utoipa::path(delete, path = "/v1/contacts/{key}", operation_id = "eraseContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164, or a business-scoped user id.")),
    responses((status = 200, description = "What was erased, and what is left.", body = ErasureView)))]
pub(crate) async fn erase(State(api): App, Named(key): Named) -> Answer<Json<ErasureView>> {
    let key = parse_address(&key)?;
    find(&api, &key).await?;
    let now = api.clock.now();
    let Erasure { messages, campaigns, under_way } =
        erase_person(&api.table, &key, &api.ids, now).await?;
    if under_way > 0 {
        let detail = "A message to them is on its way at this moment. They are on the blacklist \
                      and the rest is erased; ask again in a minute.";
        return Err(Problem::conflict(detail));
    }
    let profile = contact::store::get(&api.table, &key).await?.unwrap_or_default();
    tracing::info!(messages, campaigns, "a person was erased");
    Ok(Json(ErasureView { messages, campaigns, contact: ContactView { key, profile } }))
}

/// Put a contact on the blacklist
///
/// After the answer no message is sent to the contact. A contact that does not exist is
/// created.
#[utoipa::path(put, path = "/v1/contacts/{key}/blacklist", operation_id = "blacklistContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164, or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn blacklist(State(api): App, Named(key): Named) -> Answer<Json<ContactView>> {
    let now = api.clock.now();
    let key = parse_address(&key)?;
    let profile = contact::store::blacklist(&api.table, &key, now).await?;
    Ok(Json(ContactView { key, profile }))
}

/// Take a contact off the blacklist
///
/// Campaigns that have skipped the contact do not send to it.
#[utoipa::path(delete, path = "/v1/contacts/{key}/blacklist", operation_id = "unblacklistContact", tag = "Contacts",
    params(("key" = String, Path, description = "A phone in E.164, or a business-scoped user id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn unblacklist(State(api): App, Named(key): Named) -> Answer<Json<ContactView>> {
    let key = parse_address(&key)?;
    find(&api, &key).await?;
    let profile = contact::store::unblacklist(&api.table, &key).await?;
    Ok(Json(ContactView { key, profile }))
}

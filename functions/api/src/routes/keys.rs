use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use carillon::api_key::{self, ApiKey, Scope};
use carillon::channel::{FieldCode, FieldProblem};
use carillon::ids::KeyId;
use carillon::time::Timestamp;
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::Created;
use crate::auth::Caller;
use crate::body::{Asked, Body, Id, JsonBody, OptionalBody, PageAsked, page_of};
use crate::etag::{IfMatch, Resource, Tagged};
use crate::merge_patch::{patch_of, patched};
use crate::problem::{Answer, Code, Problem};
use crate::values::Time;
use crate::{Api, App};

/// The longest time in which the old secret of a rotated key still works, in seconds: 30 days.
const MAX_OVERLAP: u32 = 30 * 86_400;
/// That time by default, in seconds: a day.
const OVERLAP: u32 = 86_400;

/// An API key to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// Its name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "The shop's website")]
    name: String,
    /// What it allows. No scope includes another one.
    #[schema(min_items = 1, value_type = Vec<Scope>)]
    scopes: BTreeSet<Scope>,
    /// When it ends; null for never.
    expires_at: Option<Time>,
}

patch_of!(KeyChanges, NewKey);

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old secret still works, in seconds: 0 to 2,592,000 (30 days); a day by
    /// default.
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<u32>,
}

/// An API key with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyWithSecret {
    #[serde(flatten)]
    about: KeyView,
    /// The secret. It is shown this once and cannot be read again.
    #[schema(example = "crl_C29tZSBzZWNyZXQ")]
    key: String,
}

/// An API key, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id.
    #[schema(value_type = String, example = "key_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: KeyId,
    /// Its name.
    name: String,
    /// What it allows.
    scopes: BTreeSet<Scope>,
    /// When it ends; null for never.
    expires_at: Option<Time>,
    /// When it was last used, to the hour; null where it was not.
    last_used_at: Option<Time>,
    /// When its secret was made.
    rotated_at: Time,
    /// When it was created.
    created_at: Time,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyPage {
    /// The keys, oldest first.
    items: Vec<KeyView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            rotated_at: Time(key.rotated_at),
            created_at: Time(key.created_at),
        }
    }
}

impl Resource for KeyView {
    fn tagged(&self) -> impl Serialize {
        (&self.id, &self.name, &self.scopes, self.expires_at, self.rotated_at)
    }
}

impl Resource for KeyWithSecret {
    fn tagged(&self) -> impl Serialize {
        (
            &self.about.id,
            &self.about.name,
            &self.about.scopes,
            self.about.expires_at,
            self.about.rotated_at,
        )
    }
}

impl NewKey {
    fn problems(&self, now: Timestamp) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        if !(1..=200).contains(&self.name.trim().chars().count()) {
            let reason = "must have 1 to 200 characters";
            problems.push(FieldProblem::new("name", FieldCode::WrongLength, reason));
        }
        if self.scopes.is_empty() {
            let reason = "must name at least one of read, send, people, erase, settings, admin";
            problems.push(FieldProblem::new("scopes", FieldCode::WrongLength, reason));
        }
        if self.expires_at.is_some_and(|Time(end)| end <= now) {
            let reason = "is in the past; delete the key to end it now";
            problems.push(FieldProblem::new("expires_at", FieldCode::OutOfRange, reason));
        }
        problems
    }
}

/// Create an API key
///
/// The answer shows the secret, this once. It is therefore not stored for a repetition with the
/// same `Idempotency-Key`, which is answered with 409.
#[utoipa::path(post, path = "/v1/keys", operation_id = "createKey", tag = "Keys",
    security(("api_key" = ["admin"])), request_body = NewKey,
    responses((status = 201, description = "The key.", body = KeyWithSecret)))]
pub(crate) async fn create(
    State(api): App,
    Body(new): Body<NewKey>,
) -> Answer<Created<KeyWithSecret>> {
    let now = api.clock.now();
    let problems = new.problems(now);
    if !problems.is_empty() {
        return Err(Problem::fields(problems));
    }
    let stored = ApiKey {
        id: KeyId::from_uuid(api.ids.uuid(now)),
        name: new.name.trim().to_owned(),
        scopes: new.scopes,
        created_at: now,
        rotated_at: now,
        expires_at: new.expires_at.map(|Time(end)| end),
        replaced_until: None,
        last_used_at: None,
    };
    let key = api_key::generate(&api.ids);
    api_key::store::put(&api.table, &key, &stored).await?;
    let path = format!("/v1/keys/{}", stored.id);
    Ok(Created(path, KeyWithSecret { about: stored.into(), key }))
}

/// List the API keys
#[utoipa::path(get, path = "/v1/keys", operation_id = "listKeys", tag = "Keys",
    security(("api_key" = ["admin"])), params(PageAsked),
    responses((status = 200, description = "A page of keys.", body = KeyPage)))]
pub(crate) async fn list(State(api): App, Asked(asked): Asked<PageAsked>) -> Answer<Json<KeyPage>> {
    let keys = api_key::store::all(&api.table).await?;
    let cursors = api.cursors().await?;
    let (page, next_cursor) = page_of(&cursors, keys, &asked, |key| key.id)?;
    Ok(Json(KeyPage { items: page.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Show an API key
#[utoipa::path(get, path = "/v1/keys/{id}", operation_id = "getKey", tag = "Keys",
    security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The key's id.")),
    responses((status = 200, description = "The key.", body = KeyView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<KeyId>) -> Answer<Tagged<KeyView>> {
    Ok(Tagged(find(&api, id).await?.into()))
}

/// Update an API key
///
/// A JSON Merge Patch; what `GET` answers can be sent back. It takes effect within a minute.
#[utoipa::path(patch, path = "/v1/keys/{id}", operation_id = "updateKey", tag = "Keys",
    security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The key's id.")), request_body = KeyChanges,
    responses((status = 200, description = "The key.", body = KeyView)))]
pub(crate) async fn update(
    State(api): App,
    Caller(caller): Caller,
    Id(id): Id<KeyId>,
    if_match: IfMatch,
    JsonBody(patch): JsonBody,
) -> Answer<Tagged<KeyView>> {
    let key = find(&api, id).await?;
    let before = KeyView::from(key.clone());
    if_match.check(&before)?;
    let new: NewKey = patched(&before, patch, &["last_used_at"])?;
    let mut problems = new.problems(api.clock.now());
    problems.retain(|one| one.field != "expires_at" || new.expires_at != before.expires_at);
    if !problems.is_empty() {
        return Err(Problem::fields(problems));
    }
    let keeps_admin = new.scopes.contains(&Scope::Admin) && new.expires_at == before.expires_at;
    if caller.id == id && !keeps_admin {
        let detail = "The request was made with this key: it stays able to manage keys.";
        return Err(Problem::new(Code::LastKey, detail));
    }
    let changed = ApiKey {
        name: new.name.trim().to_owned(),
        scopes: new.scopes,
        expires_at: new.expires_at.map(|Time(end)| end),
        ..key.clone()
    };
    if changed != key && !api_key::store::change(&api.table, &key, &changed).await? {
        return Err(Problem::not_found("key"));
    }
    api.keys.forget(id);
    Ok(Tagged(changed.into()))
}

/// Rotate an API key
///
/// Gives it another secret, which the answer shows, this once. The old one still works for a
/// while, so that nothing has to stop.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", operation_id = "rotateKey", tag = "Keys",
    security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The key's id.")), request_body = Rotation,
    responses((status = 200, description = "The key.", body = KeyWithSecret)))]
pub(crate) async fn rotate(
    State(api): App,
    Id(id): Id<KeyId>,
    if_match: IfMatch,
    OptionalBody(rotation): OptionalBody<Rotation>,
) -> Answer<Tagged<KeyWithSecret>> {
    let now = api.clock.now();
    let overlap = rotation.overlap_seconds.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        let reason = "must be from 0 to 2592000 seconds (30 days)";
        let problem = FieldProblem::new("overlap_seconds", FieldCode::OutOfRange, reason);
        return Err(Problem::fields([problem]));
    }
    if_match.check(&KeyView::from(find(&api, id).await?))?;
    let secret = api_key::generate(&api.ids);
    let until = now + SignedDuration::from_secs(i64::from(overlap));
    let rotated = api_key::store::rotate(&api.table, (&secret, id), now, until).await?;
    let renewed = rotated.ok_or_else(|| Problem::not_found("key"))?;
    api.keys.forget(id);
    Ok(Tagged(KeyWithSecret { about: renewed.into(), key: secret }))
}

/// Delete an API key
///
/// It may still work for up to a minute.
#[utoipa::path(delete, path = "/v1/keys/{id}", operation_id = "deleteKey", tag = "Keys",
    security(("api_key" = ["admin"])),
    params(("id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): App,
    Caller(caller): Caller,
    Id(id): Id<KeyId>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    if_match.check(&KeyView::from(find(&api, id).await?))?;
    if caller.id == id {
        let detail = "The request was made with this key.";
        return Err(Problem::new(Code::LastKey, detail));
    }
    let found = api_key::store::delete(&api.table, id).await?;
    api.keys.forget(id);
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("key")) }
}

async fn find(api: &Api, id: KeyId) -> Answer<ApiKey> {
    let found = api_key::store::get(&api.table, id).await?;
    found.ok_or_else(|| Problem::not_found("key"))
}

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use carillon::api_key::{self, ApiKey, Scope};
use carillon::ids::KeyId;
use carillon::time::Timestamp;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::body::{Body, Id};
use crate::problem::{Answer, Problem};

/// An API key to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// Its name, 1 to 200 characters.
    name: String,
    /// Its scope; a higher scope includes the lower ones.
    scopes: BTreeSet<Scope>,
}

/// An API key that was just created.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    about: KeyView,
    /// The key itself. It is shown this once and can't be read again.
    key: String,
}

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id.
    #[schema(value_type = String)]
    id: KeyId,
    /// Its name.
    name: String,
    /// Its scope.
    scopes: Vec<Scope>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    /// The keys, in no order.
    items: Vec<KeyView>,
}

impl From<ApiKey> for KeyView {
    fn from(ApiKey { id, name, scopes, created_at }: ApiKey) -> Self {
        Self { id, name, scopes, created_at }
    }
}

/// Create an API key
///
/// The answer shows the key, this once. It is therefore not kept for a
/// repetition with the same `Idempotency-Key`, which is answered with 409.
#[utoipa::path(post, path = "/v1/keys", operation_id = "createKey", tag = "Keys", request_body = NewKey,
    responses((status = 201, description = "The key.", body = MadeKey)))]
pub(crate) async fn create(
    State(api): App,
    Body(new): Body<NewKey>,
) -> Answer<(StatusCode, Json<MadeKey>)> {
    let now = api.clock.now();
    let name = new.name.trim();
    if !(1..=200).contains(&name.chars().count()) {
        return Err(Problem::field("name", "must have 1 to 200 characters"));
    }
    if new.scopes.is_empty() {
        return Err(Problem::field("scopes", "must name at least one of read, write, admin"));
    }
    let stored = ApiKey {
        id: KeyId::from_uuid(api.ids.uuid(now)),
        name: name.to_owned(),
        scopes: new.scopes.into_iter().collect(),
        created_at: now,
    };
    let key = api_key::generate(&api.ids);
    api_key::store::put(&api.table, &key, &stored).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { about: stored.into(), key })))
}

/// List the API keys
#[utoipa::path(get, path = "/v1/keys", operation_id = "listKeys", tag = "Keys",
    responses((status = 200, description = "All keys.", body = KeyList)))]
pub(crate) async fn list(State(api): App) -> Answer<Json<KeyList>> {
    let keys = api_key::store::all(&api.table).await?;
    Ok(Json(KeyList { items: keys.into_iter().map(Into::into).collect() }))
}

/// Delete an API key
///
/// It may still work for up to a minute.
#[utoipa::path(delete, path = "/v1/keys/{id}", operation_id = "deleteKey", tag = "Keys",
    params(("id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(State(api): App, Id(id): Id<KeyId>) -> Answer<StatusCode> {
    let found = api_key::store::delete(&api.table, id).await?;
    api.keys.forget(id);
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("key")) }
}

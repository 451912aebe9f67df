use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use carillon::api_key::Scope;
use carillon::ids::KeyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::values::Time;

/// Who asks, and whom they ask.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// The API key of the request.
    key: CallerView,
    /// Whether messages reach people.
    mode: Mode,
    /// The version of Carillon.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The server's time.
    now: Time,
}

/// The API key of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallerView {
    /// Its id.
    #[schema(value_type = String, example = "key_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: KeyId,
    /// Its name.
    name: String,
    /// What it allows.
    scopes: BTreeSet<Scope>,
    /// When it ends; null for never.
    expires_at: Option<Time>,
}

/// Whether messages reach people.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Messages reach people and cost money.
    Live,
    /// The providers are simulated: messages reach nobody.
    Simulator,
}

/// Show the caller
///
/// The key of the request with its scopes, and whether messages reach people or a simulator. Any
/// key may ask.
#[utoipa::path(get, path = "/v1/me", operation_id = "getMe", tag = "About",
    security(("api_key" = [])),
    responses((status = 200, description = "The caller.", body = Me)))]
pub(crate) async fn get(State(api): App, Caller(key): Caller) -> Json<Me> {
    let is_simulated = api.routes.providers().all().any(|provider| provider.is_simulated());
    Json(Me {
        key: CallerView {
            id: key.id,
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            expires_at: key.expires_at.map(Time),
        },
        mode: if is_simulated { Mode::Simulator } else { Mode::Live },
        version: env!("CARGO_PKG_VERSION"),
        now: Time(api.clock.now()),
    })
}

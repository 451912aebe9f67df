//! Who asks, and whether they may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carillon::ids::KeyId;
use carillon::key::{self, ApiKey, Scope};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use http::{HeaderMap, Method, header};
use jiff::SignedDuration;

use crate::Api;
use crate::problem::{Kind, Problem};

/// How long a key that was found is believed. A deleted key works that much
/// longer in the other processes.
const KEEP: SignedDuration = SignedDuration::from_secs(60);

/// The key that a request came with.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<ApiKey>);

/// The keys that were found lately, by hash. Unknown ones are asked for each
/// time, so that a new key works at once and nobody can fill the memory.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<HashMap<String, (Timestamp, Arc<ApiKey>)>>);

impl Keys {
    async fn find(
        &self,
        table: &Table,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let hash = key::hash(key);
        if let Some(known) = self.known(&hash, now) {
            return Ok(Some(known));
        }
        let found = key::store::find(table, key).await?.map(Arc::new);
        if let Some(found) = &found {
            self.lock().insert(hash, (now, found.clone()));
        }
        Ok(found)
    }

    fn known(&self, hash: &str, now: Timestamp) -> Option<Arc<ApiKey>> {
        let known = self.lock();
        known.get(hash).filter(|(then, _)| now < *then + KEEP).map(|(_, key)| key.clone())
    }

    /// Forgets a key that was deleted.
    pub(crate) fn forget(&self, id: KeyId) {
        self.lock().retain(|_, (_, key)| key.id != id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Arc<ApiKey>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a request through whose key allows it.
pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let now = api.clock.now();
    let text = bearer(request.headers()).ok_or_else(no_key)?;
    let key = api.keys.find(&api.table, text, now).await?.ok_or_else(unknown_key)?;
    let scope = needed(request.method(), request.uri().path());
    if !key.allows(scope) {
        return Err(not_allowed(scope));
    }
    request.extensions_mut().insert(Caller(key));
    Ok(next.run(request).await)
}

/// What a request needs: to look is `read`, to change `write`, and what concerns
/// keys or changes connections `admin`.
fn needed(method: &Method, path: &str) -> Scope {
    let looks = matches!(*method, Method::GET | Method::HEAD);
    let keys = path.starts_with("/v1/keys");
    if keys || (path.starts_with("/v1/connections") && !looks) {
        return Scope::Admin;
    }
    if looks { Scope::Read } else { Scope::Write }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

fn no_key() -> Problem {
    let detail = "Send an API key with the request: Authorization: Bearer <key>.";
    Problem::new(Kind::Unauthorized, detail)
}

fn unknown_key() -> Problem {
    Problem::new(Kind::Unauthorized, "The API key is not known. It may have been deleted.")
}

fn not_allowed(scope: Scope) -> Problem {
    let word = match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    };
    let detail = format!("This needs a key with the scope {word}.");
    Problem::new(Kind::Forbidden, detail)
}

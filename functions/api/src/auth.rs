//! Authentication and authorisation of requests by API key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carillon::api_key::{self, ApiKey, Scope};
use carillon::config::Config;
use carillon::ids::KeyId;
use carillon::time::Timestamp;
use http::request::Parts;
use http::{HeaderMap, header};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::Api;
use crate::auth_throttle;
use crate::operations::Operations;
use crate::problem::{Answer, Code, Problem};

/// How long a key is cached. Other processes accept a deleted key until their entry expires.
const CACHE_TTL: SignedDuration = SignedDuration::from_secs(60);

/// The API key of a request, as an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<ApiKey>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_key)
    }
}

/// The API key of the configuration. It has every scope. The table does not store it, so a new
/// value in the configuration revokes the old key.
#[derive(Debug)]
pub(crate) struct AdminKey {
    hash: String,
    key: Arc<ApiKey>,
}

impl AdminKey {
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let given = config.admin_key().map(|key| api_key::hash(key.expose_secret()));
        let hash = config.admin_key_hash().or(given)?;
        let key = ApiKey {
            id: KeyId::from_uuid(Uuid::nil()),
            name: "the admin key".to_owned(),
            scopes: Scope::ALL.into(),
            created_at: Timestamp::UNIX_EPOCH,
            rotated_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            replaced_until: None,
            last_used_at: None,
        };
        Some(Self { hash, key: Arc::new(key) })
    }

    fn has(&self, hash: &str) -> bool {
        bool::from(self.hash.as_bytes().ct_eq(hash.as_bytes()))
    }
}

/// The cached keys, by hash. Unknown keys are not cached: a new key works at once, and requests
/// with unknown keys do not fill the memory.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<HashMap<String, (Timestamp, Arc<ApiKey>)>>);

impl Keys {
    fn known(&self, hash: &str, now: Timestamp) -> Option<Arc<ApiKey>> {
        let known = self.lock();
        known.get(hash).filter(|(then, _)| now < *then + CACHE_TTL).map(|(_, key)| key.clone())
    }

    /// Removes a key from the cache.
    pub(crate) fn forget(&self, id: KeyId) {
        self.lock().retain(|_, (_, key)| key.id != id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Arc<ApiKey>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Middleware: authenticates a request, and checks that its key has the scope.
pub(crate) async fn check(
    State((api, operations)): State<(Arc<Api>, Arc<Operations>)>,
    mut request: Request,
    next: Next,
) -> Answer<Response> {
    let now = api.clock.now();
    let hash = api_key::hash(bearer(request.headers()).ok_or_else(no_key)?);
    let known = match &api.admin_key {
        Some(admin) if admin.has(&hash) => Some(admin.key.clone()),
        _ => api.keys.known(&hash, now),
    };
    let key = match known {
        Some(key) => key,
        None => look_up(&api, &hash, auth_throttle::source(&request), now).await?,
    };
    if !key.is_valid(now) {
        return Err(Problem::new(Code::Unauthorized, "The API key has expired."));
    }
    let needed = match operations.find(&request) {
        Some(operation) => operation.scope,
        None => Some(Scope::Admin),
    };
    if let Some(scope) = needed.filter(|scope| !key.allows(*scope)) {
        return Err(not_allowed(scope, &key));
    }
    request.extensions_mut().insert(Caller(key));
    Ok(next.run(request).await)
}

/// Reads a key that is not cached from the table, unless the client address is throttled.
async fn look_up(
    api: &Api,
    hash: &str,
    from: Option<IpAddr>,
    now: Timestamp,
) -> Answer<Arc<ApiKey>> {
    if let Some(wait) = from.and_then(|from| api.auth_throttle.wait(from, now)) {
        return Err(too_many(wait));
    }
    let Some(key) = api_key::store::find(&api.table, hash).await?.map(Arc::new) else {
        from.inspect(|from| api.auth_throttle.note(*from, now));
        let detail = "The API key is not known. It may have been deleted.";
        return Err(Problem::new(Code::Unauthorized, detail));
    };
    if key.is_valid(now)
        && let Err(error) = api_key::store::record_use(&api.table, hash, &key, now).await
    {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the use of a key was not recorded");
    }
    api.keys.lock().insert(hash.to_owned(), (now, key.clone()));
    Ok(key)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

fn no_key() -> Problem {
    let detail = "Send an API key with the request: Authorization: Bearer <key>.";
    Problem::new(Code::Unauthorized, detail)
}

fn too_many(wait: SignedDuration) -> Problem {
    let seconds = wait.as_secs().max(0) as u32 + 1;
    let detail = format!("Too many unknown API keys from this address. Wait {seconds} seconds.");
    Problem::new(Code::TooManyRequests, detail).retry_after(seconds)
}

fn not_allowed(scope: Scope, key: &ApiKey) -> Problem {
    let own: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let detail = format!("This needs the scope {scope}; the key has {}.", own.join(", "));
    Problem::new(Code::InsufficientScope, detail)
}

//! Authentication and authorisation of requests by API key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carillon::api_key::{self, ApiKey, Scope};
use carillon::config::Config;
use carillon::ids::KeyId;
use carillon::time::Timestamp;
use http::{HeaderMap, Method, header};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::auth_throttle;
use crate::problem::{Answer, Kind, Problem};
use crate::{Api, App};

/// How long a key is cached. Other processes accept a deleted key until their entry expires.
const CACHE_TTL: SignedDuration = SignedDuration::from_secs(60);

/// The API key of a request, as an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<ApiKey>);

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
            scopes: vec![Scope::Read, Scope::Write, Scope::Admin],
            created_at: Timestamp::UNIX_EPOCH,
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
pub(crate) async fn check(State(api): App, mut request: Request, next: Next) -> Answer<Response> {
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
    let scope = needed(request.method(), request.uri().path());
    if !key.allows(scope) {
        return Err(not_allowed(scope));
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
        return Err(Problem::new(Kind::Unauthorized, detail));
    };
    api.keys.lock().insert(hash.to_owned(), (now, key.clone()));
    Ok(key)
}

/// The scope that a request needs: `admin` for keys and for changes of connections, otherwise
/// `read` for GET and HEAD, and `write` for the other methods.
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

fn too_many(wait: SignedDuration) -> Problem {
    let seconds = wait.as_secs().max(0) as u32 + 1;
    let detail = format!("Too many unknown API keys from this address. Wait {seconds} seconds.");
    Problem::new(Kind::TooManyRequests, detail).retry_after(seconds)
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

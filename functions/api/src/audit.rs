//! The audit log is written here: which key did what with what, one record an hour.
//!
//! A change is recorded before it is made, and a read before its answer leaves: where the record
//! cannot be stored, nothing is changed or shown.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carillon::audit_log::{Act, hour_of, store};
use carillon::time::Timestamp;
use http::{Method, StatusCode, header};

use crate::Api;
use crate::auth::Caller;
use crate::operations::Operations;
use crate::problem::Answer;

/// How many acts of an hour a process remembers, so that it does not store them again.
const MAX_REMEMBERED: usize = 10_000;
/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 200;

/// What a request turned out to be about, as an extension of its answer: of requests that name
/// nothing in their path.
#[derive(Debug, Clone)]
pub(crate) struct Subject(pub(crate) String);

impl Subject {
    /// What a request was about that names nothing in its path: what its answer names, or what it made.
    fn of(response: &Response) -> Option<Self> {
        let named = response.extensions().get::<Self>().cloned();
        let made = || {
            let path = response.headers().get(header::LOCATION)?.to_str().ok()?;
            path.rsplit('/').next().map(|id| Self(id.to_owned()))
        };
        named.or_else(made)
    }
}

/// The acts of this hour that are stored.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<(Timestamp, HashSet<Act>)>);

impl Remembered {
    fn has(&self, act: &Act, now: Timestamp) -> bool {
        let (hour, acts) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *hour == hour_of(now) && acts.contains(act)
    }

    fn add(&self, act: Act, now: Timestamp) {
        let (hour, acts) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *hour != hour_of(now) || acts.len() >= MAX_REMEMBERED {
            *hour = hour_of(now);
            acts.clear();
        }
        acts.insert(act);
    }
}

/// Middleware: records what the key does.
pub(crate) async fn record(
    State((api, operations)): State<(Arc<Api>, Arc<Operations>)>,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let name = operations.find(&request).map(|operation| operation.name.clone());
    let caller = request.extensions().get::<Caller>().cloned();
    let (Some(operation), Some(caller)) = (name, caller) else {
        return Ok(next.run(request).await);
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (mut parts, body) = request.into_parts();
    let names = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
    let subject = names.as_ref().and_then(|names| subject_of(names, is_read));
    let request = Request::from_parts(parts, body);
    let act = Act { key_id: caller.0.id, operation, subject };
    if !is_read {
        note(&api, act.clone(), &caller).await?;
    }
    let response = next.run(request).await;
    match Subject::of(&response) {
        Some(Subject(subject)) if act.subject.is_none() => {
            let noted = note(&api, Act { subject: Some(subject), ..act }, &caller).await;
            // What a change made is made, and the change itself is recorded.
            if response.status() == StatusCode::OK {
                noted?;
            }
        }
        _ if is_read && !response.status().is_client_error() => note(&api, act, &caller).await?,
        _ => {}
    }
    Ok(response)
}

async fn note(api: &Api, act: Act, caller: &Caller) -> Answer<()> {
    let now = api.clock.now();
    if api.audited.has(&act, now) {
        return Ok(());
    }
    let record = act.clone().record(caller.0.name.clone(), now);
    store::add(&api.table, &record).await?;
    api.audited.add(act, now);
    Ok(())
}

/// The ids and names in a path. Whoever puts a phone number or an e-mail address there does not
/// find it stored. A read is recorded once it has shown something: its names exist.
fn subject_of(names: &RawPathParams, is_read: bool) -> Option<String> {
    let is_kept = |(name, value): (&str, &str)| match name {
        "name" => is_read || is_name(value),
        _ => is_id(value),
    };
    let subject = names.iter().map(|(_, value)| value).collect::<Vec<_>>().join("/");
    let is_short = !subject.is_empty() && subject.len() <= MAX_SUBJECT;
    (is_short && names.iter().all(is_kept)).then_some(subject)
}

/// Whether a text is a prefix and a UUID.
fn is_id(text: &str) -> bool {
    text.rsplit_once('_').is_some_and(|(prefix, rest)| {
        prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && uuid::Uuid::try_parse(rest).is_ok()
    })
}

/// Whether a text has the form of a template's or a queue's name, with a letter in it.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_path_differ_from_ids_and_names() {
        assert!(is_id("cmp_01890a5d-ac96-774b-bcce-b302099a8057"));
        assert!(is_id("sup_opted_out_01890a5d-ac96-774b-bcce-b302099a8057"));
        for name in ["spring_offer", "promo_20261122", "sends"] {
            assert!(is_name(name), "{name}");
        }
        for address in ["+573001234567", "573001234567", "300_123_4567", "CO.1349", "a@b.org"] {
            assert!(!is_id(address) && !is_name(address), "{address}");
        }
    }
}

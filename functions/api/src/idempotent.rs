//! `Idempotency-Key`: a POST that is repeated with the same key gets the first one's answer, and
//! nothing is done twice. Only what took effect is remembered: a refused request may be repeated
//! with its key once the reason is gone.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carillon::channel::FieldCode;
use carillon::idempotency::{ANSWER_TTL, StoredAnswer, Verdict, digest, store};
use carillon::time::Timestamp;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::body::{BODY_LIMIT, too_large};
use crate::problem::{Answer, Code, Problem};
use crate::request_id;
use crate::{Api, App};

pub(crate) const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MAX_KEY: usize = 255;
/// The headers that are stored with an answer.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// After how many seconds a client repeats a request that is in progress.
const IN_PROGRESS_RETRY: u32 = 2;
/// An item of the table holds 400 KB.
const MAX_ANSWER: usize = 350 * 1024;

/// Answers a repeated POST as the first one was answered.
pub(crate) async fn replay(State(api): App, request: Request, next: Next) -> Answer<Response> {
    let applies = request.method() == Method::POST && !needs_no_key(&request);
    let key = request.headers().get(KEY).filter(|_| applies);
    let Some(key) = key.cloned() else { return Ok(next.run(request).await) };
    let now = api.clock.now();
    let (asked, request) = identify(&key, request).await?;
    match store::begin(&api.table, &asked, now).await? {
        Verdict::First { repeats } => {
            let mut request = request;
            request.extensions_mut().insert(FirstAskedAt(repeats));
            carry_out(api, asked, request, next, now).await
        }
        Verdict::Replay(answer) => replayed(answer, request.uri().path()),
        Verdict::InProgress => {
            let detail = "The first request with this Idempotency-Key is still in progress.";
            Err(Problem::new(Code::RequestInProgress, detail).retry_after(IN_PROGRESS_RETRY))
        }
        Verdict::Mismatch => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before.",
        )),
    }
}

/// When a request came first that is repeated with its key, because the first one died before its
/// answer. It may have had its effect. None for a first request, and without a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAskedAt(pub(crate) Option<Timestamp>);

impl FromRequestParts<Arc<Api>> for FirstAskedAt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

type Asked = carillon::idempotency::Request;

async fn identify(key: &HeaderValue, request: Request) -> Answer<(Asked, Request)> {
    if !(1..=MAX_KEY).contains(&key.len()) {
        let reason = "must have 1 to 255 characters";
        return Err(Problem::parameter("Idempotency-Key", FieldCode::WrongLength, reason));
    }
    // A key that was rotated or replaced in between repeats the same request.
    let key = digest(&[key.as_bytes()]);
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| too_large())?;
    let fingerprint = digest(&[b"POST", target.as_bytes(), &body]);
    Ok((Asked { key, fingerprint }, Request::from_parts(head, Body::from(body))))
}

/// Requests whose answers are not remembered: an upload is streamed, so its body cannot be
/// compared with another's; reads and previews have no effect; and answers about contacts name
/// people, so they must not be kept, and a repetition changes nothing.
fn needs_no_key(request: &Request) -> bool {
    !remembers(request.uri().path())
}

/// Whether the answers of a POST to this path are remembered.
pub(crate) fn remembers(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    !matches!(last, "recipients" | "media" | "search" | "preview" | "validate" | "suppressions")
        && !path.starts_with("/v1/contacts")
}

/// Carries a request out to its end, even when the client goes away meanwhile.
async fn carry_out(
    api: Arc<Api>,
    asked: Asked,
    request: Request,
    next: Next,
    now: Timestamp,
) -> Answer<Response> {
    let path = request.uri().path();
    // The message id of a test send contains the phone number.
    let has_secret = matches!(path, "/v1/keys" | "/v1/connections")
        || (path.contains("/recipients/") && !path.ends_with("/bulk"))
        || path.ends_with("/rotate")
        || path.ends_with("/test");
    let work = request_id::spawn(async move {
        let response = next.run(request).await;
        remember(&api, &asked, response, has_secret, now).await
    });
    work.await.map_err(Problem::internal)?
}

async fn remember(
    api: &Api,
    asked: &Asked,
    response: Response,
    has_secret: bool,
    now: Timestamp,
) -> Answer<Response> {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
    let noted = if head.status.is_success() {
        let keep = body.len() <= MAX_ANSWER && !has_secret;
        let kept = KEPT_HEADERS.into_iter().filter_map(|name| {
            let value = head.headers.get(&name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let answer = StoredAnswer {
            fingerprint: asked.fingerprint.clone(),
            status: Some(head.status.as_u16()),
            headers: kept.collect(),
            body: keep.then(|| String::from_utf8_lossy(&body).into_owned()),
            began_at: now,
            expires_at: (now + ANSWER_TTL).as_second(),
        };
        store::finish(&api.table, asked, &answer).await
    } else {
        store::forget(&api.table, asked).await
    };
    if let Err(error) = noted {
        // What was done is done, and this answer says so.
        tracing::error!(error = &error as &dyn std::error::Error, "an answer was not remembered");
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replayed(answer: StoredAnswer, path: &str) -> Answer<Response> {
    let Some(body) = answer.body else {
        let made = answer.headers.get(header::LOCATION.as_str()).map_or_else(
            || path.rsplit_once('/').map_or(path, |(resource, _)| resource).to_owned(),
            Clone::clone,
        );
        let detail = format!(
            "This request was carried out before. Its answer is not stored, because it has a secret or a person in it, or is too long; see GET {made} for what it did."
        );
        return Err(Problem::new(Code::AnswerNotKept, detail));
    };
    let status = answer.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), body).into_response();
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for name in KEPT_HEADERS {
        let kept = answer.headers.get(name.as_str());
        if let Some(value) = kept.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

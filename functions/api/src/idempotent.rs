//! `Idempotency-Key`: a POST that is repeated with the same key gets the first
//! one's answer, and nothing is done twice.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carillon::idempotency::{ANSWER_TTL, StoredAnswer, Verdict, digest, store};
use carillon::time::Timestamp;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::auth::Caller;
use crate::body::{BODY_LIMIT, too_large};
use crate::problem::{Answer, Kind, Problem};
use crate::{Api, App};

pub(crate) const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MAX_KEY: usize = 255;
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
        Verdict::First => carry_out(api, asked, request, next, now).await,
        Verdict::Replay(answer) => replayed(answer, request.uri().path()),
        Verdict::InProgress => Err(Problem::conflict(
            "The first request with this Idempotency-Key is still being carried out. Try again in a moment.",
        )),
        Verdict::Mismatch => Err(Problem::new(
            Kind::KeyReused,
            "This Idempotency-Key came with another request before. Use a new key for each request.",
        )),
    }
}

type Asked = carillon::idempotency::Request;

async fn identify(key: &HeaderValue, request: Request) -> Answer<(Asked, Request)> {
    if !(1..=MAX_KEY).contains(&key.len()) {
        return Err(Problem::field("Idempotency-Key", "must have 1 to 255 characters"));
    }
    let caller = request.extensions().get::<Caller>().map(|caller| caller.0.id.to_string());
    let key = digest(&[caller.unwrap_or_default().as_bytes(), key.as_bytes()]);
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| too_large())?;
    let fingerprint = digest(&[b"POST", target.as_bytes(), &body]);
    Ok((Asked { key, fingerprint }, Request::from_parts(head, Body::from(body))))
}

/// An upload is streamed, so its body can't be compared with another's; and it
/// needs no key, because to upload the same again changes nothing, or only makes a second
/// file.
///
/// Nor do requests about contacts: what they do a second time changes nothing, and their
/// answers, which name people, must not be kept.
fn needs_no_key(request: &Request) -> bool {
    let path = request.uri().path();
    path.ends_with("/recipients") || path == "/v1/media" || path.starts_with("/v1/contacts")
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
    let has_secret = matches!(path, "/v1/keys" | "/v1/connections") || path.ends_with("/test");
    let work = tokio::spawn(async move {
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
    let noted = if head.status.is_server_error() {
        store::forget(&api.table, asked).await
    } else {
        let content_type = head.headers.get(header::CONTENT_TYPE);
        let keep = body.len() <= MAX_ANSWER && !(has_secret && head.status.is_success());
        let answer = StoredAnswer {
            fingerprint: asked.fingerprint.clone(),
            status: Some(head.status.as_u16()),
            content_type: content_type.and_then(|kind| kind.to_str().ok()).map(str::to_owned),
            body: keep.then(|| String::from_utf8_lossy(&body).into_owned()),
            began_at: now,
            expires_at: (now + ANSWER_TTL).as_second(),
        };
        store::finish(&api.table, asked, &answer).await
    };
    if let Err(error) = noted {
        // What was done is done, and this answer says so.
        tracing::error!(error = &error as &dyn std::error::Error, "an answer was not remembered");
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replayed(answer: StoredAnswer, path: &str) -> Answer<Response> {
    let Some(body) = answer.body else {
        return Err(Problem::conflict(format!(
            "This request was carried out before. Its answer is not kept, because it held a secret or was too long; see GET {path} for what it made."
        )));
    };
    let status = answer.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), body).into_response();
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(kind) = answer.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

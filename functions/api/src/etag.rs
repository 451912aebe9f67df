//! Entity tags (RFC 9110): a client that changes what it has read says which version it read,
//! and is refused where somebody else has changed it since.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::{Answer, Code, Problem};

/// A resource that has an entity tag.
pub(crate) trait Resource: Serialize {
    /// What can be changed of it: settings and state, not progress or counts.
    fn tagged(&self) -> impl Serialize;

    /// Its entity tag.
    fn etag(&self) -> String {
        let json = serde_json::to_vec(&self.tagged()).unwrap_or_default();
        let digest = Sha256::digest(&json);
        format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
    }
}

/// An answer with a resource and its entity tag.
#[derive(Debug)]
pub(crate) struct Tagged<T>(pub(crate) T);

impl<T: Resource> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let etag = self.0.etag();
        let mut response = Json(self.0).into_response();
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// The header `If-Match` of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct IfMatch(Option<Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(tags(&parts.headers, header::IF_MATCH)))
    }
}

impl IfMatch {
    /// Refuses where the resource is not in the state that the client has read.
    pub(crate) fn check(&self, current: &impl Resource) -> Answer<()> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let etag = current.etag();
        if tags.iter().any(|tag| tag == "*" || *tag == etag) {
            return Ok(());
        }
        let detail = "The If-Match names another version than the current one.";
        Err(Problem::new(Code::PreconditionFailed, detail).with_current(current))
    }
}

/// The tags of a header; none where it is absent. Proxies mark tags of compressed answers as
/// weak: they are compared without the mark.
fn tags(headers: &HeaderMap, name: header::HeaderName) -> Option<Vec<String>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(',')).map(str::trim);
    Some(tags.map(|tag| tag.trim_start_matches("W/").to_owned()).collect())
}

/// Middleware: answers 304 to a GET whose client has the current version.
pub(crate) async fn not_modified(request: Request, next: Next) -> Response {
    let known = match *request.method() {
        Method::GET | Method::HEAD => tags(request.headers(), header::IF_NONE_MATCH),
        _ => None,
    };
    let response = next.run(request).await;
    let (Some(known), Some(etag)) = (known, response.headers().get(header::ETAG)) else {
        return response;
    };
    let is_known = known.iter().any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes());
    if !is_known || !response.status().is_success() {
        return response;
    }
    let (mut head, _) = response.into_parts();
    head.status = StatusCode::NOT_MODIFIED;
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE] {
        head.headers.remove(name);
    }
    Response::from_parts(head, Body::empty())
}

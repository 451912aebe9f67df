//! What a request brings: its JSON body, its query, the names in its path.
//! What can't be read says where.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use carillon::ids::IdError;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::problem::{Answer, Kind, Problem};

/// The largest JSON body, in bytes; uploads of recipients have their own limit.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "Send JSON with the header Content-Type: application/json.";
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = media_type(headers).unwrap_or_default();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The content type without its parameters, in small letters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

pub(crate) fn too_large() -> Problem {
    let detail = format!("A JSON body may have {} KiB at most.", BODY_LIMIT / 1024);
    Problem::new(Kind::TooLarge, detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        let detail = format!("The body is not valid JSON: {error}.");
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body" } else { &path };
        Problem::field(field, format!("does not fit: {}", error.inner()))
    })
}

/// The query of a request's address.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Problem::new(Kind::Malformed, format!("{}.", error.body_text()))),
        }
    }
}

/// The name in a request's path, as text.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::not_found("thing"))
    }
}

/// The id in a request's path. A text that is no id names nothing.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr<Err = IdError>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Named(text) = Named::from_request_parts(parts, state).await?;
        parse_id(&text).map(Self)
    }
}

/// The id in a request's path and the name after it.
#[derive(Debug)]
pub(crate) struct Within<T>(pub(crate) T, pub(crate) String);

impl<T: FromStr<Err = IdError>, S: Send + Sync> FromRequestParts<S> for Within<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        let Path((id, name)): Path<(String, String)> =
            path.map_err(|_| Problem::not_found("thing"))?;
        Ok(Self(parse_id(&id)?, name))
    }
}

fn parse_id<T: FromStr<Err = IdError>>(text: &str) -> Answer<T> {
    text.parse().map_err(|error: IdError| {
        Problem::new(Kind::NotFound, format!("There is nothing with that id: {error}."))
    })
}

/// A cursor: opaque text that says where a page ended.
pub(crate) mod cursor {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::{Answer, DeserializeOwned, Problem, Serialize};

    /// Writes a place as a cursor.
    pub(crate) fn write(place: &impl Serialize) -> Option<String> {
        serde_json::to_vec(place).ok().map(|json| BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads a cursor back.
    pub(crate) fn read<T: DeserializeOwned>(text: Option<&str>) -> Answer<Option<T>> {
        let parse = |text: &str| {
            let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice(&json).ok()
        };
        text.filter(|text| !text.is_empty()).map(|text| parse(text).ok_or_else(unknown)).transpose()
    }

    /// A cursor that this list never gave.
    pub(crate) fn unknown() -> Problem {
        Problem::field("cursor", "is not one that this list gave; leave it out to start anew")
    }
}

/// How many a page may have; 50 when nothing is said.
pub(crate) fn page_size(limit: Option<u32>) -> Answer<u32> {
    match limit.unwrap_or(50) {
        limit @ 1..=500 => Ok(limit),
        _ => Err(Problem::field("limit", "must be from 1 to 500")),
    }
}

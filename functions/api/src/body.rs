//! What a request brings: its JSON body, its query, the ids in its path. What does not fit is
//! named, all at once.

use std::collections::BTreeSet;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use carillon::channel::{FieldCode, FieldProblem, read_json};
use carillon::ids::IdError;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::cursor::Cursors;
use crate::problem::{Answer, Code, Problem};
use crate::storable;

/// The largest JSON body, in bytes; uploads of recipients have their own limit.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + PartialSchema, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBody(value) = JsonBody::from_request(request, state).await?;
        read_body(&value).map(Self).map_err(Problem::fields)
    }
}

/// A JSON body that may be left out: then all its members are absent.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + PartialSchema, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_typed = request.headers().contains_key(header::CONTENT_TYPE);
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| too_large())?;
        if bytes.is_empty() && (!is_typed || is_json(&parts.headers)) {
            let empty = Value::Object(serde_json::Map::new());
            return read_body(&empty).map(Self).map_err(Problem::fields);
        }
        let request = Request::from_parts(parts, axum::body::Body::from(bytes));
        Body::from_request(request, state).await.map(|Body(body)| Self(body))
    }
}

/// A body without members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoMembers {}

/// Any JSON value: a JSON Merge Patch, or a document that a provider reads.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "Send JSON with the header Content-Type: application/json.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        let body = serde_json::from_slice(&bytes).map_err(|error| {
            let detail = format!("The body is not valid JSON: {error}.");
            Problem::new(Code::MalformedRequest, detail)
        })?;
        match storable::problems(&body) {
            problems if problems.is_empty() => Ok(Self(body)),
            problems => Err(Problem::fields(problems)),
        }
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
    Problem::new(Code::TooLarge, detail)
}

/// Reads a body as a type, and reports all members that are missing or do not fit.
pub(crate) fn read_body<T: DeserializeOwned + PartialSchema>(
    value: &Value,
) -> Result<T, Vec<FieldProblem>> {
    read_json(value).map_err(|mut found| {
        if let Value::Object(given) = value {
            for name in objects::<T>().into_iter().flat_map(|object| object.required) {
                let is_new = !found.iter().any(|problem| problem.is_at_or_under(&name));
                if is_new && !given.contains_key(&name) {
                    found.push(FieldProblem::new(name, FieldCode::Required, "is missing"));
                }
            }
        }
        found
    })
}

/// The members of a type's JSON object.
pub(crate) fn members<T: PartialSchema>() -> BTreeSet<String> {
    objects::<T>().into_iter().flat_map(|object| object.properties.into_keys()).collect()
}

/// The objects of which a type's schema is made.
fn objects<T: PartialSchema>() -> Vec<Object> {
    let object = |schema| match schema {
        RefOr::T(Schema::Object(object)) => Some(object),
        RefOr::T(_) | RefOr::Ref(_) => None,
    };
    match T::schema() {
        RefOr::T(Schema::AllOf(all)) => all.items.into_iter().filter_map(object).collect(),
        schema => object(schema).into_iter().collect(),
    }
}

/// The query of a request's address. A filter that is repeated means any of its values.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_html_form::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let text = error.inner().to_string();
            let path = error.path().to_string();
            let name = path.split(['.', '[']).next().unwrap_or_default();
            let (name, code) = match text.strip_prefix("missing field `") {
                Some(rest) => (rest.trim_end_matches('`'), FieldCode::Required),
                None => (name, FieldCode::Invalid),
            };
            Problem::parameter(name, code, format!("does not fit: {text}"))
        })
    }
}

/// The name in a request's path, as text.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::not_found("resource"))
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

/// The two ids in a request's path.
#[derive(Debug)]
pub(crate) struct Within<T, U>(pub(crate) T, pub(crate) U);

impl<T, U, S> FromRequestParts<S> for Within<T, U>
where
    T: FromStr<Err = IdError>,
    U: FromStr<Err = IdError>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        let Path((outer, inner)): Path<(String, String)> =
            path.map_err(|_| Problem::not_found("resource"))?;
        Ok(Self(parse_id(&outer)?, parse_id(&inner)?))
    }
}

fn parse_id<T: FromStr<Err = IdError>>(text: &str) -> Answer<T> {
    text.parse().map_err(|error: IdError| {
        Problem::new(Code::NotFound, format!("There is nothing with that id: {error}."))
    })
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A page of a short list that is sorted by `key`, and the cursor of the next one.
pub(crate) fn page_of<T, K: Ord + Serialize + DeserializeOwned>(
    cursors: &Cursors,
    mut all: Vec<T>,
    asked: &PageAsked,
    key: impl Fn(&T) -> K,
) -> Answer<(Vec<T>, Option<String>)> {
    let limit = page_size(asked.limit)? as usize;
    let after: Option<K> = cursors.read(asked.cursor.as_deref())?;
    all.sort_by_key(&key);
    all.retain(|one| after.as_ref().is_none_or(|after| key(one) > *after));
    let has_more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| has_more).and_then(|last| cursors.write(&key(last)));
    Ok((all, next))
}

/// How many a page may have; 50 when nothing is said.
pub(crate) fn page_size(limit: Option<u32>) -> Answer<u32> {
    match limit.unwrap_or(50) {
        limit @ 1..=500 => Ok(limit),
        _ => Err(Problem::parameter("limit", FieldCode::OutOfRange, "must be from 1 to 500")),
    }
}

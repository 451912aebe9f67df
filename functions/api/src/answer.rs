//! Answers of several operations.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::etag::{Resource, Tagged};

/// A resource that was made: its address and what it is.
#[derive(Debug)]
pub(crate) struct Created<T>(pub(crate) String, pub(crate) T);

impl<T: Resource> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let Self(path, resource) = self;
        let mut response = (StatusCode::CREATED, Tagged(resource)).into_response();
        if let Ok(path) = HeaderValue::from_str(&path) {
            response.headers_mut().insert(header::LOCATION, path);
        }
        response
    }
}

use reqwest::Method;
use serde_json::Value;

use super::path::ApiPath;

/// A request of the API.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) path: ApiPath,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) if_match: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Empty,
    Json(Value),
    File { content_type: String, content: Vec<u8> },
}

impl Request {
    pub(crate) fn new(method: Method, path: &ApiPath) -> Self {
        Self { method, path: path.clone(), query: Vec::new(), body: Body::Empty, if_match: None }
    }

    pub(crate) fn get(path: &ApiPath) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &ApiPath) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn patch(path: &ApiPath, changes: Value) -> Self {
        Self::new(Method::PATCH, path).json(changes)
    }

    pub(crate) fn delete(path: &ApiPath) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    pub(crate) fn file(self, content_type: &str, content: Vec<u8>) -> Self {
        Self { body: Body::File { content_type: content_type.to_owned(), content }, ..self }
    }

    /// Adds a parameter for each value: none, one or several.
    pub(crate) fn query(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = impl ToString>,
    ) -> Self {
        self.query.extend(values.into_iter().map(|value| (name.to_owned(), value.to_string())));
        self
    }

    /// The request takes effect only where the resource still has this entity tag.
    pub(crate) fn if_match(self, etag: Option<String>) -> Self {
        Self { if_match: etag, ..self }
    }
}

//! The HTTP client of Carillon's own API.

use std::time::Duration;

use carillon::ids::IdSource;
use carillon::time::Clock;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may keep silent: the import of a large piece takes a while.
const SILENCE: Duration = Duration::from_mins(2);
/// How many items are asked for at a time.
const PAGE: u32 = 100;

/// Speaks to one Carillon.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: SecretString,
    ids: IdSource,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address can't be one.
    #[error("{0:?} is not an address like http://127.0.0.1:8080")]
    Address(String),
    /// The client can't be set up.
    #[error("the HTTP client can't be set up")]
    Setup(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("no answer from {url} (`carillon serve` starts Carillon on this machine)")]
    Unreachable { url: String, source: reqwest::Error },
    /// The request was refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer is not Carillon's.
    #[error("{url} gave an answer that is not Carillon's (HTTP {status})")]
    Unreadable { url: String, status: StatusCode },
}

/// A problem as the API tells it (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Value>,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Client {
    /// A client of the Carillon at `url`. Proxies are for other machines.
    pub(crate) fn new(url: &str, key: SecretString) -> Result<Self, ClientError> {
        let parsed = Url::parse(url).ok().filter(|url| url.scheme().starts_with("http"));
        let host = parsed.as_ref().and_then(Url::host_str);
        let host = host.ok_or_else(|| ClientError::Address(url.to_owned()))?;
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        if is_loopback(host) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Setup)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, key, ids: IdSource::random() })
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.request(Method::GET, path)).await
    }

    /// Reads a whole list, page by page.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let request = self.request(Method::GET, path).query(&[("limit", PAGE)]);
            let request = match &cursor {
                Some(cursor) => request.query(&[("cursor", cursor)]),
                None => request,
            };
            let page: Page = self.read(request).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Makes or does something, once.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path).header("idempotency-key", self.fresh_key());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.read(request).await
    }

    /// Puts something in place.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.request(Method::PUT, path)).await
    }

    /// Takes something away.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.request(Method::DELETE, path)).await
    }

    /// Uploads CSV.
    pub(crate) async fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        csv: Vec<u8>,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path).header("content-type", "text/csv").body(csv);
        self.read(request).await
    }

    /// Reads something long, to be taken piece by piece.
    pub(crate) async fn download(&self, path: &str) -> Result<Download, ClientError> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        Ok(Download { answer, url: self.url.clone() })
    }

    /// A key that names one request.
    fn fresh_key(&self) -> String {
        self.ids.uuid(Clock::system().now()).to_string()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.key.expose_secret())
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let answer = self.send(request).await?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|source| self.unreachable(source))?;
        // An empty answer, as 204 has, reads as null.
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|_| self.unreadable(status))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = answer.bytes().await.map_err(|source| self.unreachable(source))?;
        let problem = serde_json::from_slice::<Problem>(&bytes).ok();
        Err(match problem.filter(|problem| !problem.title.is_empty()) {
            Some(problem) => {
                ClientError::Refused(Box::new(Problem { status: status.as_u16(), ..problem }))
            }
            None => self.unreadable(status),
        })
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), source: source.without_url() }
    }

    fn unreadable(&self, status: StatusCode) -> ClientError {
        ClientError::Unreadable { url: self.url.clone(), status }
    }
}

/// A long answer under way.
#[derive(Debug)]
pub(crate) struct Download {
    answer: Response,
    url: String,
}

impl Download {
    /// The next piece; none at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let piece = self.answer.chunk().await.map_err(|source| ClientError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        })?;
        Ok(piece.map(Into::into))
    }
}

impl ClientError {
    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            Self::Unreadable { status, .. } => status.is_server_error(),
            Self::Address(_) | Self::Setup(_) => false,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title)?;
        // The detail of a problem with a list says the same in a row.
        let detail = self.detail.as_deref().filter(|_| self.errors.is_empty());
        detail.map_or(Ok(()), |detail| write!(f, ": {detail}"))?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  - {}", in_words(error)))
    }
}

/// One item of a problem's `errors` in a line.
fn in_words(error: &Value) -> String {
    let Some(fields) = error.as_object() else {
        return plain(error);
    };
    let place = fields.get("field").or_else(|| fields.get("variable")).map(plain);
    let reason = fields.get("reason").map(plain);
    match (place, reason) {
        (Some(place), Some(reason)) => format!("{place}: {reason}"),
        _ => fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether an address is this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_in_plain_words() {
        let problem: Problem = serde_json::from_value(json!({
            "status": 422, "title": "Not valid", "detail": "priority must be from 1 to 10.",
            "errors": [{"field": "priority", "reason": "must be from 1 to 10"}]
        }))
        .unwrap();
        assert_eq!(problem.to_string(), "Not valid\n  - priority: must be from 1 to 10");
        let problem: Problem =
            serde_json::from_value(json!({"title": "Not possible", "detail": "It is over."}))
                .unwrap();
        assert_eq!(problem.to_string(), "Not possible: It is over.");
    }

    #[test]
    fn an_address_is_checked() {
        for (url, good) in
            [("http://127.0.0.1:8080/", true), ("127.0.0.1:8080", false), ("ftp://x", false)]
        {
            assert_eq!(Client::new(url, "key".into()).is_ok(), good, "{url}");
        }
        assert!(is_loopback("[::1]") && is_loopback("localhost") && !is_loopback("10.0.0.1"));
    }
}

//! The client of Carillon's HTTP API.

mod error;
mod problem;

use std::net::IpAddr;
use std::time::Duration;

use carillon::http_client::install_tls_provider;
use carillon::ids::IdSource;
use carillon::time::Clock;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use error::ClientError;
use problem::Problem;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause within a response. The import of a large chunk takes a while.
const READ_TIMEOUT: Duration = Duration::from_mins(2);
/// Items of a list requested at a time.
const PAGE_SIZE: u32 = 100;

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    key: SecretString,
    ids: IdSource,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Client {
    /// A client of the API at `base_url`. It uses the environment's proxy unless the
    /// host is this machine.
    pub(crate) fn new(base_url: &str, key: SecretString) -> Result<Self, ClientError> {
        let parsed = Url::parse(base_url).ok().filter(|url| url.scheme().starts_with("http"));
        let host = parsed.as_ref().and_then(Url::host_str);
        let host = host.ok_or_else(|| ClientError::InvalidUrl(base_url.to_owned()))?;
        install_tls_provider();
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        if is_loopback(host) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Setup)?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { http, base_url, key, ids: IdSource::random() })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.fetch(self.request(Method::GET, path)).await
    }

    /// Reads all pages of a list.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let request = self.request(Method::GET, path).query(&[("limit", PAGE_SIZE)]);
            let request = match &cursor {
                Some(cursor) => request.query(&[("cursor", cursor)]),
                None => request,
            };
            let page: Page = self.fetch(request).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Sends a POST request with a new idempotency key.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let key = self.ids.uuid(Clock::system().now()).to_string();
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.fetch(request).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.fetch(self.request(Method::PUT, path)).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.fetch(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        csv: Vec<u8>,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path).header("content-type", "text/csv").body(csv);
        self.fetch(request).await
    }

    /// Starts a download, which is then read in chunks.
    pub(crate) async fn download(&self, path: &str) -> Result<Download, ClientError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        Ok(Download { response, base_url: self.base_url.clone() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .bearer_auth(self.key.expose_secret())
    }

    async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|source| self.unreachable(source))?;
        // An empty body, as of a 204 response, is read as null.
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|_| self.unexpected(status))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(|source| self.unreachable(source))?;
        let problem = serde_json::from_slice::<Problem>(&bytes).ok();
        Err(match problem.filter(|problem| !problem.title.is_empty()) {
            Some(problem) => {
                ClientError::Refused(Box::new(Problem { status: status.as_u16(), ..problem }))
            }
            None => self.unexpected(status),
        })
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.base_url.clone(), source: source.without_url() }
    }

    fn unexpected(&self, status: StatusCode) -> ClientError {
        ClientError::UnexpectedResponse { url: self.base_url.clone(), status }
    }
}

/// A response body that is read in chunks.
#[derive(Debug)]
pub(crate) struct Download {
    response: Response,
    base_url: String,
}

impl Download {
    /// Reads the next chunk; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let chunk = self.response.chunk().await.map_err(|source| ClientError::Unreachable {
            url: self.base_url.clone(),
            source: source.without_url(),
        })?;
        Ok(chunk.map(Into::into))
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_http_url_is_accepted() {
        for (url, valid) in
            [("http://127.0.0.1:8080/", true), ("127.0.0.1:8080", false), ("ftp://x", false)]
        {
            assert_eq!(Client::new(url, "key".into()).is_ok(), valid, "{url}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised() {
        assert!(is_loopback("[::1]") && is_loopback("localhost") && !is_loopback("10.0.0.1"));
    }
}

//! The client of Carillon's HTTP API.

mod answer;
mod error;
mod path;
mod problem;
mod request;
mod retry;

use std::net::IpAddr;
use std::time::Duration;

use carillon::http_client::install_tls_provider;
use carillon::ids::IdSource;
use carillon::time::Clock;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use answer::{Answer, List};
pub(crate) use error::ClientError;
pub(crate) use path::{ApiPath, Segment};
use problem::Problem;
use request::Body;
pub(crate) use request::Request;
use retry::Retries;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause within a response. The import of a large chunk takes a while.
const READ_TIMEOUT: Duration = Duration::from_mins(2);
/// Items of a list requested at a time.
const PAGE_SIZE: usize = 100;

/// Sends requests to one address with the key that belongs to it. It follows no redirect.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    key: SecretString,
    ids: IdSource,
}

impl Client {
    /// A client of the API at `base_url`. It uses the environment's proxy unless the
    /// host is this machine.
    pub(crate) fn new(base_url: &str, key: SecretString) -> Result<Self, ClientError> {
        let parsed = Url::parse(base_url).ok().filter(|url| url.scheme().starts_with("http"));
        let host = parsed.as_ref().and_then(Url::host_str);
        let is_plain = |url: &Url| {
            url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let host = host.filter(|_| parsed.as_ref().is_some_and(is_plain));
        let host = host.ok_or_else(|| ClientError::InvalidUrl(without_secrets(base_url)))?;
        install_tls_provider();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::none());
        if is_loopback(host) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Setup)?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { http, base_url, key, ids: IdSource::random() })
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends a request, and again where that is safe and may help. A POST request has an
    /// idempotency key, so that its repetition has no second effect.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, ClientError> {
        let key = (request.method == Method::POST)
            .then(|| self.ids.uuid(Clock::system().now()).to_string());
        let mut retries = Retries::of(&request.method);
        loop {
            match self.attempt(request, key.as_deref()).await {
                Err(error) => retries.pause_after(error).await?,
                answer => return answer,
            }
        }
    }

    /// Sends a request once.
    pub(crate) async fn send_once(&self, request: &Request) -> Result<Answer, ClientError> {
        self.attempt(request, None).await
    }

    /// Reads the pages of a list: all, or until `limit` items are read.
    pub(crate) async fn list(
        &self,
        request: &Request,
        limit: Option<usize>,
    ) -> Result<List, ClientError> {
        let mut list: Option<List> = None;
        loop {
            let read = list.as_ref().map_or(0, List::len);
            let size = limit.map_or(PAGE_SIZE, |limit| PAGE_SIZE.min(limit - read));
            let cursor = list.as_ref().and_then(List::next_cursor);
            let page = request.clone().query("limit", [size]).query("cursor", cursor);
            let page: List = self.fetch(&page).await?;
            match &mut list {
                Some(list) => list.extend(page),
                None => list = Some(page),
            }
            if let Some(list) = list.take_if(|list| {
                list.next_cursor.is_none() || limit.is_some_and(|limit| list.len() >= limit)
            }) {
                return Ok(list);
            }
        }
    }

    /// Sends a request and reads the answer's body as a type.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<T, ClientError> {
        self.send(request).await?.parse().map_err(|_| self.unexpected(StatusCode::OK))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &ApiPath) -> Result<T, ClientError> {
        self.fetch(&Request::get(path)).await
    }

    pub(crate) async fn post(&self, path: &ApiPath, body: Value) -> Result<Value, ClientError> {
        self.fetch(&Request::post(path).json(body)).await
    }

    /// Uploads a part of a CSV file, once.
    pub(crate) async fn post_csv<T: DeserializeOwned>(
        &self,
        request: &Request,
        csv: Vec<u8>,
    ) -> Result<T, ClientError> {
        let answer = self.send_once(&request.clone().file("text/csv", csv)).await?;
        answer.parse().map_err(|_| self.unexpected(StatusCode::OK))
    }

    /// Starts a download, which is then read in chunks.
    pub(crate) async fn download(&self, path: &ApiPath) -> Result<Download, ClientError> {
        let response = self.response(self.build(&Request::get(path))).await?;
        Ok(Download { response, base_url: self.base_url.clone() })
    }

    async fn attempt(&self, request: &Request, key: Option<&str>) -> Result<Answer, ClientError> {
        let mut builder = self.build(request);
        if let Some(key) = key {
            builder = builder.header("idempotency-key", key);
        }
        let response = self.response(builder).await?;
        let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.map(str::to_owned);
        let text = response.text().await.map_err(|source| self.unreachable(source))?;
        Ok(Answer { etag, text })
    }

    fn build(&self, request: &Request) -> RequestBuilder {
        let url = format!("{}{}", self.base_url, request.path.as_str());
        let mut builder =
            self.http.request(request.method.clone(), url).bearer_auth(self.key.expose_secret());
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(etag) = &request.if_match {
            builder = builder.header(header::IF_MATCH, etag);
        }
        match &request.body {
            Body::Empty => builder,
            Body::Json(value) => builder.json(value),
            Body::File { content_type, content } => {
                builder.header(header::CONTENT_TYPE, content_type).body(content.clone())
            }
        }
    }

    /// Sends a request. A response without success is an error.
    async fn response(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = retry::retry_after(response.headers());
        let text = response.text().await.map_err(|source| self.unreachable(source))?;
        Err(match Problem::read(&text, status.as_u16(), retry_after) {
            Some(problem) => ClientError::Refused(Box::new(problem)),
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

/// A wrong address as an error may show it: a password may stand before the `@`.
fn without_secrets(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
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
        for (url, valid) in [
            ("http://127.0.0.1:8080/", true),
            ("127.0.0.1:8080", false),
            ("ftp://x", false),
            ("http://a:b@x", false),
            ("http://x?y", false),
        ] {
            assert_eq!(Client::new(url, "key".into()).is_ok(), valid, "{url}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised() {
        assert!(is_loopback("[::1]") && is_loopback("localhost") && !is_loopback("10.0.0.1"));
    }
}

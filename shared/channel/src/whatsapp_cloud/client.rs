//! The HTTP client of the Cloud API.

use std::fmt;
use std::io;
use std::time::Duration;

use carillon_foundations::http_client::HttpClient;
use futures::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response, multipart};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::answers;
use super::outbound::request_body;
use super::probe;
use super::retry_after;
use super::template_list::TemplatePage;
use crate::content::FieldProblem;
use crate::media_files::MediaFile;
use crate::{Outbound, Outcome, Probe, Refusal, Verdict};

/// Meta's Graph API.
pub const GRAPH_URL: &str = "https://graph.facebook.com";
/// The version of the Graph API that this folder is written for.
pub const GRAPH_VERSION: &str = "v26.0";

/// One number of the Cloud API, with the token to use it.
#[derive(Clone)]
pub struct CloudApi {
    http: HttpClient,
    base: String,
    phone_number_id: String,
    token: SecretString,
}

/// Why a request other than a send has no result. For sends see [`Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum CloudApiError {
    /// It could not be reached, or the connection broke.
    #[error("the Cloud API could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It refused the request.
    #[error("the Cloud API refused: {0}")]
    Refused(Refusal),
    /// Its answer is not valid JSON or lacks a member.
    #[error("the Cloud API's answer can't be read")]
    Unreadable,
}

impl CloudApi {
    /// A number at `graph_url` ([`GRAPH_URL`], or a simulator's) and `version`
    /// ([`GRAPH_VERSION`]).
    pub fn new(
        http: &HttpClient,
        graph_url: &str,
        version: &str,
        phone_number_id: &str,
        token: SecretString,
    ) -> Self {
        let base = format!("{}/{version}", graph_url.trim_end_matches('/'));
        let phone_number_id = encoded(phone_number_id);
        Self { http: http.clone(), base, phone_number_id, token }
    }

    /// Asks Meta for the health and the limits of the number.
    pub async fn probe(&self) -> Result<Probe, CloudApiError> {
        let url = format!("{}/{}?fields={}", self.base, self.phone_number_id, probe::FIELDS);
        Ok(probe::read(&self.ask(self.http.as_reqwest().get(url)).await?))
    }

    /// A page of the account's templates. The first one comes without `after`,
    /// the next with [`TemplatePage::next`].
    pub async fn templates(
        &self,
        waba_id: &str,
        after: Option<&str>,
    ) -> Result<TemplatePage, CloudApiError> {
        let fields = TemplatePage::FIELDS;
        let account = encoded(waba_id);
        let mut url =
            format!("{}/{account}/message_templates?fields={fields}&limit=100", self.base);
        if let Some(cursor) = after {
            url = format!("{url}&after={}", encoded(cursor));
        }
        Ok(TemplatePage::read(&self.ask(self.http.as_reqwest().get(url)).await?))
    }

    /// Uploads a file and returns its id, which is valid for this number, for 30 days.
    pub async fn upload_media(&self, file: MediaFile) -> Result<String, CloudApiError> {
        let MediaFile { mime_type, bytes, content } = file;
        let content = reqwest::Body::wrap_stream(content);
        let part = multipart::Part::stream_with_length(content, bytes).file_name("file");
        let form = multipart::Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", mime_type.clone())
            .part("file", part.mime_str(&mime_type).map_err(unreachable)?);
        let url = format!("{}/{}/media", self.base, self.phone_number_id);
        let request = self.http.as_reqwest().post(url).multipart(form);
        let answer = self.ask(request.timeout(transfer_timeout(bytes))).await?;
        answer["id"].as_str().map(str::to_owned).ok_or(CloudApiError::Unreadable)
    }

    /// Downloads a file that was uploaded for this number.
    pub async fn download_media(&self, id: &str) -> Result<MediaFile, CloudApiError> {
        let (id, number) = (encoded(id), &self.phone_number_id);
        let url = format!("{}/{id}?phone_number_id={number}", self.base);
        let info = self.ask(self.http.as_reqwest().get(url)).await?;
        let url = info["url"].as_str().filter(|url| self.may_read_from(url));
        let url = url.ok_or(CloudApiError::Unreadable)?;
        // Meta's examples have the size as a text.
        let size = &info["file_size"];
        let size = size.as_u64().or_else(|| size.as_str()?.parse().ok());
        let timeout = transfer_timeout(size.unwrap_or_default());
        let request = self.http.as_reqwest().get(url).timeout(timeout);
        let response = self.authorized(request).send().await.map_err(unreachable)?;
        let (status, wait) = head(&response);
        if !(200..300).contains(&status) {
            let body = response.bytes().await.map_err(unreachable)?;
            return Err(CloudApiError::Refused(answers::parse_error(status, &body, wait)));
        }
        Ok(MediaFile {
            mime_type: info["mime_type"].as_str().unwrap_or_default().to_owned(),
            bytes: response.content_length().or(size).ok_or(CloudApiError::Unreadable)?,
            content: response.bytes_stream().map_err(io::Error::other).boxed(),
        })
    }

    /// Whether the token may be sent to an address that Meta's answer names: not without TLS,
    /// unless the API itself is reached without it, as a simulator is.
    fn may_read_from(&self, url: &str) -> bool {
        url.starts_with("https://") || self.base.starts_with("http://")
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, CloudApiError> {
        let response = self.authorized(request).send().await.map_err(unreachable)?;
        let (status, wait) = head(&response);
        let body = response.bytes().await.map_err(unreachable)?;
        if !(200..300).contains(&status) {
            return Err(CloudApiError::Refused(answers::parse_error(status, &body, wait)));
        }
        serde_json::from_slice(&body).map_err(|_| CloudApiError::Unreadable)
    }

    /// Sends one message. One call is one attempt.
    pub async fn send(&self, message: &Outbound) -> Outcome {
        let url = format!("{}/{}/messages", self.base, self.phone_number_id);
        let body = match request_body(message) {
            Ok(body) => body,
            Err(problem) => return Outcome::Refused(not_sendable(&problem)),
        };
        let request = self.http.as_reqwest().post(url).json(&body);
        let response = match self.authorized(request).send().await {
            Ok(response) => response,
            Err(error) => return Outcome::Refused(not_answered(&error)),
        };
        let (status, wait) = head(&response);
        match response.bytes().await {
            Ok(body) => answers::parse_sent(status, &body, wait),
            Err(error) => Outcome::Refused(not_answered(&error)),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.token.expose_secret())
    }
}

impl fmt::Debug for CloudApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudApi").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A text as a part of a URL.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// How long a file of so many bytes may take: half a minute and what a line of 2 Mbit/s needs.
fn transfer_timeout(bytes: u64) -> Duration {
    Duration::from_secs(30 + bytes / 250_000)
}

fn unreachable(error: reqwest::Error) -> CloudApiError {
    CloudApiError::Unreachable(error.without_url())
}

fn head(response: &Response) -> (u16, Option<Duration>) {
    let headers: &HeaderMap = response.headers();
    (response.status().as_u16(), retry_after::requested(headers))
}

/// The refusal of a content that WhatsApp cannot send. The API rejects such a content when a
/// campaign is created.
fn not_sendable(problem: &FieldProblem) -> Refusal {
    let reason = format!("the message cannot be sent through WhatsApp: {}", problem.field);
    Refusal { verdict: Verdict::MessageRejected, code: None, reason, known: true }
}

/// The refusal of a request without an answer. Nothing of a request is written before the
/// connection, TLS included, is established.
fn not_answered(error: &reqwest::Error) -> Refusal {
    let (verdict, reason) = if error.is_builder() {
        (Verdict::ConnectionBroken, "the connection's address or token can't be used")
    } else if error.is_connect() {
        (Verdict::Transient, "the Cloud API could not be reached")
    } else if error.is_timeout() {
        (Verdict::Ambiguous, "the Cloud API did not answer in time")
    } else {
        (Verdict::Ambiguous, "the connection to the Cloud API broke off")
    };
    Refusal { verdict, code: None, reason: reason.to_owned(), known: true }
}

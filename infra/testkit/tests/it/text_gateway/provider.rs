//! The gateway behind the provider port.

use std::time::Duration;

use carillon::address::Scheme;
use carillon::channel::capabilities::{
    CredentialField, ReportedStatus, StatusSource, Throughput, ThroughputCounts,
};
use carillon::channel::{
    Acceptance, Accepted, Capabilities, Content, Correlation, FieldCode, FieldProblem, Outbound,
    Outcome, Probe, ProbeError, Provider, ProviderConfig, Receiver, Refusal, SenderAccess, Verdict,
};
use carillon::http_client::install_tls_provider;
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::receiver::GatewayWebhooks;

pub(super) const NAME: &str = "text_gateway";
/// The longest text, in characters.
const MAX_TEXT: usize = 1_600;
const SETTINGS: [&str; 2] = ["url", "sender"];

const CAPABILITIES: Capabilities = Capabilities {
    addresses: &[Scheme::Phone],
    contents: &["text"],
    statuses: &[ReportedStatus::Delivered, ReportedStatus::Failed],
    status_source: StatusSource::Webhook,
    correlation: Correlation::MessageId,
    service_window: None,
    quota: None,
    pair_interval: None,
    throughput: Throughput { default_mps: 50, max_mps: 200, counts: ThroughputCounts::Outbound },
    credentials: &[CredentialField { name: "token", generated: false }],
};

/// A gateway that sends texts to phone numbers.
#[derive(Debug, Clone)]
pub(super) struct TextGateway {
    http: reqwest::Client,
}

impl Default for TextGateway {
    fn default() -> Self {
        Self::with(reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy())
    }
}

impl TextGateway {
    pub(super) fn with(client: reqwest::ClientBuilder) -> Self {
        install_tls_provider();
        Self { http: client.build().expect("an HTTP client") }
    }

    async fn send_text(&self, sender: &SenderAccess, to: &str, text: &str) -> Outcome {
        let message = json!({"from": sender.config.sender_id, "to": to, "text": text});
        let request = self.http.post(url(sender, "messages")).json(&message);
        match authorized(request, sender).send().await {
            Ok(response) => outcome(response).await,
            Err(error) if error.is_connect() => refused(Verdict::Transient, "no connection"),
            Err(_) => refused(Verdict::Ambiguous, "no response"),
        }
    }

    async fn health(&self, sender: &SenderAccess) -> Result<Probe, ProbeError> {
        let response = authorized(self.http.get(url(sender, "health")), sender).send().await;
        let response = response.map_err(|_| ProbeError::Unreachable("no response".to_owned()))?;
        match refusal_of(response.status(), &response.text().await.unwrap_or_default()) {
            Some(refusal) => Err(ProbeError::Refused(refusal)),
            None => Ok(Probe::default()),
        }
    }
}

impl Provider for TextGateway {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>> {
        let is_text = |name: &str| settings.get(name).and_then(Value::as_str).is_some();
        let missing = SETTINGS.into_iter().filter(|name| !is_text(name));
        let mut problems: Vec<_> =
            missing.map(|name| problem(&format!("{NAME}.{name}"), "must be a text")).collect();
        let unknown = settings.keys().filter(|name| !SETTINGS.contains(&name.as_str()));
        problems.extend(unknown.map(|name| problem(&format!("{NAME}.{name}"), "is not known")));
        let Some(sender) = settings.get("sender").and_then(Value::as_str) else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let sender_id = sender.to_owned();
        Ok(ProviderConfig { provider: NAME.to_owned(), sender_id, account_id: None, settings })
    }

    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>> {
        match content {
            Content::Text(text) if text.body.chars().count() <= MAX_TEXT => Ok(()),
            Content::Text(_) => Err(vec![problem("text.body", "is longer than 1600 characters")]),
            _ => Err(vec![problem(content.kind(), "cannot be sent over this connection")]),
        }
    }

    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            match &message.content {
                Content::Text(text) => {
                    self.send_text(sender, message.to.as_str(), &text.body).await
                }
                _ => refused(Verdict::MessageRejected, "not a text"),
            }
        }
        .boxed()
    }

    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        self.health(sender).boxed()
    }

    fn receiver(&self) -> Option<&dyn Receiver> {
        Some(&GatewayWebhooks)
    }
}

/// What a code of the gateway means.
pub(super) fn refusal(code: u32) -> Refusal {
    let (verdict, reason) = match code {
        101 => (Verdict::RecipientRejected, "the subscriber is not known"),
        102 => (Verdict::Throttled { retry_after: Duration::from_secs(1) }, "too many messages"),
        103 => (Verdict::ConnectionBroken, "the sender is blocked"),
        _ => (Verdict::RequestRejected, "a code that is not known"),
    };
    let known = (101..=103).contains(&code);
    Refusal { verdict, code: Some(code), reason: reason.to_owned(), known }
}

async fn outcome(response: Response) -> Outcome {
    let status = response.status();
    let Ok(body) = response.text().await else {
        return refused(Verdict::Ambiguous, "the response broke off");
    };
    if let Some(refusal) = refusal_of(status, &body) {
        return Outcome::Refused(refusal);
    }
    let id = serde_json::from_str::<Value>(&body).ok();
    match id.as_ref().and_then(|body| body["id"].as_str()) {
        Some(id) => Outcome::Accepted(Accepted {
            message_id: id.to_owned(),
            state: Acceptance::Accepted,
            aliases: Vec::new(),
        }),
        None => refused(Verdict::Ambiguous, "the response cannot be read"),
    }
}

fn refusal_of(status: StatusCode, body: &str) -> Option<Refusal> {
    if status.is_success() {
        return None;
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    Some(refusal(body["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(0)))
}

fn refused(verdict: Verdict, reason: &str) -> Outcome {
    Outcome::Refused(Refusal { verdict, code: None, reason: reason.to_owned(), known: true })
}

fn url(sender: &SenderAccess, path: &str) -> String {
    let base = sender.config.settings.get("url").and_then(Value::as_str).unwrap_or_default();
    format!("{base}/{path}")
}

fn authorized(request: RequestBuilder, sender: &SenderAccess) -> RequestBuilder {
    let token = sender.credentials.get("token").map_or("", |token| token.expose_secret());
    request.bearer_auth(token)
}

fn problem(field: &str, reason: &str) -> FieldProblem {
    FieldProblem::new(field, FieldCode::Invalid, reason)
}

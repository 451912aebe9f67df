//! A provider with as few capabilities as possible: phone numbers and texts, no quota, no
//! service window, no statuses, no webhook, no prices.

use std::sync::{Arc, Mutex};

use carillon::address::Scheme;
use carillon::channel::capabilities::{
    CredentialField, StatusSource, Throughput, ThroughputCounts,
};
use carillon::channel::{
    Acceptance, Accepted, Capabilities, Content, Correlation, FieldCode, FieldProblem, Outbound,
    Outcome, Probe, ProbeError, Provider, ProviderConfig, SenderAccess,
};
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value, json};

const CAPABILITIES: Capabilities = Capabilities {
    addresses: &[Scheme::Phone],
    contents: &["text"],
    statuses: &[],
    status_source: StatusSource::None,
    correlation: Correlation::MessageId,
    service_window: None,
    quota: None,
    pair_interval: None,
    throughput: Throughput { default_mps: 5, max_mps: 10, counts: ThroughputCounts::Outbound },
    credentials: &[CredentialField { name: "password", generated: false }],
};

/// The provider. Its clones share the addresses that they sent to.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlainProvider {
    sent_to: Arc<Mutex<Vec<String>>>,
}

impl PlainProvider {
    /// The addresses that it sent to, in order.
    pub(crate) fn sent_to(&self) -> Vec<String> {
        self.sent_to.lock().unwrap().clone()
    }
}

impl Provider for PlainProvider {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>> {
        let Some(sender) = settings.get("sender").and_then(Value::as_str) else {
            let (field, reason) = ("plain.sender".to_owned(), "is required".to_owned());
            return Err(vec![FieldProblem::new(field, FieldCode::Invalid, reason)]);
        };
        Ok(ProviderConfig {
            provider: "plain".to_owned(),
            sender_id: sender.to_owned(),
            account_id: None,
            settings,
        })
    }

    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>> {
        if matches!(content, Content::Text(_)) {
            return Ok(());
        }
        let (field, reason) = (content.kind().to_owned(), "is not a text".to_owned());
        Err(vec![FieldProblem::new(field, FieldCode::Invalid, reason)])
    }

    fn send<'a>(&'a self, _: &'a SenderAccess, message: &'a Outbound) -> BoxFuture<'a, Outcome> {
        let mut sent_to = self.sent_to.lock().unwrap();
        sent_to.push(message.to.as_str().to_owned());
        let message_id = format!("plain.{}", sent_to.len());
        let accepted = Accepted { message_id, state: Acceptance::Accepted, aliases: Vec::new() };
        async move { Outcome::Accepted(accepted) }.boxed()
    }

    fn probe<'a>(&'a self, _: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        async { Ok(Probe::default()) }.boxed()
    }
}

/// The request for a connection to the provider.
pub(crate) fn plain_connection_body() -> Value {
    json!({
        "name": "Plain",
        "provider": {"type": "plain", "plain": {"sender": "shop"}},
        "credentials": {"password": "secret-password"}
    })
}

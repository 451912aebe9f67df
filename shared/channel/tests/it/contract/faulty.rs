//! Providers that break the contract, each in one way.

use std::sync::atomic::{AtomicUsize, Ordering};

use carillon_channel::capabilities::Capabilities;
use carillon_channel::content::FieldProblem;
use carillon_channel::cost::Estimate;
use carillon_channel::event::{Event, EventBody};
use carillon_channel::whatsapp_cloud::WhatsappCloud;
use carillon_channel::{
    Candidate, Content, EstimateRequest, Handshake, Outbound, Outcome, Probe, ProbeError, Provider,
    ProviderConfig, ProviderSchemas, Receiver, SenderAccess, TemplateRef, Templates, Verdict,
    WebhookRequest,
};
use carillon_foundations::ids::ConnectionId;
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Map, Value};

/// What is wrong with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Name,
    NoQuotaRule,
    NoReceiver,
    AnySettings,
    AnyContent,
    SendsTwice,
    RetriesUnknown,
    LosesUnreachable,
    NoCode,
    QuotesText,
    TrustsAll,
    TrustsOne,
    ConfirmsAll,
    DropsMalformed,
    DropsCallback,
    CountsCalls,
}

/// The WhatsApp Cloud API with a fault.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: WhatsappCloud,
    capabilities: Capabilities,
    fault: Fault,
    calls: AtomicUsize,
}

impl Faulty {
    pub(super) fn new(inner: WhatsappCloud, fault: Fault) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if fault == Fault::NoQuotaRule {
            capabilities.quota = None;
        }
        Self { inner, capabilities, fault, calls: AtomicUsize::new(0) }
    }

    fn webhooks(&self) -> &dyn Receiver {
        self.inner.receiver().unwrap()
    }

    async fn send_once(&self, sender: &SenderAccess, message: &Outbound) -> Outcome {
        if self.fault == Fault::SendsTwice {
            self.inner.send(sender, message).await;
        }
        let mut outcome = self.inner.send(sender, message).await;
        if let Outcome::Refused(refusal) = &mut outcome {
            match (self.fault, refusal.verdict) {
                (Fault::RetriesUnknown, Verdict::Ambiguous) => refusal.verdict = Verdict::Transient,
                (Fault::LosesUnreachable, Verdict::Transient) => {
                    refusal.verdict = Verdict::MessageRejected;
                }
                (Fault::NoCode, _) => refusal.code = None,
                (Fault::QuotesText, _) => refusal.reason = format!("to {}", message.to.as_str()),
                _ => {}
            }
        }
        outcome
    }
}

impl Provider for Faulty {
    fn name(&self) -> &'static str {
        if self.fault == Fault::Name { "WhatsApp Cloud" } else { self.inner.name() }
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>> {
        if self.fault != Fault::AnySettings {
            return self.inner.configure(settings);
        }
        let (provider, sender_id) = (self.name().to_owned(), "1".to_owned());
        Ok(ProviderConfig { provider, sender_id, account_id: None, settings })
    }

    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>> {
        if self.fault == Fault::AnyContent { Ok(()) } else { self.inner.validate(content) }
    }

    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        self.send_once(sender, message).boxed()
    }

    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        self.inner.probe(sender)
    }

    fn receiver(&self) -> Option<&dyn Receiver> {
        (self.fault != Fault::NoReceiver).then_some(self)
    }

    fn templates(&self) -> Option<&dyn Templates> {
        self.inner.templates()
    }

    fn template_of(&self, content: &Content) -> Option<TemplateRef> {
        self.inner.template_of(content)
    }

    fn estimate(&self, request: &EstimateRequest<'_>) -> Option<Estimate> {
        self.inner.estimate(request)
    }

    fn schemas(&self) -> ProviderSchemas {
        self.inner.schemas()
    }
}

impl Receiver for Faulty {
    fn path(&self) -> &'static str {
        self.webhooks().path()
    }

    fn handshake(&self, request: &WebhookRequest<'_>, candidates: &[Candidate]) -> Handshake {
        if self.fault == Fault::ConfirmsAll {
            return Handshake::Confirmed("12+3".to_owned());
        }
        self.webhooks().handshake(request, candidates)
    }

    fn authenticate(
        &self,
        request: &WebhookRequest<'_>,
        candidates: &[Candidate],
    ) -> Vec<ConnectionId> {
        let mut matched = self.webhooks().authenticate(request, candidates);
        match self.fault {
            Fault::TrustsAll => candidates.iter().map(|candidate| candidate.connection).collect(),
            Fault::TrustsOne => {
                matched.truncate(1);
                matched
            }
            _ => matched,
        }
    }

    fn parse(&self, body: &[u8]) -> Vec<Event> {
        let mut events = self.webhooks().parse(body);
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        for event in &mut events {
            match (self.fault, &mut event.body) {
                (Fault::DropsCallback, EventBody::Status(status)) => status.callback = None,
                (Fault::CountsCalls, _) => event.account_id = Some(calls.to_string()),
                _ => {}
            }
        }
        if self.fault == Fault::DropsMalformed {
            events.retain(|event| !matches!(event.body, EventBody::Unknown { .. }));
        }
        events
    }
}

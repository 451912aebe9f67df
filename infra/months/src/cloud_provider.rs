//! The Cloud API's provider over a simulated network.

use std::fmt::Debug;
use std::sync::Arc;

use carillon::channel::cost::Estimate;
use carillon::channel::whatsapp_cloud::WhatsappCloud;
use carillon::channel::whatsapp_cloud::policy::{Report, ReportedBy, refusal};
use carillon::channel::{
    Capabilities, Content, EstimateRequest, FieldProblem, Outbound, Outcome, Probe, ProbeError,
    Provider, ProviderConfig, ProviderSchemas, Receiver, SenderAccess, TemplateRef, Templates,
};
use futures::future::BoxFuture;
use serde_json::{Map, Value};

/// What answers messages and probes.
pub(crate) trait Network: Debug + Send + Sync + 'static {
    /// The answer to a message.
    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome>;

    /// What the provider reports of a number.
    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>>;
}

/// The Cloud API's provider, whose messages and probes go to a [`Network`]. Everything else, such
/// as validation and webhooks, is the real provider's.
#[derive(Debug)]
pub(crate) struct CloudProvider<N> {
    pub(crate) cloud: Arc<WhatsappCloud>,
    pub(crate) network: N,
}

impl<N: Network> Provider for CloudProvider<N> {
    fn name(&self) -> &'static str {
        self.cloud.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.cloud.capabilities()
    }

    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>> {
        self.cloud.configure(settings)
    }

    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>> {
        self.cloud.validate(content)
    }

    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        self.network.send(sender, message)
    }

    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        self.network.probe(sender)
    }

    fn receiver(&self) -> Option<&dyn Receiver> {
        self.cloud.receiver()
    }

    fn templates(&self) -> Option<&dyn Templates> {
        self.cloud.templates()
    }

    fn is_marketing(&self, content: &Content, category: Option<&str>) -> bool {
        self.cloud.is_marketing(content, category)
    }

    fn template_of(&self, content: &Content) -> Option<TemplateRef> {
        self.cloud.template_of(content)
    }

    fn estimate(&self, request: &EstimateRequest<'_>) -> Option<Estimate> {
        self.cloud.estimate(request)
    }

    fn schemas(&self) -> ProviderSchemas {
        self.cloud.schemas()
    }
}

/// The answer that refuses a message with one of Meta's error codes.
pub(crate) fn refused(code: u32) -> Outcome {
    let reported_by = ReportedBy::Answer { status: 400 };
    let report = Report { code: Some(code), ..Report::blank(reported_by) };
    Outcome::Refused(refusal(&report))
}

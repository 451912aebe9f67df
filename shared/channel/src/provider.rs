//! The port of outbound messages.

use std::collections::BTreeMap;
use std::fmt;

use carillon_foundations::address::Address;
use carillon_foundations::country::Country;
use carillon_foundations::time::Date;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::capabilities::Capabilities;
use crate::content::{Content, FieldProblem};
use crate::cost::{Estimate, Warning};
use crate::media_files::MediaFiles;
use crate::outcome::{Outcome, Refusal};
use crate::probe::Probe;
use crate::receiver::Receiver;
use crate::sender::{ProviderConfig, SenderAccess};
use crate::templates::{TemplateRef, Templates};

/// A provider of messages. One value serves all connections of the provider.
///
/// A call of [`Provider::send`] is one attempt: an implementation never retries.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Its name in `provider.type` of a connection, such as `whatsapp_cloud`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Validates the settings of a connection.
    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>>;

    /// Checks a content against the provider's rules. Placeholders are filled in, or
    /// replaced by one character each (see [`Content::check`]).
    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>>;

    /// Hands one message to the provider.
    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome>;

    /// Asks the provider for the health and the limits of a sender.
    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>>;

    /// Whether it is a simulator: its messages reach nobody.
    fn is_simulated(&self) -> bool {
        false
    }

    /// The port of its inbound events, if it has one.
    fn receiver(&self) -> Option<&dyn Receiver> {
        None
    }

    /// Its templates, if it keeps any.
    fn templates(&self) -> Option<&dyn Templates> {
        None
    }

    /// Its uploaded files, if it keeps any.
    fn media_files(&self) -> Option<&dyn MediaFiles> {
        None
    }

    /// The template that a content sends, if it sends one.
    fn template_of(&self, _content: &Content) -> Option<TemplateRef> {
        None
    }

    /// Whether a content is marketing, which the provider may hold back from a contact;
    /// `category` is that of its template, if it is known. A template of an unknown category
    /// is.
    fn is_marketing(&self, _content: &Content, _category: Option<&str>) -> bool {
        false
    }

    /// What a message costs; none where the provider's prices are not known.
    fn estimate(&self, _request: &EstimateRequest<'_>) -> Option<Estimate> {
        None
    }

    /// What it will not do as one may expect of a campaign.
    fn warnings(&self, _request: &EstimateRequest<'_>) -> Vec<Warning> {
        Vec::new()
    }

    /// The OpenAPI schemas of its settings and of its own kinds of content.
    fn schemas(&self) -> ProviderSchemas {
        ProviderSchemas::default()
    }
}

/// A message with its placeholders filled in. The `Debug` form leaves out the
/// address and the text.
#[derive(Clone, PartialEq)]
pub struct Outbound {
    /// The recipient's address.
    pub to: Address,
    /// What is sent.
    pub content: Content,
    /// A text of at most 512 characters that a provider with
    /// [`Correlation::Callback`](crate::Correlation::Callback) returns in each
    /// status.
    pub callback: String,
    /// The provider's id of the message that this one replies to.
    pub reply_to: Option<String>,
}

/// Why a probe has no result.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The provider could not be reached, or its answer could not be read.
    #[error("the provider could not be reached: {0}")]
    Unreachable(String),
    /// The provider refused.
    #[error("the provider refused: {0}")]
    Refused(Refusal),
}

/// A request for an estimate.
#[derive(Debug, Clone, Copy)]
pub struct EstimateRequest<'a> {
    /// What is sent.
    pub content: &'a Content,
    /// The category of its template, if it is known.
    pub category: Option<&'a str>,
    /// The number of recipients in each country.
    pub recipients: &'a BTreeMap<Country, u64>,
    /// The day whose prices apply.
    pub day: Date,
}

/// The OpenAPI schemas of a provider.
#[derive(Default)]
pub struct ProviderSchemas {
    /// The name of the schema of its settings.
    pub settings: Option<&'static str>,
    /// Its own kinds of content, each with the name of its schema.
    pub contents: Vec<(&'static str, &'static str)>,
    /// All schemas by name.
    pub schemas: Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("to", &self.to)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

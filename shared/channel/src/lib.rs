//! Channels: how messages reach people and how their events come back.
//!
//! Each provider has a folder behind two ports, [`Provider`] (outbound) and
//! [`Receiver`] (inbound). The ports speak of neutral content, outcomes and events;
//! a provider's shapes, codes, limits and prices stay in its folder. The registry,
//! [`Providers`], is the one place that names the providers.

pub mod capabilities;
pub mod content;
pub mod contract;
pub mod cost;
mod credentials;
pub mod event;
mod media_files;
mod outcome;
mod probe;
mod provider;
mod receiver;
mod registry;
mod sender;
mod templates;
pub mod whatsapp_cloud;

pub use capabilities::{Capabilities, Correlation};
pub use content::{Content, FieldCode, FieldProblem, read_json};
pub use credentials::Credentials;
pub use media_files::{MediaError, MediaFile, MediaFiles};
pub use outcome::{Acceptance, Accepted, Outcome, Refusal, Verdict};
pub use probe::{Probe, Quality, QuotaLimit};
pub use provider::{EstimateRequest, Outbound, ProbeError, Provider, ProviderSchemas};
pub use receiver::{Candidate, Handshake, Receiver, WebhookRequest};
pub use registry::{ProviderSetup, Providers};
pub use sender::{ProviderConfig, SenderAccess};
pub use templates::{Preview, PreviewRequest, TemplateRef, TemplateSummary, Templates};

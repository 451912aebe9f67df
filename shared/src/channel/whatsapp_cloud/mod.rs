//! Meta's WhatsApp Cloud API. Its codes and shapes stay in this folder.
//! Source: Meta, "WhatsApp Business Platform", Graph API v26.0.

mod account;
mod answers;
mod client;
mod codes;
mod fields;
mod hint;
mod inbound;
mod number;
mod outbound;
pub mod policy;
pub mod signature;
mod status;
mod templates;
mod updates;
mod waiting;

pub use account::{AccountChange, AccountUpdate, TemplateRef, TemplateState};
pub use answers::{ErrorAnswer, parse_error, parse_sent};
pub use client::{CloudApi, CloudApiError, GRAPH_URL, GRAPH_VERSION};
pub use inbound::{InboundContent, InboundMessage, ReplyKind, SystemChange};
pub use number::{
    Health, MessagingLimit, NumberInfo, NumberStatus, Quality, SendAbility, Throughput,
};
pub use outbound::request_body;
pub use status::{ErrorCode, Pricing, PricingKind, StatusKind, StatusUpdate};
pub use templates::{RemoteTemplate, TemplatePage};
pub use updates::{Choice, Preference, Update, Webhook, WebhookError, parse};

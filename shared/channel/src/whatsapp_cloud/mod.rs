//! Meta's WhatsApp Cloud API. Its codes, shapes, limits and prices stay in this folder.
//! Source: Meta, "WhatsApp Business Platform", Graph API v26.0.

mod account;
mod answers;
mod client;
mod codes;
pub mod content;
mod credentials;
mod fields;
mod hint;
mod inbound;
mod media;
mod other_kind;
mod outbound;
mod pieces;
pub mod policy;
mod pricing;
mod probe;
mod provider;
mod receiver;
mod retry_after;
pub mod signature;
mod status;
pub mod template;
mod template_list;
mod template_rules;
mod webhook;

pub use answers::{parse_error, parse_sent};
pub use client::{CloudApi, CloudApiError, GRAPH_URL, GRAPH_VERSION};
pub use outbound::request_body;
pub use provider::WhatsappCloud;
pub use template_list::{RemoteTemplate, TemplatePage, TemplateState};

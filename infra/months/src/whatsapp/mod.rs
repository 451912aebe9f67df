//! A simulated WhatsApp without a network. It accepts or refuses messages, loses
//! responses, and sends webhooks for the messages it accepted.

mod channel;
mod event_plan;
mod message_log;
mod provider;
mod webhook_events;
mod webhook_payload;

pub(crate) use channel::SimulatedChannel;
pub(crate) use message_log::MessageOutcome;
pub(crate) use provider::WhatsApp;
pub(crate) use webhook_events::{EventKind, WebhookEvent};
pub(crate) use webhook_payload::webhook_payload;

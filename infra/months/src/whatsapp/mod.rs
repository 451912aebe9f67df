//! A simulated WhatsApp without a network. It accepts or refuses messages, loses
//! responses, and sends webhooks for the messages it accepted.

mod event_plan;
mod message_log;
mod person;
mod portfolio;
mod provider;
mod webhook_events;
mod webhook_payload;

pub(crate) use message_log::MessageOutcome;
pub(crate) use person::Person;
pub(crate) use portfolio::{Number, WhatsApp};
pub(crate) use provider::SimulatedProvider;
pub(crate) use webhook_events::{EventKind, WebhookEvent};
pub(crate) use webhook_payload::{WABA_ID, webhook_payload};

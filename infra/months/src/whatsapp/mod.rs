//! A simulated WhatsApp without a network. It accepts or refuses messages, loses
//! responses, and sends webhooks for the messages it accepted.

mod event_plan;
mod limits;
mod message_log;
mod network;
mod people;
mod person;
mod person_rules;
mod portfolio;
mod reports;
mod webhook_events;
mod webhook_payload;

pub(crate) use event_plan::{HELD, OPTED_OUT};
pub(crate) use limits::{ChangingLimit, LimitChange, LimitOf};
pub(crate) use message_log::MessageOutcome;
pub(crate) use network::{HOLD, WhatsAppNetwork};
pub(crate) use people::People;
pub(crate) use person::{Line, Person};
pub(crate) use portfolio::{Number, WhatsApp};
pub(crate) use reports::{Hold, HoldReport, SuppressedBy};
pub(crate) use webhook_events::{Event, EventKind, NumberChange, SentMessage, WebhookEvent};
pub(crate) use webhook_payload::{WABA_ID, webhook_payload, writer};

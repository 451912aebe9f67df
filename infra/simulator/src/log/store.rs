//! The log in memory.

use std::collections::BTreeMap;

use super::entry::LogEntry;
use super::message::Message;
use crate::delivery_plan::{DeliveryPlan, Step};
use crate::templates::TemplateName;

#[derive(Default)]
pub(crate) struct Log {
    messages: Vec<Message>,
    pub(crate) requests: u64,
    pub(crate) inbound: u64,
    /// By error code.
    pub(crate) refusals: BTreeMap<u32, u64>,
    /// By error code.
    pub(crate) violations: BTreeMap<u32, u64>,
    pub(crate) webhook_requests: u64,
    pub(crate) webhook_failures: u64,
    pub(crate) lost_events: u64,
}

impl Log {
    /// Adds a message and returns its index.
    pub(crate) fn push(&mut self, message: Message) -> u32 {
        self.messages.push(message);
        self.messages.len() as u32 - 1
    }

    pub(crate) fn get(&self, message: u32) -> &Message {
        &self.messages[message as usize]
    }

    pub(crate) fn mark_reported(&mut self, message: u32, step: Step) {
        self.messages[message as usize].reported.insert(step);
    }

    pub(crate) fn mark_acknowledged(&mut self, message: u32, step: Step) {
        self.messages[message as usize].acknowledged.insert(step);
    }

    pub(crate) fn mark_lost(&mut self, message: u32, step: Step) {
        self.messages[message as usize].lost.insert(step);
    }

    /// The messages of a template that are held at `now`.
    pub(crate) fn held_messages(&self, template: &TemplateName, now: u64) -> Vec<u32> {
        let is_held = |message: &Message| {
            message.template.as_deref() == Some(template)
                && message.plan.is_held(now.saturating_sub(message.accepted_at))
        };
        (0_u32..).zip(&self.messages).filter(|(_, each)| is_held(each)).map(|(n, _)| n).collect()
    }

    pub(crate) fn replan(&mut self, message: u32, plan: DeliveryPlan) {
        self.messages[message as usize].plan = plan;
    }

    /// Restores a plan of the log file. Ignores an unknown message.
    pub(crate) fn restore_plan(&mut self, message: u32, plan: DeliveryPlan) {
        if let Some(message) = self.messages.get_mut(message as usize) {
            message.plan = plan;
        }
    }

    /// Marks a lost step of the log file. Ignores an unknown message.
    pub(crate) fn restore_lost(&mut self, message: u32, step: Step) {
        if let Some(message) = self.messages.get_mut(message as usize) {
            message.reported.insert(step);
            message.lost.insert(step);
        }
    }

    /// Marks a step of the log file. Ignores an unknown message.
    pub(crate) fn restore_acknowledged(&mut self, message: u32, step: Step) {
        if let Some(message) = self.messages.get_mut(message as usize) {
            message.reported.insert(step);
            message.acknowledged.insert(step);
        }
    }

    pub(crate) fn count_refusal(&mut self, code: u32) {
        *self.refusals.entry(code).or_default() += 1;
    }

    pub(crate) fn count_violation(&mut self, code: u32) {
        *self.violations.entry(code).or_default() += 1;
    }

    /// At most `max` entries, from index `from`.
    pub(crate) fn page(&self, from: usize, max: usize, seed: u64) -> Vec<LogEntry> {
        let messages = self.messages.iter().skip(from).take(max);
        messages.map(|message| LogEntry::new(message, seed)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }
}

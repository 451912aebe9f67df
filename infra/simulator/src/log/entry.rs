//! The log entries that the simulator shows to tests.

use serde::{Deserialize, Serialize};

use super::message::Message;
use crate::delivery_plan::Step;

/// An accepted message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LogEntry {
    /// When the message was accepted, in milliseconds since 1970.
    pub at_ms: u64,
    /// The message id.
    pub wamid: String,
    /// The recipient's `wa_id`, or a user id without a known phone number.
    pub to: String,
    /// The recipient's business-scoped user id.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The id of the sending phone number.
    pub phone_number_id: String,
    /// The `biz_opaque_callback_data` of the request.
    pub biz_opaque_callback_data: Option<String>,
    /// The template's name.
    pub template: Option<String>,
    /// The pricing category.
    pub category: String,
    /// Whether the response to the sender was lost.
    pub response_lost: bool,
    /// The error code of the failure, even if it lies in the future.
    pub failure_code: Option<u32>,
    /// The message's past and future steps.
    pub steps: Vec<StepEntry>,
}

impl LogEntry {
    pub(crate) fn new(message: &Message, seed: u64) -> Self {
        let step = |(step, after): (Step, u32)| StepEntry {
            step,
            at_ms: message.accepted_at + u64::from(after),
            reported: message.reported.contains(step),
            acknowledged: message.acknowledged.contains(step),
            lost: message.lost.contains(step) && !message.acknowledged.contains(step),
        };
        Self {
            at_ms: message.accepted_at,
            wamid: message.wamid(seed),
            to: message.to.key.to_string(),
            user_id: message.to.user_id.as_deref().map(str::to_owned),
            phone_number_id: message.phone_number_id.to_string(),
            biz_opaque_callback_data: message.callback_data.as_deref().map(str::to_owned),
            template: message.template_name(),
            category: message.category.as_str().to_owned(),
            response_lost: message.response_lost,
            failure_code: message.plan.failed.map(|_| message.plan.code),
            steps: message.plan.steps().map(step).collect(),
        }
    }

    /// The entry of a step. `None`: the step never happens to this message.
    pub fn step(&self, step: Step) -> Option<&StepEntry> {
        self.steps.iter().find(|entry| entry.step == step)
    }
}

/// A step of a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepEntry {
    /// The step.
    pub step: Step,
    /// When it happens, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether a webhook request reported it.
    pub reported: bool,
    /// Whether the webhook responded with 200 to such a request.
    pub acknowledged: bool,
    /// Whether the simulator gave up reporting it.
    #[serde(default)]
    pub lost: bool,
}

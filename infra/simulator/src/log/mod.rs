//! What the simulator accepted, told and refused: its own record, to hold a
//! product's report against.

mod file;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use file::{Journal, Line, accepted as accepted_line};
pub use summary::{StepCounts, Summary};

use crate::fate::{Fate, Step, Steps};
use crate::ids::{self, Direction};
use crate::templates::Category;

/// An accepted message, as small as can be: there may be millions.
pub(crate) struct Message {
    pub(crate) at: u64,
    pub(crate) person: u32,
    pub(crate) ordinal: u32,
    pub(crate) to: Arc<str>,
    pub(crate) number: Arc<str>,
    pub(crate) opaque: Option<Box<str>>,
    pub(crate) template: Option<Arc<str>>,
    pub(crate) category: Category,
    pub(crate) fate: Fate,
    pub(crate) told: Steps,
    pub(crate) acknowledged: Steps,
    pub(crate) answer_lost: bool,
}

impl Message {
    pub(crate) fn wamid(&self, seed: u64) -> String {
        ids::wamid(seed, Direction::Outbound, &self.to, self.ordinal)
    }

    fn entry(&self, seed: u64) -> LogEntry {
        let step = |(step, after): (Step, u32)| StepEntry {
            step,
            at_ms: self.at + u64::from(after),
            told: self.told.has(step),
            acknowledged: self.acknowledged.has(step),
        };
        LogEntry {
            at_ms: self.at,
            wamid: self.wamid(seed),
            to: self.to.to_string(),
            phone_number_id: self.number.to_string(),
            biz_opaque_callback_data: self.opaque.as_deref().map(str::to_owned),
            template: self.template.as_deref().map(str::to_owned),
            category: self.category.word().to_owned(),
            answer_lost: self.answer_lost,
            failure_code: self.fate.failed.map(|_| self.fate.code),
            steps: self.fate.steps().map(step).collect(),
        }
    }
}

/// An accepted message, as the log shows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LogEntry {
    /// When it was accepted, in milliseconds since 1970.
    pub at_ms: u64,
    /// Its id.
    pub wamid: String,
    /// The recipient's `wa_id`, or a user id that has no phone here.
    pub to: String,
    /// The number it came from.
    pub phone_number_id: String,
    /// What the sender wanted to see again.
    pub biz_opaque_callback_data: Option<String>,
    /// The template's name.
    pub template: Option<String>,
    /// The price category.
    pub category: String,
    /// Whether the sender never got the answer.
    pub answer_lost: bool,
    /// Why it fails or will fail.
    pub failure_code: Option<u32>,
    /// What happens to it, by now or later.
    pub steps: Vec<StepEntry>,
}

impl LogEntry {
    /// The step's entry, if it is part of this message's life.
    pub fn step(&self, step: Step) -> Option<&StepEntry> {
        self.steps.iter().find(|entry| entry.step == step)
    }
}

/// A step of a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepEntry {
    /// Which.
    pub step: Step,
    /// When it happens, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether a webhook with it was sent.
    pub told: bool,
    /// Whether the receiver answered 200 to that.
    pub acknowledged: bool,
}

/// The whole record.
#[derive(Default)]
pub(crate) struct Log {
    messages: Vec<Message>,
    pub(crate) requests: u64,
    pub(crate) inbound: u64,
    pub(crate) refusals: BTreeMap<u32, u64>,
    pub(crate) violations: BTreeMap<u32, u64>,
    pub(crate) webhook_requests: u64,
    pub(crate) webhook_refusals: u64,
}

impl Log {
    pub(crate) fn push(&mut self, message: Message) -> u32 {
        self.messages.push(message);
        self.messages.len() as u32 - 1
    }

    pub(crate) fn get(&self, message: u32) -> &Message {
        &self.messages[message as usize]
    }

    pub(crate) fn find(&mut self, message: u32) -> Option<&mut Message> {
        self.messages.get_mut(message as usize)
    }

    pub(crate) fn tell(&mut self, message: u32, step: Step) {
        self.messages[message as usize].told.insert(step);
    }

    pub(crate) fn acknowledge(&mut self, message: u32, step: Step) {
        self.messages[message as usize].acknowledged.insert(step);
    }

    pub(crate) fn refuse(&mut self, code: u32) {
        *self.refusals.entry(code).or_default() += 1;
    }

    pub(crate) fn violate(&mut self, code: u32) {
        *self.violations.entry(code).or_default() += 1;
    }

    /// The entries from one place on, at most so many.
    pub(crate) fn page(&self, from: usize, most: usize, seed: u64) -> Vec<LogEntry> {
        self.messages.iter().skip(from).take(most).map(|message| message.entry(seed)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }
}

//! The log in numbers.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Log, Message};
use crate::fate::{Step, Steps};

const SECOND_MS: u64 = 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The log in numbers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// Requests to the messages paths, read receipts included.
    pub requests: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// People they went to.
    pub recipients: u64,
    /// Messages to someone who had one before: accepted less recipients.
    pub duplicates: u64,
    /// Messages whose `biz_opaque_callback_data` was accepted before.
    pub repeated_callback_data: u64,
    /// Accepted messages whose answer was lost.
    pub answers_lost: u64,
    /// What webhooks told of, each message and step once.
    pub told: StepCounts,
    /// What the receiver answered 200 to, each message and step once.
    pub acknowledged: StepCounts,
    /// Refused requests by code, 5xx faults included.
    pub refusals: BTreeMap<u32, u64>,
    /// Limits broken by code, whether refused or only observed.
    pub violations: BTreeMap<u32, u64>,
    /// Messages people wrote on demand, apart from answers.
    pub inbound: u64,
    /// Webhook requests made.
    pub webhook_requests: u64,
    /// Of those, the ones not answered with 200.
    pub webhook_refusals: u64,
    /// The most messages accepted in any second.
    pub peak_per_second: u64,
    /// The most people written to in any 24 hours.
    pub peak_recipients_per_day: u64,
    /// The shortest time between two messages from one number to one person, in milliseconds.
    pub shortest_pair_gap_ms: Option<u64>,
}

/// How many messages took each step.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct StepCounts {
    /// `sent`.
    pub sent: u64,
    /// `delivered`, or `read` without it.
    pub delivered: u64,
    /// `read`.
    pub read: u64,
    /// `failed`.
    pub failed: u64,
    /// Answered.
    pub replies: u64,
}

impl StepCounts {
    fn of(messages: &[Message], steps: impl Fn(&Message) -> Steps) -> Self {
        let mut counts = Self::default();
        for steps in messages.iter().map(steps) {
            counts.sent += u64::from(steps.has(Step::Sent));
            counts.delivered += u64::from(steps.has(Step::Delivered) || steps.has(Step::Read));
            counts.read += u64::from(steps.has(Step::Read));
            counts.failed += u64::from(steps.has(Step::Failed));
            counts.replies += u64::from(steps.has(Step::Reply));
        }
        counts
    }
}

impl Log {
    pub(crate) fn summary(&self) -> Summary {
        let messages = self.messages();
        let recipients =
            messages.iter().map(|message| message.person).collect::<HashSet<_>>().len() as u64;
        let accepted = messages.len() as u64;
        Summary {
            requests: self.requests,
            accepted,
            recipients,
            duplicates: accepted - recipients,
            repeated_callback_data: repeated_callback_data(messages),
            answers_lost: messages.iter().filter(|message| message.answer_lost).count() as u64,
            told: StepCounts::of(messages, |message| message.told),
            acknowledged: StepCounts::of(messages, |message| message.acknowledged),
            refusals: self.refusals.clone(),
            violations: self.violations.clone(),
            inbound: self.inbound,
            webhook_requests: self.webhook_requests,
            webhook_refusals: self.webhook_refusals,
            peak_per_second: peak_per_second(messages),
            peak_recipients_per_day: peak_recipients_per_day(messages),
            shortest_pair_gap_ms: shortest_pair_gap(messages),
        }
    }
}

fn repeated_callback_data(messages: &[Message]) -> u64 {
    let all: Vec<_> = messages.iter().filter_map(|message| message.opaque.as_deref()).collect();
    let distinct: HashSet<_> = all.iter().collect();
    (all.len() - distinct.len()) as u64
}

fn peak_per_second(messages: &[Message]) -> u64 {
    let mut window = VecDeque::new();
    let mut peak = 0;
    for message in messages {
        window.push_back(message.at);
        while window.front().is_some_and(|at| at + SECOND_MS <= message.at) {
            window.pop_front();
        }
        peak = peak.max(window.len());
    }
    peak as u64
}

fn peak_recipients_per_day(messages: &[Message]) -> u64 {
    let mut window: VecDeque<&Message> = VecDeque::new();
    let mut people: HashMap<u32, u32> = HashMap::new();
    let mut peak = 0;
    for message in messages {
        window.push_back(message);
        *people.entry(message.person).or_default() += 1;
        while let Some(old) = window.pop_front_if(|old| old.at + DAY_MS <= message.at) {
            leave(&mut people, old.person);
        }
        peak = peak.max(people.len());
    }
    peak as u64
}

fn leave(people: &mut HashMap<u32, u32>, person: u32) {
    let left = people.get_mut(&person).map_or(0, |count| {
        *count -= 1;
        *count
    });
    if left == 0 {
        people.remove(&person);
    }
}

fn shortest_pair_gap(messages: &[Message]) -> Option<u64> {
    let mut last: HashMap<(&str, u32), u64> = HashMap::new();
    messages
        .iter()
        .filter_map(|message| {
            let before = last.insert((&message.number, message.person), message.at)?;
            Some(message.at.saturating_sub(before))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fate::Fate;
    use crate::templates::Category;

    fn message(at: u64, person: u32, opaque: &str) -> Message {
        Message {
            at,
            person,
            ordinal: 0,
            to: Arc::from("14155550101"),
            number: Arc::from("1"),
            opaque: Some(opaque.into()),
            template: None,
            category: Category::Service,
            fate: Fate::default(),
            told: Steps::default(),
            acknowledged: Steps::default(),
            answer_lost: false,
        }
    }

    #[test]
    fn messages_are_counted_over_people_and_windows() {
        let mut log = Log::default();
        for (at, person, opaque) in
            [(0, 1, "a"), (500, 2, "b"), (999, 3, "c"), (1000, 1, "a"), (DAY_MS, 4, "d")]
        {
            log.push(message(at, person, opaque));
        }
        log.tell(0, Step::Read);
        let summary = log.summary();
        assert_eq!((summary.accepted, summary.recipients, summary.duplicates), (5, 4, 1));
        assert_eq!(summary.repeated_callback_data, 1);
        assert_eq!((summary.peak_per_second, summary.peak_recipients_per_day), (3, 4));
        assert_eq!(summary.shortest_pair_gap_ms, Some(1000));
        assert_eq!(
            (summary.told.delivered, summary.told.read, summary.acknowledged.read),
            (1, 1, 0)
        );
    }
}

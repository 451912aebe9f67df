//! Totals over the log.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::message::Message;
use super::store::Log;
use crate::delivery_plan::{Step, Steps};

const SECOND_MS: u64 = 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Totals over the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// Requests to the message endpoints, read receipts included.
    pub requests: u64,
    /// Accepted messages.
    pub accepted: u64,
    /// Unique recipients of accepted messages.
    pub recipients: u64,
    /// Messages to a recipient of an earlier message: `accepted - recipients`.
    pub duplicates: u64,
    /// Messages with the `biz_opaque_callback_data` of an earlier message.
    pub repeated_callback_data: u64,
    /// Accepted messages whose response was lost.
    pub lost_responses: u64,
    /// Steps reported by webhook. A repeated report counts once.
    pub reported: StepCounts,
    /// Steps that the webhook acknowledged with 200. A repeated report counts once.
    pub acknowledged: StepCounts,
    /// Refused requests by error code, 5xx faults included.
    pub refusals: BTreeMap<u32, u64>,
    /// Exceeded limits by error code, whether refused or only observed.
    pub violations: BTreeMap<u32, u64>,
    /// Messages from users, without generated replies.
    pub inbound: u64,
    /// Webhook requests.
    pub webhook_requests: u64,
    /// Webhook requests without a 200 response.
    pub webhook_failures: u64,
    /// Updates that the webhook did not acknowledge in time. They are not reported
    /// again.
    #[serde(default)]
    pub lost_events: u64,
    /// The maximum number of messages accepted within a second.
    pub peak_per_second: u64,
    /// The maximum number of unique recipients within 24 hours.
    pub peak_recipients_per_day: u64,
    /// The shortest interval between two messages from one number to one user, in
    /// milliseconds.
    pub shortest_pair_gap_ms: Option<u64>,
}

/// The number of messages with each step.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct StepCounts {
    /// `sent`.
    pub sent: u64,
    /// `delivered`, or `read` without `delivered`.
    pub delivered: u64,
    /// `read`.
    pub read: u64,
    /// `failed`.
    pub failed: u64,
    /// With a reply.
    pub replies: u64,
}

impl StepCounts {
    fn count(messages: &[Message], steps: impl Fn(&Message) -> Steps) -> Self {
        let mut counts = Self::default();
        for steps in messages.iter().map(steps) {
            counts.sent += u64::from(steps.contains(Step::Sent));
            counts.delivered +=
                u64::from(steps.contains(Step::Delivered) || steps.contains(Step::Read));
            counts.read += u64::from(steps.contains(Step::Read));
            counts.failed += u64::from(steps.contains(Step::Failed));
            counts.replies += u64::from(steps.contains(Step::Reply));
        }
        counts
    }
}

impl Log {
    pub(crate) fn summary(&self) -> Summary {
        let messages = self.messages();
        let recipients =
            messages.iter().map(|message| message.user).collect::<HashSet<_>>().len() as u64;
        let accepted = messages.len() as u64;
        Summary {
            requests: self.requests,
            accepted,
            recipients,
            duplicates: accepted - recipients,
            repeated_callback_data: repeated_callback_data(messages),
            lost_responses: messages.iter().filter(|message| message.response_lost).count() as u64,
            reported: StepCounts::count(messages, |message| message.reported),
            acknowledged: StepCounts::count(messages, |message| message.acknowledged),
            refusals: self.refusals.clone(),
            violations: self.violations.clone(),
            inbound: self.inbound,
            webhook_requests: self.webhook_requests,
            webhook_failures: self.webhook_failures,
            lost_events: self.lost_events,
            peak_per_second: peak_per_second(messages),
            peak_recipients_per_day: peak_recipients_per_day(messages),
            shortest_pair_gap_ms: shortest_pair_gap(messages),
        }
    }
}

fn repeated_callback_data(messages: &[Message]) -> u64 {
    let all: Vec<_> =
        messages.iter().filter_map(|message| message.callback_data.as_deref()).collect();
    let distinct: HashSet<_> = all.iter().collect();
    (all.len() - distinct.len()) as u64
}

fn peak_per_second(messages: &[Message]) -> u64 {
    let mut window = VecDeque::new();
    let mut peak = 0;
    for message in messages {
        window.push_back(message.accepted_at);
        while window.front().is_some_and(|at| at + SECOND_MS <= message.accepted_at) {
            window.pop_front();
        }
        peak = peak.max(window.len());
    }
    peak as u64
}

fn peak_recipients_per_day(messages: &[Message]) -> u64 {
    let mut window: VecDeque<&Message> = VecDeque::new();
    let mut users: HashMap<u32, u32> = HashMap::new();
    let mut peak = 0;
    for message in messages {
        window.push_back(message);
        *users.entry(message.user).or_default() += 1;
        while let Some(old) =
            window.pop_front_if(|old| old.accepted_at + DAY_MS <= message.accepted_at)
        {
            remove_one(&mut users, old.user);
        }
        peak = peak.max(users.len());
    }
    peak as u64
}

fn remove_one(users: &mut HashMap<u32, u32>, user: u32) {
    if let Entry::Occupied(mut messages) = users.entry(user) {
        *messages.get_mut() -= 1;
        if *messages.get() == 0 {
            messages.remove();
        }
    }
}

fn shortest_pair_gap(messages: &[Message]) -> Option<u64> {
    let mut last: HashMap<(&str, u32), u64> = HashMap::new();
    messages
        .iter()
        .filter_map(|message| {
            let before =
                last.insert((&message.phone_number_id, message.user), message.accepted_at)?;
            Some(message.accepted_at.saturating_sub(before))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delivery_plan::DeliveryPlan;
    use crate::templates::Category;
    use crate::user::Identity;

    fn message(accepted_at: u64, user: u32, callback_data: &str) -> Message {
        Message {
            accepted_at,
            user,
            ordinal: 0,
            to: Arc::new(Identity { key: "14155550101".into(), user_id: None }),
            by_user_id: false,
            phone_number_id: Arc::from("1"),
            callback_data: Some(callback_data.into()),
            template: None,
            category: Category::Service,
            in_service_window: false,
            plan: DeliveryPlan::default(),
            reported: Steps::default(),
            acknowledged: Steps::default(),
            lost: Steps::default(),
            response_lost: false,
        }
    }

    #[test]
    fn the_summary_counts_recipients_duplicates_and_peaks() {
        let mut log = Log::default();
        for (at, user, callback_data) in
            [(0, 1, "a"), (500, 2, "b"), (999, 3, "c"), (1000, 1, "a"), (DAY_MS, 4, "d")]
        {
            log.push(message(at, user, callback_data));
        }
        log.mark_reported(0, Step::Read);
        let summary = log.summary();
        assert_eq!((summary.accepted, summary.recipients, summary.duplicates), (5, 4, 1));
        assert_eq!(summary.repeated_callback_data, 1);
        assert_eq!((summary.peak_per_second, summary.peak_recipients_per_day), (3, 4));
        assert_eq!(summary.shortest_pair_gap_ms, Some(1000));
        assert_eq!(
            (summary.reported.delivered, summary.reported.read, summary.acknowledged.read),
            (1, 1, 0)
        );
    }
}

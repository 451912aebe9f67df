use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon::time::Timestamp;
use serde::Deserialize;

/// Within this interval SQS accepts a repeated deduplication id but does not deliver
/// the message. Source: AWS, "Exactly-once processing in Amazon SQS".
const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);
/// Visibility timeout of the queue, as in `template.yaml`.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(330);

/// `sends.fifo` in memory. It can also lose messages and deliver them twice or out
/// of order.
#[derive(Debug, Default)]
pub(crate) struct FifoQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: Vec<QueueMessage>,
    /// Deduplication ids, and when they were received.
    deduplication_ids: Vec<(String, Timestamp)>,
    last_id: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct QueueMessage {
    pub(crate) id: u64,
    /// The message group: a connection's lane.
    pub(crate) group: String,
    pub(crate) body: String,
    /// While it is being handled, the end of its visibility timeout.
    hidden_until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct SendMessageRequest {
    #[serde(rename = "MessageBody")]
    body: String,
    #[serde(rename = "MessageGroupId")]
    group: String,
    #[serde(rename = "MessageDeduplicationId")]
    deduplication_id: String,
}

impl QueueMessage {
    /// Whether a sender has received it and its visibility timeout is not over.
    pub(crate) fn is_hidden_at(&self, now: Timestamp) -> bool {
        self.hidden_until.is_some_and(|until| until > now)
    }
}

impl FifoQueue {
    /// Responds to a request of the SDK with an HTTP status and a body.
    pub(crate) fn respond(&self, operation: &str, body: &[u8], now: Timestamp) -> (u16, String) {
        let request = serde_json::from_slice::<SendMessageRequest>(body);
        match (operation, request) {
            ("SendMessage", Ok(request)) => (200, self.send(request, now)),
            (_, _) => (400, r#"{"__type":"com.amazonaws.sqs#UnsupportedOperation"}"#.to_owned()),
        }
    }

    fn send(&self, request: SendMessageRequest, now: Timestamp) -> String {
        let mut state = self.state();
        state.deduplication_ids.retain(|(_, at)| now < *at + DEDUPLICATION_INTERVAL);
        let repeated =
            state.deduplication_ids.iter().any(|(id, _)| *id == request.deduplication_id);
        state.last_id += 1;
        let id = state.last_id;
        if !repeated {
            state.deduplication_ids.push((request.deduplication_id, now));
            let SendMessageRequest { body, group, .. } = request;
            state.messages.push(QueueMessage { id, group, body, hidden_until: None });
        }
        format!(r#"{{"MessageId":"{id}"}}"#)
    }

    /// The first message of each group that has none in flight. They are hidden for
    /// the visibility timeout. At most `max` are received.
    pub(crate) fn receive(&self, now: Timestamp, max: usize) -> Vec<QueueMessage> {
        let mut state = self.state();
        let in_flight = |message: &&QueueMessage| message.is_hidden_at(now);
        let mut busy_groups: Vec<String> =
            state.messages.iter().filter(in_flight).map(|m| m.group.clone()).collect();
        let mut received = Vec::new();
        for message in &mut state.messages {
            if received.len() == max {
                break;
            }
            if !busy_groups.contains(&message.group) {
                busy_groups.push(message.group.clone());
                message.hidden_until = Some(now + VISIBILITY_TIMEOUT);
                received.push(message.clone());
            }
        }
        received
    }

    /// The message at `random` modulo the queue's length, in flight or not: a
    /// duplicate delivery or one out of order.
    pub(crate) fn any_message(&self, random: u64) -> Option<QueueMessage> {
        let state = self.state();
        let count = state.messages.len() as u64;
        if count == 0 { None } else { state.messages.get((random % count) as usize).cloned() }
    }

    pub(crate) fn delete(&self, id: u64) {
        self.state().messages.retain(|message| message.id != id);
    }

    /// Ends a message's visibility timeout, so that it is delivered again.
    pub(crate) fn make_visible(&self, id: u64) {
        self.change_visibility(id, None);
    }

    /// Sets the end of a message's visibility timeout.
    pub(crate) fn hide_until(&self, id: u64, until: Timestamp) {
        self.change_visibility(id, Some(until));
    }

    fn change_visibility(&self, id: u64, hidden_until: Option<Timestamp>) {
        let mut state = self.state();
        let found = state.messages.iter_mut().find(|message| message.id == id);
        if let Some(message) = found {
            message.hidden_until = hidden_until;
        }
    }

    /// Loses all messages.
    pub(crate) fn purge(&self) {
        self.state().messages.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().messages.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

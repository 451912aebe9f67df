//! `sends.fifo` in memory, with all the faults a queue may have.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon::time::Timestamp;
use serde::Deserialize;

/// How long a repeated deduplication id is swallowed. Source: AWS, "Exactly-once
/// processing in Amazon SQS".
const SWALLOWED_FOR: Duration = Duration::from_mins(5);
/// How long a delivered message is hidden, as in `template.yaml`.
const HIDDEN_FOR: Duration = Duration::from_mins(30);

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Message>,
    seen: Vec<(String, Timestamp)>,
    count: u64,
}

/// A message on the queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Its number on this queue.
    pub(crate) id: u64,
    /// The lane.
    pub(crate) group: String,
    /// What it says.
    pub(crate) body: String,
    /// Hidden until then, while someone handles it.
    hidden_until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct SendRequest {
    #[serde(rename = "MessageBody")]
    body: String,
    #[serde(rename = "MessageGroupId")]
    group: String,
    #[serde(rename = "MessageDeduplicationId")]
    deduplication: String,
}

impl Queue {
    /// Answers a request of the SDK.
    pub(crate) fn answer(&self, operation: &str, body: &[u8], now: Timestamp) -> (u16, String) {
        let request = serde_json::from_slice::<SendRequest>(body);
        match (operation, request) {
            ("SendMessage", Ok(request)) => (200, self.send(request, now)),
            (_, _) => (400, r#"{"__type":"com.amazonaws.sqs#UnsupportedOperation"}"#.to_owned()),
        }
    }

    fn send(&self, request: SendRequest, now: Timestamp) -> String {
        let mut state = self.state();
        state.seen.retain(|(_, at)| now < *at + SWALLOWED_FOR);
        let swallowed = state.seen.iter().any(|(id, _)| *id == request.deduplication);
        state.count += 1;
        let id = state.count;
        if !swallowed {
            state.seen.push((request.deduplication, now));
            let SendRequest { body, group, .. } = request;
            state.waiting.push(Message { id, group, body, hidden_until: None });
        }
        format!(r#"{{"MessageId":"{id}"}}"#)
    }

    /// The next message of each group of which none is being handled; they are
    /// hidden from then on.
    pub(crate) fn receive(&self, now: Timestamp) -> Vec<Message> {
        let mut state = self.state();
        let hidden = |message: &Message| message.hidden_until.is_some_and(|until| until > now);
        let mut taken: Vec<String> =
            state.waiting.iter().filter(|m| hidden(m)).map(|m| m.group.clone()).collect();
        let mut received = Vec::new();
        for message in &mut state.waiting {
            if !taken.contains(&message.group) {
                taken.push(message.group.clone());
                message.hidden_until = Some(now + HIDDEN_FOR);
                received.push(message.clone());
            }
        }
        received
    }

    /// Any message, hidden or not: as a queue delivers that repeats itself or
    /// forgets the order.
    pub(crate) fn peek(&self, number: u64) -> Option<Message> {
        let state = self.state();
        let count = state.waiting.len() as u64;
        if count == 0 { None } else { state.waiting.get((number % count) as usize).cloned() }
    }

    /// Takes a handled message off.
    pub(crate) fn delete(&self, id: u64) {
        self.state().waiting.retain(|message| message.id != id);
    }

    /// Shows a message again that could not be handled.
    pub(crate) fn show(&self, id: u64) {
        let mut state = self.state();
        let found = state.waiting.iter_mut().find(|message| message.id == id);
        if let Some(message) = found {
            message.hidden_until = None;
        }
    }

    /// Loses everything.
    pub(crate) fn lose_all(&self) {
        self.state().waiting.clear();
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Sends webhook requests and the verification request.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{body, signature};
use crate::app::App;
use crate::behaviour::Webhooks;
use crate::delivery_plan::Step;
use crate::event_queue::{Event, EventKind};
use crate::log::LogLine;
use crate::rng::Rng;
use crate::state::{State, WebhookTarget};

/// How long a failed request keeps its slot, in real time. It limits the load on
/// an unavailable webhook when the simulator's clock runs fast.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

struct WebhookRequest {
    url: String,
    body: String,
    events: Vec<Event>,
}

/// Sends due events in concurrent requests. Never returns.
pub(crate) async fn run(app: Arc<App>) {
    let mut tick = interval(Duration::from_millis(app.config.tick_ms.max(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deliveries = JoinSet::new();
    loop {
        while deliveries.len() >= app.config.deliveries_in_flight.max(1) {
            deliveries.join_next().await;
        }
        match app.next_request() {
            Some(request) => drop(deliveries.spawn(deliver(Arc::clone(&app), request))),
            None => drop(tick.tick().await),
        }
        while deliveries.try_join_next().is_some() {}
    }
}

async fn deliver(app: Arc<App>, request: WebhookRequest) {
    if app.post(&request).await {
        app.state().acknowledge(&request.events);
        return;
    }
    sleep(FAILURE_PAUSE).await;
    let now = app.now();
    app.state().requeue(now, request.events);
}

impl App {
    fn next_request(&self) -> Option<WebhookRequest> {
        let now = self.now();
        let mut state = self.state();
        let url = state.webhook_target.as_ref().map(|target| target.url.clone())?;
        let behaviour = Arc::clone(&state.behaviour);
        let webhooks = &behaviour.webhooks;
        let (max, flush_ms) = state.batch_size(webhooks);
        let events = state.event_queue.take(now, max, flush_ms);
        if events.is_empty() {
            return None;
        }
        state.mark_reported(&events);
        let body = signature::escape_non_ascii(&body::body(&state, &events).to_string());
        Some(WebhookRequest { url, body, events })
    }

    /// Whether the webhook acknowledged the request.
    async fn post(&self, request: &WebhookRequest) -> bool {
        let signature = signature::header(&self.config.app_secret, request.body.as_bytes());
        let response = self
            .http
            .post(&request.url)
            .header("content-type", "application/json")
            .header("x-hub-signature-256", signature)
            .body(request.body.clone())
            .send()
            .await;
        response.is_ok_and(|response| response.status().as_u16() == 200)
    }

    /// Sends Meta's verification request. Returns whether the webhook echoed the
    /// challenge.
    pub(crate) async fn verify(&self, target: &WebhookTarget) -> bool {
        let challenge = self.state().next_id("challenge");
        let query = [
            ("hub.mode", "subscribe"),
            ("hub.challenge", &challenge),
            ("hub.verify_token", &target.verify_token),
        ];
        let Ok(url) = reqwest::Url::parse_with_params(&target.url, query) else {
            return false;
        };
        let Ok(response) = self.http.get(url).send().await else {
            return false;
        };
        let is_ok = response.status().as_u16() == 200;
        is_ok && response.text().await.is_ok_and(|text| text == challenge)
    }
}

impl State {
    /// The maximum number of events in the next request, and how long an incomplete
    /// batch waits.
    fn batch_size(&self, webhooks: &Webhooks) -> (usize, u64) {
        let requests = self.log.webhook_requests as u32;
        let is_batch = Rng::new(self.seed, "batch", "", requests).chance(webhooks.batched);
        if is_batch { (webhooks.batch_max, webhooks.flush_ms) } else { (1, 0) }
    }

    fn mark_reported(&mut self, events: &[Event]) {
        self.log.webhook_requests += 1;
        for event in events {
            let EventKind::Step { message, step } = event.kind else {
                continue;
            };
            self.log.mark_reported(message, step);
            if step == Step::Reply {
                let message = self.log.get(message);
                let user = self.users.get_mut(message.user);
                user.open_service_window(&message.phone_number_id, event.at);
            }
        }
    }

    fn acknowledge(&mut self, events: &[Event]) {
        let mut lines = Vec::new();
        for event in events {
            if let EventKind::Step { message, step } = event.kind {
                self.log.mark_acknowledged(message, step);
                lines.push(LogLine::Acknowledged { message, step });
            }
        }
        self.append_or_log(&lines);
        self.event_queue.finish(events.len());
    }

    /// Queues failed events again, with exponential backoff. Gives up events that
    /// failed for too long.
    fn requeue(&mut self, now: u64, events: Vec<Event>) {
        self.log.webhook_failures += 1;
        self.event_queue.finish(events.len());
        let behaviour = Arc::clone(&self.behaviour);
        let mut lost = Vec::new();
        for event in events {
            let first_failure_at = event.first_failure_at.unwrap_or(now);
            let due = now + backoff(&behaviour.webhooks, event.retries);
            if due > first_failure_at + behaviour.webhooks.retry_for_ms {
                lost.push(event);
                continue;
            }
            let retries = event.retries.saturating_add(1);
            let first_failure_at = Some(first_failure_at);
            self.event_queue.push(due, Event { retries, first_failure_at, ..event });
        }
        self.give_up(&lost);
    }

    fn give_up(&mut self, events: &[Event]) {
        self.log.lost_events += events.len() as u64;
        let mut lines = Vec::new();
        for event in events {
            if let EventKind::Step { message, step } = event.kind {
                self.log.mark_lost(message, step);
                lines.push(LogLine::Lost { message, step });
            }
        }
        self.append_or_log(&lines);
    }

    /// Appends to the log file. Nobody waits for these lines, so an error is logged.
    pub(crate) fn append_or_log(&mut self, lines: &[LogLine]) {
        let written = self.log_file.as_mut().map_or(Ok(()), |log_file| log_file.append(lines));
        if let Err(error) = written {
            tracing::error!(%error, "the log file cannot be written");
        }
    }
}

/// The time until the next retry, in milliseconds.
fn backoff(webhooks: &Webhooks, retries: u16) -> u64 {
    let backoff = webhooks.retry_base_ms.saturating_mul(1 << retries.min(30));
    backoff.min(webhooks.retry_max_ms)
}

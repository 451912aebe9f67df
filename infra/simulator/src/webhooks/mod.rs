//! Telling the product's webhook what happened, until it says 200.

mod envelope;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::log::Line;
use crate::queue::{Event, News};
use crate::world::{State, Target, World};

/// The least real time a refused request keeps its place, so that a receiver
/// that is down is not hammered, however fast the clock runs.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// One request: its body and what it tells.
struct Parcel {
    url: String,
    body: String,
    events: Vec<Event>,
}

/// Sends what falls due, some requests at a time, for as long as it is polled.
pub(crate) async fn run(world: Arc<World>) {
    let mut tick = interval(Duration::from_millis(world.config.tick_ms.max(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deliveries = JoinSet::new();
    loop {
        while deliveries.len() >= world.config.deliveries_in_flight.max(1) {
            deliveries.join_next().await;
        }
        match world.next_parcel() {
            Some(parcel) => drop(deliveries.spawn(deliver(Arc::clone(&world), parcel))),
            None => drop(tick.tick().await),
        }
        while deliveries.try_join_next().is_some() {}
    }
}

async fn deliver(world: Arc<World>, parcel: Parcel) {
    if world.post(&parcel).await {
        world.state().acknowledged(&parcel.events);
        return;
    }
    sleep(REFUSED_PAUSE).await;
    let now = world.now();
    world.state().refused(now, parcel.events);
}

impl World {
    fn next_parcel(&self) -> Option<Parcel> {
        let now = self.now();
        let mut state = self.state();
        let url = state.target.as_ref().map(|target| target.url.clone())?;
        let webhooks = Arc::clone(&state.behaviour);
        let webhooks = &webhooks.webhooks;
        let events = state.queue.take(now, webhooks.batch_max, webhooks.flush_ms);
        if events.is_empty() {
            return None;
        }
        state.tell(&events);
        let body = sign::escape(&envelope::body(&state, &events).to_string());
        Some(Parcel { url, body, events })
    }

    async fn post(&self, parcel: &Parcel) -> bool {
        let signature = sign::header(&self.config.app_secret, parcel.body.as_bytes());
        let answer = self
            .http
            .post(&parcel.url)
            .header("content-type", "application/json")
            .header("x-hub-signature-256", signature)
            .body(parcel.body.clone())
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status().as_u16() == 200)
    }

    /// Asks a webhook to prove itself, as Meta does before it takes one.
    pub(crate) async fn verify(&self, target: &Target) -> bool {
        let challenge = self.state().fresh_id("challenge");
        let query = [
            ("hub.mode", "subscribe"),
            ("hub.challenge", &challenge),
            ("hub.verify_token", &target.verify_token),
        ];
        let Ok(url) = reqwest::Url::parse_with_params(&target.url, query) else {
            return false;
        };
        let Ok(answer) = self.http.get(url).send().await else {
            return false;
        };
        let accepted = answer.status().as_u16() == 200;
        accepted && answer.text().await.is_ok_and(|text| text == challenge)
    }
}

impl State {
    fn tell(&mut self, events: &[Event]) {
        self.log.webhook_requests += 1;
        for event in events {
            let News::Step { message, step } = event.news else {
                continue;
            };
            self.log.tell(message, step);
            if step == crate::fate::Step::Reply {
                let person = self.log.get(message).person;
                self.people.get_mut(person).wrote_at = Some(event.at);
            }
        }
    }

    fn acknowledged(&mut self, events: &[Event]) {
        let mut lines = Vec::new();
        for event in events {
            if let News::Step { message, step } = event.news {
                self.log.acknowledge(message, step);
                lines.push(Line::Acknowledged { message, step });
            }
        }
        let written = self.journal.as_mut().map_or(Ok(()), |journal| journal.append(&lines));
        if let Err(error) = written {
            tracing::error!(%error, "the log file cannot be written");
        }
        self.queue.done(events.len());
    }

    /// Queues the events again, each after a gap that grows with its tries.
    fn refused(&mut self, now: u64, events: Vec<Event>) {
        self.log.webhook_refusals += 1;
        self.queue.done(events.len());
        let webhooks = Arc::clone(&self.behaviour);
        let webhooks = &webhooks.webhooks;
        for event in events {
            let doubled = webhooks.retry_base_ms.saturating_mul(1 << event.tries.min(30));
            let tries = event.tries.saturating_add(1);
            self.queue.push(now + doubled.min(webhooks.retry_max_ms), Event { tries, ..event });
        }
    }
}

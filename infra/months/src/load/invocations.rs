//! Invokes the functions as their triggers do.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use axum::body::Body;
use axum::http::Request;
use carillon::channel::whatsapp_cloud::signature::{HEADER, sign};
use carillon::time::Clock;
use jiff::SignedDuration;
use lambda_runtime::{Context, LambdaEvent};
use tower::{BoxError, ServiceExt};

use super::functions::{Functions, Platform, SenderContainers};
use super::memory::{Memory, counted, of_others};
use super::reports::{REDELIVERED_AFTER, Report, Reports, payload};
use crate::executor::Executor;
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::fixture::APP_SECRET;
use crate::runs::is_handled;

/// The time limits of the functions, as in `template.yaml`.
const SENDER_TIMEOUT: Duration = Duration::from_mins(5);
const SCHEDULER_TIMEOUT: Duration = Duration::from_mins(1);
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
const AGGREGATOR_TIMEOUT: Duration = Duration::from_mins(1);

/// What invokes the functions.
pub(super) struct Triggers {
    pub(super) executor: Executor,
    pub(super) platform: Platform,
    pub(super) functions: Functions,
    pub(super) senders: Arc<SenderContainers>,
    pub(super) reports: Arc<Reports>,
    pub(super) failures: Arc<Failures>,
    pub(super) memory: Arc<Memory>,
}

/// Counts invocations that failed.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<BTreeMap<&'static str, u64>>);

impl Failures {
    fn count(&self, function: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(function).or_default() += 1;
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Triggers {
    /// The schedule: a run each minute.
    pub(super) fn schedule(&mut self) {
        let (scheduler, failures) = (self.functions.scheduler.clone(), self.failures.clone());
        self.spawn("scheduler", SCHEDULER_TIMEOUT, async move {
            let now = scheduler.clock.now();
            let deadline = now + SignedDuration::try_from(SCHEDULER_TIMEOUT).unwrap_or_default();
            if scheduler.run_until(now, deadline).await.is_err() {
                failures.count("scheduler");
            }
        });
    }

    /// The event source mapping of the queue: one batch of each message group at a time.
    pub(super) fn deliver_batches(&mut self) -> Result<(), BoxError> {
        let clock = self.platform.clock.clone();
        for message in self.platform.queue.receive(clock.now(), self.senders.capacity()) {
            let (senders, queue) = (self.senders.clone(), self.platform.queue.clone());
            let (sender, clock, failures) = (senders.take()?, clock.clone(), self.failures.clone());
            self.spawn("sender", SENDER_TIMEOUT, async move {
                let receives = senders.count_receive(message.id);
                if is_handled(&sender, &message).await {
                    queue.delete(message.id);
                } else {
                    failures.count("sender");
                    let pause = SignedDuration::from_secs(2i64.pow(receives.min(8)));
                    queue.hide_until(message.id, clock.now() + pause);
                }
                senders.give_back(sender);
            });
        }
        Ok(())
    }

    /// Sends the webhooks that are due.
    pub(super) fn send_webhooks(&mut self) {
        for reports in self.reports.take_due(self.platform.clock.now()) {
            let router = self.functions.webhook.clone();
            let (clock, failures) = (self.platform.clock.clone(), self.failures.clone());
            let mut delivery = Delivery { reports, clock, to: self.reports.clone() };
            self.spawn("webhook", WEBHOOK_TIMEOUT, async move {
                let payload = payload(&delivery.reports);
                let request = Request::post("/webhooks/whatsapp")
                    .header(HEADER, sign(&APP_SECRET.into(), &payload))
                    .body(Body::from(payload));
                let Ok(request) = request else { return };
                match router.oneshot(request).await {
                    Ok(response) if response.status().is_success() => delivery.reports.clear(),
                    Ok(_) | Err(_) => failures.count("webhook"),
                }
            });
        }
    }

    /// The event source mapping of the stream: one invocation of each shard at a time.
    pub(super) fn deliver_records(&mut self) {
        for shard in self.platform.table.stream.begin() {
            let (aggregator, table) =
                (self.functions.aggregator.clone(), self.platform.table.clone());
            let failures = self.failures.clone();
            self.spawn("aggregator", AGGREGATOR_TIMEOUT, async move {
                let mut event = Event::default();
                event.records = table.stream.records(shard);
                let handled = aggregator.handle(LambdaEvent::new(event, Context::default())).await;
                if handled.is_err() {
                    failures.count("aggregator");
                }
                of_others(|| table.stream.end(shard, handled.is_ok()));
            });
        }
    }

    fn spawn(
        &mut self,
        function: &'static str,
        timeout: Duration,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let plan = FaultPlan::draw(&self.platform.rng, FaultRates::default());
        self.executor.spawn(plan, timeout, counted(self.memory.clone(), function, run));
    }
}

/// The reports of one webhook. Meta repeats what is not answered with 200.
struct Delivery {
    reports: Vec<Report>,
    clock: Clock,
    to: Arc<Reports>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.to.redeliver(take(&mut self.reports), self.clock.now() + REDELIVERED_AFTER);
    }
}

//! Fault rates of a month, and the faults planned for one function run.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::rng::SeededRng;

/// A call of the API dies at one of this many first requests.
const MAX_REQUESTS_OF_CALL: u64 = 14;

/// A planned crash or freeze happens at one of this many first requests of a run.
const MAX_REQUESTS_BEFORE_CRASH: u64 = 45;

/// How often each fault occurs, from 0 to 1,000 in 1,000. The default is no faults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FaultRates {
    /// Runs that crash or freeze, in 1,000 runs.
    pub(crate) crashes: u64,
    /// Requests to DynamoDB and SQS that fail, in 1,000 requests.
    pub(crate) request_errors: u64,
    /// Messages that WhatsApp refuses, in 1,000 messages.
    pub(crate) refusals: u64,
    /// Calls of the API that die half-way, and as many whose answer is lost, in 1,000 calls.
    pub(crate) broken_calls: u64,
    /// Senders that freeze within a request to WhatsApp, in 1,000 requests.
    pub(crate) frozen_sends: u64,
    /// Responses of WhatsApp that are lost, in 1,000 accepted messages or probes.
    pub(crate) lost_responses: u64,
}

/// A fault at one request to DynamoDB or SQS.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The service throttles the request.
    Throttled,
    /// Another transaction is at work on an item of the request.
    Conflict,
    /// The service answers 500 and does not apply the request.
    ErrorBefore,
    /// The service applies the request and answers 500.
    ErrorAfter,
    /// The process crashes before the request is applied.
    CrashBefore,
    /// The process crashes after the request is applied.
    CrashAfter,
    /// The process freezes for this long. The request is applied when it resumes.
    Freeze(Duration),
}

/// The faults planned for one function run.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    crash: Option<PlannedCrash>,
    /// Requests that fail, in 1,000 requests.
    request_errors: u64,
    requests: AtomicU64,
    crashed: CancellationToken,
}

/// A crash or a freeze at one request of the run.
#[derive(Debug, Clone, Copy)]
struct PlannedCrash {
    /// The request's number within the run, from 0.
    request: u64,
    fault: Fault,
}

tokio::task_local! {
    static CURRENT: Arc<FaultPlan>;
}

impl FaultPlan {
    /// Draws the faults of one run.
    pub(crate) fn draw(rng: &SeededRng, rates: FaultRates) -> Arc<Self> {
        let crash = rng.chance(rates.crashes).then(|| {
            let fault = match rng.below(5) {
                0 => Fault::CrashBefore,
                1 | 2 => Fault::CrashAfter,
                _ => Fault::Freeze(Duration::from_secs(rng.between(200, 5_000))),
            };
            PlannedCrash { request: rng.below(MAX_REQUESTS_BEFORE_CRASH), fault }
        });
        Self::new(crash, rates.request_errors)
    }

    /// Draws the faults of one call of the API: it dies at one of its requests, or none.
    pub(crate) fn draw_call(rng: &SeededRng, rates: FaultRates) -> Arc<Self> {
        let crash = rng.chance(rates.broken_calls).then(|| {
            let fault = if rng.chance(500) { Fault::CrashBefore } else { Fault::CrashAfter };
            PlannedCrash { request: rng.below(MAX_REQUESTS_OF_CALL), fault }
        });
        Self::new(crash, 0)
    }

    fn new(crash: Option<PlannedCrash>, request_errors: u64) -> Arc<Self> {
        let (requests, crashed) = (AtomicU64::new(0), CancellationToken::new());
        Arc::new(Self { crash, request_errors, requests, crashed })
    }

    /// The plan of the run that is being polled; none outside of runs, where no
    /// request fails.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Makes this the current plan while `run` is polled.
    pub(crate) fn scope<T>(
        self: Arc<Self>,
        run: impl Future<Output = T>,
    ) -> impl Future<Output = T> {
        CURRENT.scope(self, run)
    }

    /// The fault of the run's next request, if it meets one.
    pub(crate) fn next_fault(&self, rng: &SeededRng) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(crash) = self.crash.filter(|crash| crash.request == number) {
            return Some(crash.fault);
        }
        rng.chance(self.request_errors).then(|| match rng.below(4) {
            0 => Fault::Throttled,
            1 => Fault::Conflict,
            2 => Fault::ErrorBefore,
            _ => Fault::ErrorAfter,
        })
    }

    /// Crashes the process: the run never continues.
    pub(crate) async fn crash(&self) -> ! {
        self.crashed.cancel();
        pending().await
    }

    /// Completes when the process has crashed.
    pub(crate) async fn crashed(&self) {
        self.crashed.cancelled().await;
    }
}

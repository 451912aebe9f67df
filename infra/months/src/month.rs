//! One month: the clock advances, the functions run, and faults occur.

use std::time::Duration;

use carillon::campaign::{Campaign, Status};
use carillon::recipient::{Recipient, Status as RecipientStatus};
use jiff::SignedDuration;
use tower::BoxError;

use crate::fault_plan::FaultRates;
use crate::fixture::Fixture;
use crate::invariants::Liveness;
use crate::limit_changes::LimitChanges;
use crate::number_changes::NumberChanges;
use crate::operator::Operator;
use crate::rng::SeededRng;
use crate::runs::{AggregatorTrigger, RunLauncher, SchedulerTrigger, SenderTrigger, send_webhooks};
use crate::world::World;

const DAYS: i64 = 30;
/// After the month all campaigns must complete within this many days without faults.
const MAX_DAYS_WITHOUT_FAULTS: i64 = 90;

/// What a crash ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deployment {
    /// Each run is a process of its own. A crash ends that run.
    Aws,
    /// All runs share one process. A crash ends them all, and the process restarts.
    OneMachine,
}

pub(crate) struct Month {
    pub(crate) fixture: Fixture,
    pub(crate) operator: Operator,
    pub(crate) liveness: Liveness,
    number_changes: NumberChanges,
    limit_changes: LimitChanges,
    launcher: RunLauncher,
    schedulers: SchedulerTrigger,
    senders: SenderTrigger,
    aggregator: AggregatorTrigger,
    deployment: Deployment,
    sender_count: usize,
    /// How often the operator acts, in 1,000 steps.
    operator_actions: u64,
}

impl Month {
    /// Draws the month's settings and starts its campaigns.
    pub(crate) async fn new(seed: u64) -> Result<Self, BoxError> {
        Self::start(seed, false).await
    }

    /// The same month, whose requests to the table are recorded.
    pub(crate) async fn recorded(seed: u64) -> Result<Self, BoxError> {
        Self::start(seed, true).await
    }

    async fn start(seed: u64, is_recorded: bool) -> Result<Self, BoxError> {
        let rng = SeededRng::new(seed);
        let severity = rng.below(4);
        let operator_actions = rng.between(10, 180);
        let fault_rates = FaultRates {
            crashes: severity * 40,
            request_errors: severity * 12,
            broken_calls: severity * 60,
            frozen_sends: severity * 2,
            refusals: rng.below(4) * 80,
            lost_responses: rng.below(4) * 25,
        };
        let deployment = if rng.chance(500) { Deployment::Aws } else { Deployment::OneMachine };
        let sender_count = rng.between(1, 3) as usize;
        let mut world = match deployment {
            Deployment::Aws => World::draw_aws(&rng),
            Deployment::OneMachine => World::ONE_MACHINE,
        };
        world.is_recorded = is_recorded;
        let fixture = Fixture::new(seed, rng.clone(), fault_rates, sender_count, world).await?;
        let operator = Operator::new(&fixture).await?;
        fixture.monitor.read_stream()?;
        Ok(Self {
            number_changes: NumberChanges::draw(&rng, fixture.clock.now()),
            limit_changes: LimitChanges::draw(&rng, fixture.clock.now()),
            launcher: RunLauncher::new(fixture.clock.clone(), rng, fault_rates),
            fixture,
            operator,
            liveness: Liveness::default(),
            schedulers: SchedulerTrigger::default(),
            senders: SenderTrigger::default(),
            aggregator: AggregatorTrigger::new(world.stream_shards),
            deployment,
            sender_count,
            operator_actions,
        })
    }

    /// Runs 30 days with faults, then days without faults until everything is
    /// complete. Returns early at the first violation.
    pub(crate) async fn run(&mut self) -> Result<(), BoxError> {
        let end = self.fixture.clock.now() + SignedDuration::from_hours(DAYS * 24);
        while self.fixture.clock.now() < end {
            self.step().await?;
            if self.fixture.monitor.first_violation().is_some() {
                return Ok(());
            }
        }
        self.stop_faults();
        let days = SignedDuration::from_hours(MAX_DAYS_WITHOUT_FAULTS * 24);
        let end = self.fixture.clock.now() + days;
        while !self.is_complete() && self.fixture.clock.now() < end {
            self.operator.resume_all(&self.fixture).await?;
            self.step().await?;
            if self.fixture.monitor.first_violation().is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn stop_faults(&mut self) {
        self.operator_actions = 0;
        self.launcher.fault_rates = FaultRates::default();
        self.fixture.whatsapp.stop_faults();
        self.fixture.faults.note(self.fixture.clock.now());
    }

    /// Whether every campaign has ended and nothing is left to process.
    pub(crate) fn is_complete(&self) -> bool {
        let state = self.fixture.monitor.state();
        let has_ended =
            |campaign: &Campaign| matches!(campaign.status, Status::Completed | Status::Cancelled);
        let is_waiting = |recipient: &Recipient| {
            matches!(recipient.status, RecipientStatus::Pending | RecipientStatus::Sending)
        };
        self.operator.campaigns.iter().all(|id| state.campaign(*id).is_some_and(has_ended))
            && !state.recipients.values().any(is_waiting)
            && self.aggregator.has_processed(state.records.len())
            && self.operator.calls.is_empty()
            && self.launcher.executor.is_idle()
            && self.fixture.whatsapp.pending_events.is_empty()
    }

    async fn step(&mut self) -> Result<(), BoxError> {
        let rng = self.fixture.rng.clone();
        let is_busy = self.has_work();
        self.number_changes.make_due(&self.fixture);
        self.limit_changes.make_due(&self.fixture);
        let is_somebody_due = self.liveness.is_somebody_due();
        self.schedulers.trigger(&mut self.launcher, &self.fixture, is_busy, is_somebody_due);
        self.advance(rng.millis(100, 3_000)).await?;
        self.senders.deliver(&mut self.launcher, &self.fixture);
        send_webhooks(&mut self.launcher, &self.fixture);
        self.aggregator.deliver(&mut self.launcher, &self.fixture);
        let fault_rates = self.launcher.fault_rates;
        self.operator.calls.repeat_due(&mut self.fixture, fault_rates).await?;
        if rng.chance(self.operator_actions) {
            self.operator.act(&mut self.fixture, fault_rates).await?;
        }
        let duration = match (self.wakes_soon(), self.has_work()) {
            (true, _) => rng.millis(500, 40_000),
            // Who is due does not wait long for the scheduler.
            (false, _) if self.liveness.is_somebody_due() => rng.millis(1_000, 40_000),
            // All runs are frozen: the next steps can take over their work.
            (false, true) => rng.millis(5_000, 300_000),
            (false, false) => rng.millis(600_000, 24_000_000),
        };
        self.advance(duration).await?;
        self.check_contacts();
        self.check_liveness();
        Ok(())
    }

    fn check_liveness(&mut self) {
        let Fixture { monitor, faults, clock, .. } = &self.fixture;
        let violation = self.liveness.check(&monitor.state(), faults.last(), clock.now());
        if let Some(violation) = violation {
            monitor.report_violation(violation);
        }
    }

    fn check_contacts(&self) {
        let Fixture { whatsapp, monitor, clock, .. } = &self.fixture;
        if let Some(violation) = whatsapp.contact_violation(clock.now()) {
            monitor.report_violation(violation);
        }
    }

    /// Whether runs are in progress, the queue has messages, or a webhook is due
    /// within a minute.
    fn has_work(&self) -> bool {
        let (now, minute) = (self.fixture.clock.now(), SignedDuration::from_mins(1));
        !self.launcher.executor.is_idle()
            || !self.fixture.queue.is_empty()
            || self.fixture.whatsapp.pending_events.is_due_within(minute, now)
    }

    /// Whether a run continues within half a minute.
    fn wakes_soon(&self) -> bool {
        let soon = self.fixture.clock.now() + SignedDuration::from_secs(30);
        self.fixture.clock.next_wake().is_some_and(|wake| wake <= soon)
    }

    async fn advance(&mut self, duration: Duration) -> Result<(), BoxError> {
        let has_crash = self.launcher.executor.run_for(duration);
        self.fixture.monitor.read_stream()?;
        if has_crash {
            self.fixture.faults.note(self.fixture.clock.now());
        }
        if has_crash && self.deployment == Deployment::OneMachine {
            self.restart().await?;
        }
        if self.launcher.fault_rates.crashes > 0 && self.fixture.rng.chance(4) {
            self.fixture.queue.purge();
            self.fixture.faults.note(self.fixture.clock.now());
        }
        Ok(())
    }

    /// Restarts the one process: all runs end, and the embedded queue is empty.
    async fn restart(&mut self) -> Result<(), BoxError> {
        self.launcher.executor.abort_all();
        self.fixture.queue.purge();
        self.fixture.start_senders(self.sender_count)?;
        self.fixture.schedulers[0].recover().await?;
        self.fixture.monitor.read_stream()
    }
}

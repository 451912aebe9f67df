use carillon_foundations::ids::{IdSource, RunId};
use carillon_foundations::time::Clock;
use carillon_nouns::batch::{self, Batch, BatchRef, CloseReason, Lease};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::recipient::{self, BatchNumber, CancelReason, CursorRange, Recipient, Status};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::halt::{Scope, halt};
use super::run::Run;
use super::store::{self, BatchEnd};
use super::{CheckedRoute, Pacers, QueueError, Route, RouteError, Routes, SendQueue};

/// How many recipients are read at a time.
pub(super) const PAGE: u32 = 250;

/// Sends batches.
#[derive(Debug)]
pub struct Sender {
    /// The table.
    pub table: Table,
    /// The queue on which the rest of a batch is enqueued again.
    pub queue: SendQueue,
    /// The routes to the providers.
    pub routes: Routes,
    /// The pacers of the lanes.
    pub pacers: Pacers,
    /// The clock.
    pub clock: Clock,
    /// The source of run ids.
    pub ids: IdSource,
    /// Cancelled when the process ends: every run then hands back the rest of its batch.
    pub closing: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The batch is done.
    Done,
    /// The time ran out; the rest of the batch is enqueued again.
    HandedBack,
    /// The batch was done already, or another run has leased it.
    NotLeased,
}

/// Why a run failed. Recipients that it had claimed and not settled become `unconfirmed`.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no route to the provider.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A batch that this run has leased, with its campaign.
#[derive(Debug)]
pub(super) struct Leased {
    /// The lease.
    pub(super) lease: Lease,
    /// The batch.
    pub(super) batch: Batch,
    /// Its campaign.
    pub(super) campaign: Campaign,
}

/// Whether a leased batch can be sent.
enum Opened {
    /// It can, over this route.
    Route(Route),
    /// It cannot.
    Closed(CloseReason),
}

impl Sender {
    /// Sends a batch until it is done or `deadline` is near.
    pub async fn run(&self, name: &BatchRef, deadline: Timestamp) -> Result<RunEnd, DeliveryError> {
        let now = self.clock.now();
        let run = RunId::from_uuid(self.ids.uuid(now));
        let lease = Lease { run, until: deadline };
        let Some(batch) = batch::store::lease(&self.table, name, lease, now).await? else {
            return Ok(RunEnd::NotLeased);
        };
        let outcome = self.run_leased(batch, lease, now).await;
        if outcome.is_err() {
            // The next run need not wait for the lease to expire.
            batch::store::break_lease(&self.table, name, Some(run)).await?;
        }
        outcome
    }

    async fn run_leased(
        &self,
        batch: Batch,
        lease: Lease,
        now: Timestamp,
    ) -> Result<RunEnd, DeliveryError> {
        let Some(campaign) = campaign::store::get(&self.table, batch.name.campaign).await? else {
            let end = BatchEnd { used: 0, early: Some(CloseReason::CampaignMissing) };
            return self.close(&batch, lease.run, &end).await;
        };
        let mut leased = Leased { lease, batch, campaign };
        let route = match self.open(&leased, now).await? {
            Opened::Route(route) => route,
            Opened::Closed(reason) => return self.close_early(&leased, reason).await,
        };
        let used = self.reservations_used(&leased).await?.min(leased.batch.size);
        // Earlier runs used reservations of an older bucket, which stay there.
        store::renew_reservations(&self.table, &mut leased.batch, used, now).await?;
        Run::new(self, leased, route, used).run().await
    }

    async fn open(&self, leased: &Leased, now: Timestamp) -> Result<Opened, DeliveryError> {
        let Leased { batch, campaign, .. } = leased;
        if let Some(reason) = batch.close_reason_at(campaign, now) {
            return Ok(Opened::Closed(reason));
        }
        let obstacle = match self.routes.checked_route(batch.connection, now).await {
            Ok(CheckedRoute { route, obstacle: None }) => return Ok(Opened::Route(route)),
            Ok(CheckedRoute { obstacle: Some(obstacle), .. }) => obstacle.to_owned(),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        halt(&self.table, &Scope::Connection(batch.connection), &obstacle, now).await?;
        Ok(Opened::Closed(CloseReason::ConnectionUnusable))
    }

    pub(super) async fn close(
        &self,
        batch: &Batch,
        run: RunId,
        end: &BatchEnd,
    ) -> Result<RunEnd, DeliveryError> {
        store::close(&self.table, batch, run, end, self.clock.now()).await?;
        Ok(RunEnd::Done)
    }

    /// Closes a batch before the end of its range. What earlier runs used is counted, and
    /// what they did not settle is settled.
    async fn close_early(
        &self,
        leased: &Leased,
        reason: CloseReason,
    ) -> Result<RunEnd, DeliveryError> {
        let used = self.reservations_used(leased).await?.min(leased.batch.size);
        let end = BatchEnd { used, early: Some(reason) };
        self.close(&leased.batch, leased.lease.run, &end).await
    }

    /// Walks the range of a batch: settles claims of earlier runs (the lease is ours), and
    /// returns how many reservations of the batch were used.
    pub(super) async fn reservations_used(&self, leased: &Leased) -> Result<u32, DeliveryError> {
        let Leased { batch, campaign, .. } = leased;
        let mut used = 0;
        // A first run has nothing to settle, unless the campaign has ended since.
        if batch.runs <= 1 && !campaign.status.is_final() {
            return Ok(used);
        }
        // Recipients who were erased since are at the end of their shard.
        let (erased, end) = batch.until.erased_after();
        let ranges = [(batch.after.clone(), &batch.until), (Some(erased), &end)];
        for (mut after, until) in ranges {
            loop {
                let range = CursorRange { after: after.as_ref(), until: Some(until) };
                let recipients = campaign.recipients();
                let (page, next) =
                    recipient::store::walk(&self.table, recipients, range, PAGE).await?;
                for recipient in page {
                    used += self.settle_earlier_run(campaign, &batch.name, &recipient).await?;
                }
                let Some(next) = next else { break };
                after = Some(next);
            }
        }
        Ok(used)
    }

    /// Settles a recipient that an earlier run of the batch did not settle, and returns how
    /// many reservations of the batch it used.
    async fn settle_earlier_run(
        &self,
        campaign: &Campaign,
        batch: &BatchRef,
        recipient: &Recipient,
    ) -> Result<u32, StoreError> {
        let (table, number): (_, BatchNumber) = (&self.table, batch.batch_number());
        let key = campaign.recipients().key(&recipient.contact);
        let claimed_here = recipient.batch == Some(number);
        if claimed_here && recipient.status == Status::Pending && campaign.status.is_final() {
            let reason = CancelReason::CampaignOver;
            recipient::store::cancel(table, &key, recipient.attempt, reason).await?;
        }
        if claimed_here && recipient.status == Status::Sending {
            let now = self.clock.now();
            recipient::store::settle_lost(table, &key, recipient.attempt, now).await?;
        }
        Ok(recipient.reservations_used(number))
    }
}

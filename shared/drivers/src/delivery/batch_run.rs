//! A batch from its lease to its end.

use carillon_foundations::ids::RunId;
use carillon_nouns::batch::{self, Batch, BatchRef, CloseReason, Lease};
use carillon_nouns::campaign::{self, HaltCode};
use jiff::Timestamp;

use super::error::DeliveryError;
use super::halt::{Cause, Scope, halt};
use super::routes::Route;
use super::run::Run;
use super::sender::{Leased, RunEnd, Sender};
use super::store::{self, BatchEnd};

/// The route over which a leased batch is sent, or why the batch is closed.
type Opened = Result<Route, CloseReason>;

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
            return self.close_early(&batch, lease, 0, CloseReason::CampaignMissing).await;
        };
        let mut leased = Leased { lease, batch, campaign };
        let opened = self.open(&leased, now).await?;
        let used = self.reservations_used(&leased).await?.min(leased.batch.size);
        let route = match opened {
            Ok(route) => route,
            Err(reason) => return self.close_early(&leased.batch, lease, used, reason).await,
        };
        // Earlier runs used reservations of an older bucket, which stay there.
        store::renew_reservations(&self.table, &mut leased.batch, used, now).await?;
        Run::new(self, leased, route, used).run().await
    }

    async fn open(&self, leased: &Leased, now: Timestamp) -> Result<Opened, DeliveryError> {
        let Leased { batch, campaign, .. } = leased;
        if let Some(reason) = batch.close_reason_at(campaign, now) {
            return Ok(Err(reason));
        }
        let obstacle = match self.routes.checked_route(batch.connection, now).await {
            Ok((route, None)) => return Ok(Ok(route)),
            Ok((_, Some(obstacle))) => obstacle.to_owned(),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        let cause = Cause::new(HaltCode::ConnectionUnusable, obstacle);
        halt(&self.table, &Scope::Connection(batch.connection), &cause, now).await?;
        Ok(Err(CloseReason::ConnectionUnusable))
    }

    /// Closes a batch before the end of its range. Earlier runs have `used` some reservations.
    async fn close_early(
        &self,
        batch: &Batch,
        lease: Lease,
        used: u32,
        reason: CloseReason,
    ) -> Result<RunEnd, DeliveryError> {
        let end = BatchEnd { used, early: Some(reason) };
        store::close(&self.table, batch, lease.run, &end, self.clock.now()).await?;
        Ok(RunEnd::Done)
    }
}

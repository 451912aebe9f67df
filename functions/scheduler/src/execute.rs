use carillon::batch::{self, Batch};
use carillon::campaign::store::ChangeError;
use carillon::campaign::{self, Action, Campaign, Status};
use carillon::delivery::{DeliveryError, enqueue};
use carillon::plan::Plan;
use carillon::table::{StoreError, condition_held};
use carillon::time::Timestamp;

use crate::Scheduler;
use crate::batches::BatchMaker;
use crate::plan_input::PlanInput;

impl Scheduler {
    /// Activates scheduled campaigns whose start has come.
    pub(crate) async fn activate_due(&self, now: Timestamp) -> Result<(), StoreError> {
        for campaign in campaign::store::all(&self.table, Status::Scheduled).await? {
            if campaign.settings.scheduled_start.is_some_and(|start| start > now) {
                continue;
            }
            let (table, id) = (&self.table, campaign.id);
            match campaign::store::change_status(table, id, Action::Activate, None, now).await {
                Ok(changed) => tracing::info!(campaign = %id, status = %changed.status, "campaign"),
                Err(ChangeError::Illegal(_) | ChangeError::Unknown) => {}
                Err(ChangeError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Enqueues open batches again whose message may be lost or whose sender is gone.
    pub(crate) async fn requeue_batches(&self, now: Timestamp) -> Result<(), DeliveryError> {
        for batch in batch::store::open(&self.table).await? {
            if batch.needs_requeue(now) {
                enqueue(&self.table, &self.queue, &batch, now).await?;
            }
        }
        Ok(())
    }

    /// Makes and enqueues the batches of a plan, and returns them.
    pub(crate) async fn execute(
        &self,
        plan: &Plan,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<Vec<Batch>, DeliveryError> {
        let mut released = Vec::new();
        for allotment in &plan.allotments {
            let Some(campaign) = input.campaigns.get(&allotment.campaign) else { continue };
            let Some(connection) = input.connections.get(&campaign.settings.connection_id) else {
                continue;
            };
            let maker = BatchMaker { table: &self.table, connection, now };
            for batch in maker.make(campaign.clone(), allotment.messages).await? {
                enqueue(&self.table, &self.queue, &batch, now).await?;
                released.push(batch);
            }
        }
        Ok(released)
    }

    /// Completes campaigns whose scheduled end passed or that have no pending recipient.
    pub(crate) async fn finish_ended(
        &self,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (id, campaign) in &input.campaigns {
            if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
                self.end(campaign, now).await?;
            } else if !input.open.contains_key(id) {
                self.finish_if_exhausted(campaign, input, now).await?;
            }
        }
        Ok(())
    }

    async fn end(&self, campaign: &Campaign, now: Timestamp) -> Result<(), StoreError> {
        // This run may have changed it since it was read.
        let Some(campaign) = campaign::store::get(&self.table, campaign.id).await? else {
            return Ok(());
        };
        if campaign.status.after(Action::Complete).is_err() {
            return Ok(());
        }
        // Where it has changed meanwhile, the next run completes it.
        condition_held(campaign::store::end(&self.table, &campaign, now).await).map(drop)
    }

    /// Completes a campaign without open batches if it has no pending recipient. Where a run
    /// has walked on since the batches were counted, its walk shows this; otherwise the walk
    /// looks ahead.
    async fn finish_if_exhausted(
        &self,
        campaign: &Campaign,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(connection) = input.connections.get(&campaign.settings.connection_id) else {
            return Ok(());
        };
        let campaign = match campaign::store::get(&self.table, campaign.id).await? {
            Some(found) if found.version == campaign.version => {
                BatchMaker { table: &self.table, connection, now }.look_ahead(found).await?
            }
            other => other,
        };
        let Some(campaign) = campaign else { return Ok(()) };
        if campaign.is_exhausted(now)
            && campaign::store::complete(&self.table, &campaign, now).await?
        {
            tracing::info!(campaign = %campaign.id, "campaign completed");
        }
        Ok(())
    }
}

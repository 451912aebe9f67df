use carillon::batch;
use carillon::campaign::store::ChangeError;
use carillon::campaign::{self, Action, Campaign, Status};
use carillon::delivery::enqueue;
use carillon::plan::Plan;
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::batches::BatchMaker;
use crate::plan_input::PlanInput;
use crate::{Released, ScheduleError, Scheduler};

impl Scheduler {
    /// Activates scheduled campaigns whose start has come.
    pub(crate) async fn activate_due(&self, now: Timestamp) -> Result<(), ScheduleError> {
        for campaign in campaign::store::all(&self.table, Status::Scheduled).await? {
            if campaign.settings.scheduled_start.is_none_or(|start| start <= now) {
                self.change(&campaign, Action::Activate, now).await?;
            }
        }
        Ok(())
    }

    /// Enqueues open batches again whose message may be lost or whose sender is gone.
    pub(crate) async fn requeue_batches(&self, now: Timestamp) -> Result<(), ScheduleError> {
        for batch in batch::store::open(&self.table).await? {
            if batch.needs_requeue(now) {
                enqueue(&self.table, &self.queue, &batch, now).await?;
            }
        }
        Ok(())
    }

    /// Makes and enqueues the batches of a plan.
    pub(crate) async fn execute(
        &self,
        plan: &Plan,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<Released, ScheduleError> {
        let mut released = Released::default();
        for allotment in &plan.allotments {
            let Some(campaign) = input.campaigns.get(&allotment.campaign) else { continue };
            let Some(connection) = input.connections.get(&campaign.settings.connection_id) else {
                continue;
            };
            let maker = BatchMaker { table: &self.table, connection, now };
            for batch in maker.make(campaign.clone(), allotment.messages).await? {
                released.messages += batch.size;
                released.batches += 1;
                enqueue(&self.table, &self.queue, &batch, now).await?;
            }
        }
        Ok(released)
    }

    /// Completes campaigns whose scheduled end passed or that have no pending recipient.
    pub(crate) async fn finish_ended(
        &self,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        for (id, campaign) in &input.campaigns {
            if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
                self.end(campaign, now).await?;
            } else if !input.open.contains_key(id) {
                self.finish_if_exhausted(campaign.clone(), input, now).await?;
            }
        }
        Ok(())
    }

    async fn end(&self, campaign: &Campaign, now: Timestamp) -> Result<(), ScheduleError> {
        // This run may have changed it since it was read.
        let Some(campaign) = campaign::store::get(&self.table, campaign.id).await? else {
            return Ok(());
        };
        if campaign.status.after(Action::Complete).is_err() {
            return Ok(());
        }
        match campaign::store::end(&self.table, &campaign, now).await {
            // Changed meanwhile: the next run completes it.
            Ok(()) | Err(StoreError::Cancelled(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Completes a campaign without open batches if it has no pending recipient. Where a run
    /// has walked on since the batches were counted, its walk shows this; otherwise the walk
    /// looks ahead.
    async fn finish_if_exhausted(
        &self,
        campaign: Campaign,
        input: &PlanInput,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let Some(connection) = input.connections.get(&campaign.settings.connection_id) else {
            return Ok(());
        };
        let found = campaign::store::get(&self.table, campaign.id).await?;
        let campaign = match found {
            Some(found) if found.version == campaign.version => {
                let maker = BatchMaker { table: &self.table, connection, now };
                maker.look_ahead(found).await?
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

    async fn change(
        &self,
        campaign: &Campaign,
        action: Action,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        match campaign::store::change_status(&self.table, campaign.id, action, None, now).await {
            Ok(changed) => {
                tracing::info!(campaign = %changed.id, status = %changed.status, "campaign");
                Ok(())
            }
            Err(ChangeError::Illegal(_) | ChangeError::Unknown) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error.into()),
        }
    }
}

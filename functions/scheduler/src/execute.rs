use carillon::campaign::store::ChangeError;
use carillon::campaign::{self, Campaign, Move, Status};
use carillon::plan::{self, Batch, Plan};
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::gather::Situation;
use crate::{Released, ScheduleError, Scheduler};

impl Scheduler {
    /// Scheduled campaigns whose start has come go to work.
    pub(crate) async fn activate_due(&self, now: Timestamp) -> Result<(), ScheduleError> {
        for campaign in campaign::store::all(&self.table, Status::Scheduled).await? {
            if campaign.settings.scheduled_start.is_none_or(|start| start <= now) {
                self.change(&campaign, Move::Activate, now).await?;
            }
        }
        Ok(())
    }

    /// Batches that were written but never put on the queue, or whose message is
    /// lost, or whose sender is gone, are put on the queue again.
    pub(crate) async fn requeue_forgotten(&self, now: Timestamp) -> Result<(), ScheduleError> {
        for batch in plan::store::open_batches(&self.table).await? {
            if batch.is_forgotten(now, plan::store::QUEUE_PATIENCE) {
                self.enqueue(&batch, now).await?;
            }
        }
        Ok(())
    }

    /// Cuts off and enqueues what was allotted.
    pub(crate) async fn carry_out(
        &self,
        plan: &Plan,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<Released, ScheduleError> {
        let mut released = Released::default();
        for allotment in &plan.allotments {
            let Some(campaign) = situation.campaigns.get(&allotment.campaign) else { continue };
            let Some(connection) = situation.connections.get(&campaign.settings.connection_id)
            else {
                continue;
            };
            let cut = crate::walk::Cut { table: &self.table, connection, now };
            for batch in cut.batches(campaign.clone(), allotment.people).await? {
                released.people += batch.size;
                released.batches += 1;
                self.enqueue(&batch, now).await?;
            }
        }
        Ok(released)
    }

    async fn enqueue(&self, batch: &Batch, now: Timestamp) -> Result<(), ScheduleError> {
        if let Some(times) = plan::store::note_enqueued(&self.table, &batch.name, now).await? {
            self.queue.send(batch, times).await?;
        }
        Ok(())
    }

    /// Campaigns whose end has come, or whose recipients all had their turn, are
    /// completed.
    pub(crate) async fn finish_ended(
        &self,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        for (id, campaign) in &situation.campaigns {
            if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
                self.end(campaign, now).await?;
            } else if !situation.open.contains_key(id) {
                self.finish_if_exhausted(campaign.clone(), situation, now).await?;
            }
        }
        Ok(())
    }

    async fn end(&self, campaign: &Campaign, now: Timestamp) -> Result<(), ScheduleError> {
        // This run may have walked on in it since it was read.
        let Some(campaign) = campaign::store::get(&self.table, campaign.id).await? else {
            return Ok(());
        };
        if campaign.status.after(Move::Complete).is_err() {
            return Ok(());
        }
        match campaign::store::end(&self.table, &campaign, now).await {
            // Changed meanwhile: the next run looks again.
            Ok(()) | Err(StoreError::Cancelled(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// With no batch open, completes a campaign if nobody waits any more. Where
    /// this run, or another, walked on since the batches were counted, that walk
    /// has told; otherwise it is looked up.
    async fn finish_if_exhausted(
        &self,
        campaign: Campaign,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let Some(connection) = situation.connections.get(&campaign.settings.connection_id) else {
            return Ok(());
        };
        let found = campaign::store::get(&self.table, campaign.id).await?;
        let campaign = match found {
            Some(found) if found.version == campaign.version => {
                let cut = crate::walk::Cut { table: &self.table, connection, now };
                cut.look_ahead(found).await?
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
        wanted: Move,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        match campaign::store::change_status(&self.table, campaign.id, wanted, None, now).await {
            Ok(changed) => {
                tracing::info!(campaign = %changed.id, status = %changed.status, "campaign");
                Ok(())
            }
            Err(ChangeError::Refused(_) | ChangeError::Unknown) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error.into()),
        }
    }
}

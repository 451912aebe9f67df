use carillon::batch;
use carillon::campaign::store::ChangeError;
use carillon::campaign::{self, Action, Campaign, Status};
use carillon::delivery::{DeliveryError, enqueue};
use carillon::plan::Plan;
use carillon::table::{StoreError, condition_held};
use carillon::time::Timestamp;

use crate::Scheduler;
use crate::batches::{BatchMaker, Planned};
use crate::plan_input::PlanInput;
use crate::released::Released;
use crate::run::Run;

impl Scheduler {
    /// Activates scheduled campaigns whose start has come.
    pub(crate) async fn activate_due(&self, run: &mut Run) {
        let scheduled = campaign::store::each(&self.table, Status::Scheduled).await;
        for campaign in run.failures.keep_each("activate", scheduled) {
            let is_due = campaign.settings.scheduled_start.is_none_or(|start| start <= run.now);
            if is_due {
                let activated = self.activate(&campaign, run.now).await;
                run.failures.keep("activate", campaign.id, activated);
            }
        }
    }

    async fn activate(&self, campaign: &Campaign, now: Timestamp) -> Result<(), StoreError> {
        let (table, id) = (&self.table, campaign.id);
        match campaign::store::change_status(table, id, Action::Activate, None, now).await {
            Ok(changed) => {
                tracing::info!(campaign = %id, status = %changed.status, "campaign");
                Ok(())
            }
            Err(ChangeError::Illegal(_) | ChangeError::Unknown) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    /// Enqueues open batches again whose message may be lost or whose sender is gone.
    pub(crate) async fn requeue_batches(&self, run: &mut Run) {
        let open = batch::store::each_open(&self.table).await;
        for batch in run.failures.keep_each("requeue", open) {
            if batch.needs_requeue(run.now) {
                let enqueued = enqueue(&self.table, &self.queue, &batch, run.now).await;
                run.failures.keep("requeue", batch.name, enqueued);
            }
        }
    }

    /// Makes and enqueues batches of a plan: one turn for each campaign; who was planned the longest
    /// ago goes first. Returns the campaigns that have more to do.
    pub(crate) async fn release<'a>(
        &self,
        plan: &Plan,
        input: &'a PlanInput,
        released: &mut Released,
        run: &mut Run,
    ) -> Vec<Planned<'a>> {
        let mut waiting = planned(plan, input);
        waiting.sort_by_key(|planned| planned.active.campaign.planned_at);
        let mut unfinished = Vec::new();
        for (count, planned) in waiting.into_iter().enumerate() {
            // The first one always: it has waited longest.
            if count > 0 && !run.has_time_to_plan() {
                unfinished.push(planned);
                continue;
            }
            let id = planned.active.campaign.id;
            match self.plan_turn(planned, released, run.now).await {
                Ok(rest) => unfinished.extend(rest),
                Err(error) => run.failures.note("plan", id, error),
            }
        }
        unfinished
    }

    /// One turn of a planned campaign; returns it where there is more to do.
    pub(crate) async fn plan_turn<'a>(
        &self,
        mut planned: Planned<'a>,
        released: &mut Released,
        now: Timestamp,
    ) -> Result<Option<Planned<'a>>, DeliveryError> {
        let maker = BatchMaker { table: &self.table, connection: planned.connection, now };
        let mut made = Vec::new();
        let outcome = maker.turn(&mut planned, &mut made, &mut released.lanes).await;
        for batch in made {
            // One that is not enqueued is requeued by the next run.
            enqueue(&self.table, &self.queue, &batch, now).await?;
            released.batches.push(batch);
        }
        if outcome.is_err() {
            // It goes behind the others next time.
            let id = planned.active.campaign.id;
            campaign::store::note_planned(&self.table, id, now).await?;
        }
        outcome?;
        Ok((!planned.is_done()).then_some(planned))
    }

    /// Completes campaigns whose scheduled end passed.
    pub(crate) async fn end_overdue(&self, input: &PlanInput, run: &mut Run) {
        for (id, active) in &input.campaigns {
            if active.is_overdue(run.now) {
                let ended = self.end(&active.campaign, run.now).await;
                run.failures.keep("end", id, ended);
            }
        }
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
}

fn planned<'a>(plan: &Plan, input: &'a PlanInput) -> Vec<Planned<'a>> {
    let planned = plan.allotments.iter().filter_map(|allotment| {
        let active = input.campaigns.get(&allotment.campaign)?.clone();
        let connection = input.connections.get(&active.campaign.settings.connection_id)?;
        let mut candidates = input.candidates.iter();
        let candidate = candidates.find(|candidate| candidate.campaign == allotment.campaign)?;
        let may_walk = candidate.may_walk();
        Some(Planned { active, connection, left: allotment.messages, may_walk, conflicts: 0 })
    });
    planned.collect()
}

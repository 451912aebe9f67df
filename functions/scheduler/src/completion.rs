use std::collections::BTreeSet;

use carillon::campaign::{self, Status};
use carillon::connection::Connection;
use carillon::ids::CampaignId;
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Scheduler;
use crate::batches::BatchMaker;
use crate::plan_input::PlanInput;
use crate::planned::Active;

impl PlanInput {
    /// The campaigns whose walk may find that nobody is pending, with their
    /// connections, and when they were planned last; not those that are being sent to.
    pub(crate) fn finishing<'a>(
        &'a self,
        sending: &BTreeSet<CampaignId>,
        now: Timestamp,
    ) -> impl Iterator<Item = (CampaignId, &'a Connection, Option<Timestamp>)> {
        self.campaigns.values().filter_map(move |active| {
            let campaign = &active.campaign;
            let waits = campaign.walk.next_is_due
                || campaign.deferred_until(active.requeues, now).is_some();
            let connection = self.connections.get(&campaign.settings.connection_id)?;
            let finishes = !sending.contains(&campaign.id) && !active.is_overdue(now) && !waits;
            finishes.then_some((campaign.id, connection, campaign.planned_at))
        })
    }
}

impl Scheduler {
    /// Looks for the next recipient of a campaign without open batches, for one turn, and completes
    /// the campaign if nobody is pending. Returns whether there is more to read.
    pub(crate) async fn finish_turn(
        &self,
        id: CampaignId,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let requeues = campaign::store::requeues(&self.table, id).await?;
        // This run may have changed it since it was read.
        let Some(campaign) = campaign::store::get(&self.table, id).await? else {
            return Ok(false);
        };
        if campaign.status != Status::Active {
            return Ok(false);
        }
        let (before_walk, in_batches) = (Vec::new(), BTreeSet::new());
        let (pending, open_ranges) = (0, 0);
        let mut active =
            Active { campaign, pending, requeues, before_walk, in_batches, open_ranges };
        let mut has_more = false;
        if !active.campaign.is_exhausted(requeues, now) {
            let maker = BatchMaker { table: &self.table, connection, now };
            has_more = maker.look_ahead(&mut active).await?;
        }
        if active.campaign.is_exhausted(requeues, now)
            && campaign::store::complete(&self.table, &active.campaign, now).await?
        {
            tracing::info!(campaign = %id, "campaign completed");
        }
        Ok(has_more)
    }
}

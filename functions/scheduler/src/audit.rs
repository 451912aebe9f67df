use std::time::Duration;

use carillon::analytics;
use carillon::analytics::audit::{Audit, audit};
use carillon::campaign::store::Order;
use carillon::campaign::{self, Campaign, Status};
use carillon::table::StoreError;
use carillon::telemetry::{Metric, measure};
use carillon::time::{TimeZone, Timestamp};

use crate::Scheduler;
use crate::plan_input::PlanInput;

/// How long after its end a campaign is audited: statuses arrive for days.
const AUDIT_PERIOD: Duration = Duration::from_hours(7 * 24);
/// How many finished campaigns a run audits.
const MAX_FINISHED: u32 = 50;
/// The minutes of the hour in which they are audited; an audit takes several runs.
const AUDIT_MINUTES: std::ops::Range<i8> = 0..10;

impl Scheduler {
    /// Compares counters with a recount, one step of one shard of each campaign a run, and
    /// corrects differences.
    pub(crate) async fn audit(&self, input: &PlanInput, now: Timestamp) -> Result<(), StoreError> {
        for (id, shard) in &input.unaudited {
            // While batches are open, the recipients keep changing.
            if let Some(campaign) = input.campaigns.get(id)
                && !input.open.contains_key(id)
            {
                self.audit_shard(campaign, *shard, now).await?;
            }
        }
        if AUDIT_MINUTES.contains(&TimeZone::UTC.to_datetime(now).minute()) {
            for status in [Status::Completed, Status::Cancelled] {
                self.audit_finished(status, now).await?;
            }
        }
        Ok(())
    }

    async fn audit_finished(&self, status: Status, now: Timestamp) -> Result<(), StoreError> {
        let finished =
            campaign::store::list(&self.table, status, Order::NewestFirst, None, MAX_FINISHED)
                .await?;
        let recent =
            |campaign: &&Campaign| campaign.finished_at.is_some_and(|at| now < at + AUDIT_PERIOD);
        for campaign in finished.items.iter().filter(recent) {
            let (id, shards) = (campaign.id, campaign.shards);
            let snapshot = analytics::store::snapshot(&self.table, id, shards, now).await?;
            if let Some(shard) = snapshot.unaudited {
                self.audit_shard(campaign, shard, now).await?;
            }
        }
        Ok(())
    }

    async fn audit_shard(
        &self,
        campaign: &Campaign,
        shard: u16,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Audit::Corrected { missing } = audit(&self.table, campaign, shard, now).await? {
            measure(&[(Metric::CountersCorrected, 1)], now);
            tracing::error!(campaign = %campaign.id, shard, ?missing, "counters differed from a recount");
        }
        Ok(())
    }
}

use std::time::Duration;

use carillon::analytics;
use carillon::analytics::audit::{Audit, audit};
use carillon::campaign::{self, Campaign, Status};
use carillon::table::StoreError;
use carillon::telemetry::{Metric, measure};
use carillon::time::{TimeZone, Timestamp};

use crate::Scheduler;
use crate::gather::Situation;

/// How long after its end a campaign's counters are still audited: statuses come
/// for days.
const AFTER_THE_END: Duration = Duration::from_hours(7 * 24);
/// How many campaigns that are over are looked at.
const MOST_OVER: u32 = 50;
/// In which minutes of the hour they are; an audit takes several.
const MINUTES_FOR_THOSE_OVER: std::ops::Range<i8> = 0..10;

impl Scheduler {
    /// Compares counters with a recount, a step of one shard of each campaign a
    /// run, and mends what differs.
    pub(crate) async fn audit(
        &self,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (id, shard) in &situation.unaudited {
            // While batches are open, its recipients are never at rest.
            if let Some(campaign) = situation.campaigns.get(id)
                && !situation.open.contains_key(id)
            {
                self.audit_shard(campaign, *shard, now).await?;
            }
        }
        if MINUTES_FOR_THOSE_OVER.contains(&TimeZone::UTC.to_datetime(now).minute()) {
            for status in [Status::Completed, Status::Cancelled] {
                self.audit_those_over(status, now).await?;
            }
        }
        Ok(())
    }

    async fn audit_those_over(&self, status: Status, now: Timestamp) -> Result<(), StoreError> {
        let over = campaign::store::list(&self.table, status, None, MOST_OVER).await?;
        let lately = |over: &&Campaign| over.finished_at.is_some_and(|at| now < at + AFTER_THE_END);
        for campaign in over.items.iter().filter(lately) {
            let (id, shards) = (campaign.id, campaign.shards);
            let standing = analytics::store::standing(&self.table, id, shards, now).await?;
            if let Some(shard) = standing.unaudited {
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
        if let Audit::Mended { missing } = audit(&self.table, campaign, shard, now).await? {
            measure(&[(Metric::CountersMended, 1)], now);
            tracing::error!(campaign = %campaign.id, shard, ?missing, "counters differed from a recount");
        }
        Ok(())
    }
}

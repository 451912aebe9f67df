use std::collections::BTreeMap;

use carillon::analytics::{self, Report};
use carillon::batch::{self, Batch};
use carillon::campaign::{self, Campaign, Status};
use carillon::connection::{self, Connection, Lane};
use carillon::ids::{CampaignId, ConnectionId};
use carillon::plan::{Candidate, LaneKey, LaneLoad};
use carillon::quota::{self, QuotaStatus};
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Scheduler;

/// What the planner and the execution of its plan use.
pub(crate) struct PlanInput {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) lanes: BTreeMap<LaneKey, LaneLoad>,
    pub(crate) quotas: BTreeMap<String, QuotaStatus>,
    pub(crate) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// The number of open batches of each campaign.
    pub(crate) open: BTreeMap<CampaignId, u32>,
    /// The shard of each campaign that is audited next.
    pub(crate) unaudited: BTreeMap<CampaignId, u16>,
}

impl Scheduler {
    pub(crate) async fn plan_input(&self, now: Timestamp) -> Result<PlanInput, StoreError> {
        let active = campaign::store::all(&self.table, Status::Active).await?;
        let batches = batch::store::open(&self.table).await?;
        let connections = connection::store::all(&self.table).await?;
        let connections: BTreeMap<_, _> = connections.into_iter().map(|c| (c.id, c)).collect();
        let mut open: BTreeMap<CampaignId, u32> = BTreeMap::new();
        for batch in &batches {
            *open.entry(batch.name.campaign).or_default() += 1;
        }
        let mut unaudited = BTreeMap::new();
        let mut candidates = Vec::with_capacity(active.len());
        for campaign in &active {
            let snapshot =
                analytics::store::snapshot(&self.table, campaign.id, campaign.shards, now).await?;
            let pending = Report::of(&snapshot.tally).pending;
            unaudited.extend(snapshot.unaudited.map(|shard| (campaign.id, shard)));
            if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
                continue;
            }
            let connection = connections.get(&campaign.settings.connection_id);
            if connection.is_none() {
                tracing::error!(campaign = %campaign.id, "the campaign's connection does not exist");
            }
            let open = open.get(&campaign.id).copied().unwrap_or(0);
            candidates.push(Candidate::of(campaign, connection, pending, open, now));
        }
        Ok(PlanInput {
            lanes: self.lanes(&candidates, &connections, &batches).await?,
            quotas: self.quotas(&connections, now).await?,
            campaigns: active.into_iter().map(|campaign| (campaign.id, campaign)).collect(),
            candidates,
            connections,
            open,
            unaudited,
        })
    }

    async fn quotas(
        &self,
        connections: &BTreeMap<ConnectionId, Connection>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, QuotaStatus>, StoreError> {
        let mut quotas = BTreeMap::new();
        for group in connections.values().filter_map(|connection| connection.quota_group.as_ref()) {
            if !quotas.contains_key(group) {
                let quota = quota::store::get(&self.table, group).await?;
                quotas.insert(group.clone(), quota.status(now));
            }
        }
        Ok(quotas)
    }

    /// The lanes of the connections that have candidates.
    async fn lanes(
        &self,
        candidates: &[Candidate],
        connections: &BTreeMap<ConnectionId, Connection>,
        batches: &[Batch],
    ) -> Result<BTreeMap<LaneKey, LaneLoad>, StoreError> {
        let mut lanes = BTreeMap::new();
        for (id, _) in candidates.iter().filter_map(|candidate| candidate.lane) {
            let Some(connection) = connections.get(&id) else { continue };
            if lanes.contains_key(&(id, Lane::Fast)) {
                continue;
            }
            let health = connection::store::health(&self.table, id).await?;
            let provider = self.providers.get(&connection.provider.provider);
            let default = provider.map_or(1, |one| one.capabilities().throughput.default_mps);
            let throughput = connection.throughput(&health, default);
            for lane in Lane::CAMPAIGNS {
                lanes.insert((id, lane), LaneLoad { rate: lane.rate(throughput), open: 0 });
            }
        }
        for batch in batches {
            if let Some(load) = lanes.get_mut(&(batch.connection, batch.lane)) {
                load.open += u64::from(batch.size);
            }
        }
        Ok(lanes)
    }
}

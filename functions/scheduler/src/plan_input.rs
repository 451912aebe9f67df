use std::collections::{BTreeMap, BTreeSet};

use carillon::analytics::{self, Report};
use carillon::batch::{self, Batch};
use carillon::campaign::{self, Campaign, Status};
use carillon::connection::{self, Connection, Health, Lane};
use carillon::ids::{CampaignId, ConnectionId};
use carillon::plan::{self, Candidate, LaneKey, LaneLoad, MinimumShare, Plan, Slices, Work};
use carillon::quota::{self, QuotaStatus};
use carillon::recipient;
use carillon::table::{StoreError, Unreadable};
use carillon::time::Timestamp;
use futures::stream::{self, StreamExt};

use crate::Scheduler;
use crate::planned::Active;
use crate::released::Lanes;
use crate::run::Run;

/// How many campaigns are read at once.
const AT_ONCE: usize = 8;
/// How many recipients that go before the walk a run looks at for each campaign.
const MAX_BEFORE_WALK: u32 = 500;

/// What the planner and the execution of its plan use.
pub(crate) struct PlanInput {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) lanes: BTreeMap<LaneKey, LaneLoad>,
    pub(crate) slices: Lanes,
    pub(crate) quotas: BTreeMap<String, QuotaStatus>,
    pub(crate) campaigns: BTreeMap<CampaignId, Active>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
}

/// What was read of one campaign; the list of those who go before its walk may have unreadable
/// recipients.
type Found = (Active, Vec<Unreadable>);

impl PlanInput {
    /// Which campaigns may send now.
    pub(crate) fn plan(&self, share: MinimumShare) -> Plan {
        plan::plan(&self.candidates, &self.lanes, &self.quotas, share)
    }

    /// The highest use of a quota, in percent; 0 without a quota.
    pub(crate) fn quota_use(&self) -> u64 {
        self.quotas.values().filter_map(QuotaStatus::percent_reserved).max().unwrap_or(0)
    }
}

impl Scheduler {
    /// Reads what is planned; `None` where no list of campaigns or batches can be read. What
    /// can't be read of one campaign concerns that one alone.
    pub(crate) async fn plan_input(&self, run: &mut Run) -> Option<PlanInput> {
        let batches = batch::store::each_open(&self.table).await;
        let batches = run.failures.keep("plan", "open batches", batches)?;
        let batches: Vec<Batch> = run.failures.keep_each("plan", Ok(batches));
        let active = campaign::store::each(&self.table, Status::Active).await;
        let active: Vec<Campaign> = run.failures.keep_each("plan", active);
        let connections = connection::store::each(&self.table).await;
        let connections: Vec<Connection> = run.failures.keep_each("plan", connections);
        let connections: BTreeMap<_, _> = connections.into_iter().map(|c| (c.id, c)).collect();
        let (quotas, unknown) = self.quotas(&connections, run).await;
        let (mut candidates, mut campaigns) = (Vec::new(), BTreeMap::new());
        for active in self.read_each(active, &batches, run).await {
            let campaign = &active.campaign;
            let connection = connections.get(&campaign.settings.connection_id);
            if connection.is_none() {
                tracing::error!(campaign = %campaign.id, "the campaign's connection does not exist");
            }
            let group = connection.and_then(|connection| connection.quota_group.as_ref());
            let quota_is_known = group.is_none_or(|group| !unknown.contains(group));
            if !active.is_overdue(run.now) && quota_is_known {
                candidates.push(Candidate::of(campaign, connection, active.work(), run.now));
            }
            campaigns.insert(campaign.id, active);
        }
        let (lanes, slices) = self.lanes(&candidates, &connections, &batches, run).await;
        Some(PlanInput { candidates, lanes, slices, quotas, campaigns, connections })
    }

    async fn read_each(
        &self,
        active: Vec<Campaign>,
        batches: &[Batch],
        run: &mut Run,
    ) -> Vec<Active> {
        let now = run.now;
        let reading = active.into_iter().map(|campaign| async move {
            let id = campaign.id;
            (id, self.read(campaign, batches, now).await)
        });
        let found: Vec<_> =
            stream::iter(reading.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let mut all = Vec::with_capacity(found.len());
        for (id, found) in found {
            let Some((active, unreadable)) = run.failures.keep("plan", id, found) else { continue };
            for unreadable in unreadable {
                run.failures.note("plan", id, unreadable);
            }
            all.push(active);
        }
        all
    }

    /// What is left of a campaign. The requeues are read before the walk moves.
    async fn read(
        &self,
        campaign: Campaign,
        batches: &[Batch],
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let (table, id) = (&self.table, campaign.id);
        let requeues = campaign::store::requeues(table, id).await?;
        let tally = analytics::store::read(table, id, campaign.shards).await?;
        let listed = recipient::store::before_walk(table, id, now, MAX_BEFORE_WALK).await?;
        let of_campaign = || batches.iter().filter(|batch| batch.name.campaign == id);
        let in_batches: BTreeSet<_> =
            of_campaign().flat_map(|batch| batch.contacts.iter().copied()).collect();
        let (mut before_walk, mut unreadable) = (Vec::new(), Vec::new());
        for one in listed {
            match one {
                Ok(contact) if in_batches.contains(&contact) => {}
                Ok(contact) => before_walk.push(contact),
                Err(error) => unreadable.push(error),
            }
        }
        let open_ranges = of_campaign().filter(|batch| batch.is_range()).count() as u32;
        let pending = Report::of(&tally).pending;
        let active = Active { campaign, pending, requeues, before_walk, in_batches, open_ranges };
        Ok((active, unreadable))
    }

    /// The quotas of the connections, and the groups whose quota can't be read.
    async fn quotas(
        &self,
        connections: &BTreeMap<ConnectionId, Connection>,
        run: &mut Run,
    ) -> (BTreeMap<String, QuotaStatus>, BTreeSet<String>) {
        let groups: BTreeSet<&String> =
            connections.values().filter_map(|connection| connection.quota_group.as_ref()).collect();
        let (mut quotas, mut unknown) = (BTreeMap::new(), BTreeSet::new());
        for group in groups {
            let quota = quota::store::get(&self.table, group).await;
            match run.failures.keep("plan", "quota", quota) {
                Some(quota) => drop(quotas.insert(group.clone(), quota.status(run.now))),
                None => drop(unknown.insert(group.clone())),
            }
        }
        (quotas, unknown)
    }

    /// The lanes of the connections that have candidates, and their slices. Without its health,
    /// which can't be read, a connection has no lane with room.
    async fn lanes(
        &self,
        candidates: &[Candidate],
        connections: &BTreeMap<ConnectionId, Connection>,
        batches: &[Batch],
        run: &mut Run,
    ) -> (BTreeMap<LaneKey, LaneLoad>, Lanes) {
        let used: BTreeSet<ConnectionId> =
            candidates.iter().filter_map(|candidate| candidate.lane).map(|(id, _)| id).collect();
        let (mut lanes, mut slices) = (BTreeMap::new(), Lanes::default());
        for connection in used.iter().filter_map(|id| connections.get(id)) {
            let health = connection::store::health(&self.table, connection.id).await;
            let Some(health) = run.failures.keep("plan", connection.id, health) else { continue };
            let provider = self.providers.get(&connection.provider.provider);
            let default = provider.map_or(1, |one| one.capabilities().throughput.default_mps);
            let throughput = connection.throughput(&health, default);
            let open = || batches.iter().filter(|batch| batch.connection == connection.id);
            for lane in Lane::CAMPAIGNS {
                slices.0.insert((connection.id, lane), Slices::new(lane.slices(throughput)));
            }
            open().for_each(|batch| slices.add(batch));
            let set = self.set_slices(connection.id, &health, &slices).await;
            if run.failures.keep("plan", connection.id, set).is_none() {
                continue;
            }
            for lane in Lane::CAMPAIGNS {
                let in_lane = open().filter(|batch| batch.lane == lane);
                let open = in_lane.map(|batch| u64::from(batch.size)).sum();
                let load = LaneLoad { rate: lane.rate(throughput), open };
                lanes.insert((connection.id, lane), load);
            }
        }
        (lanes, slices)
    }

    /// Tells the senders how many slices the fast lane of a connection has, before a batch is
    /// made for one of them.
    async fn set_slices(
        &self,
        connection: ConnectionId,
        health: &Health,
        lanes: &Lanes,
    ) -> Result<(), StoreError> {
        let count = lanes.0.get(&(connection, Lane::Fast)).map_or(1, Slices::count);
        if count == health.slices(Lane::Fast) {
            return Ok(());
        }
        connection::store::set_fast_slices(&self.table, connection, count).await
    }
}

impl Active {
    fn work(&self) -> Work {
        Work {
            pending: self.pending,
            before_walk: self.before_walk.len() as u64,
            open_ranges: self.open_ranges,
            requeues: self.requeues,
        }
    }
}

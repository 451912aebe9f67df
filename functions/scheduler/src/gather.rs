use std::collections::BTreeMap;

use carillon::analytics::{self, Report};
use carillon::campaign::{self, Campaign, Status};
use carillon::connection::{self, Connection};
use carillon::ids::{CampaignId, ConnectionId};
use carillon::plan::{self, Batch, Candidate, LaneKey, LaneLoad, Places};
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Scheduler;

/// What the planner needs to know, and what carrying out its plan needs.
pub(crate) struct Situation {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) lanes: BTreeMap<LaneKey, LaneLoad>,
    pub(crate) portfolios: BTreeMap<String, Places>,
    pub(crate) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// How many batches of each campaign are open.
    pub(crate) open: BTreeMap<CampaignId, u32>,
    /// The shard of each campaign whose counters are to be audited next.
    pub(crate) unaudited: BTreeMap<CampaignId, u16>,
}

impl Scheduler {
    pub(crate) async fn gather(&self, now: Timestamp) -> Result<Situation, StoreError> {
        let active = campaign::store::all(&self.table, Status::Active).await?;
        let batches = plan::store::open_batches(&self.table).await?;
        let connections = connection::store::all(&self.table).await?;
        let connections: BTreeMap<_, _> = connections.into_iter().map(|c| (c.id, c)).collect();
        let open = count_open(&batches);
        let mut unaudited = BTreeMap::new();
        let mut candidates = Vec::with_capacity(active.len());
        for campaign in &active {
            let Some(connection) = connections.get(&campaign.settings.connection_id) else {
                tracing::error!(campaign = %campaign.id, "the campaign's connection is gone");
                continue;
            };
            let standing =
                analytics::store::standing(&self.table, campaign.id, campaign.shards, now).await?;
            let pending = Report::of(&standing.tally).pending;
            unaudited.extend(standing.unaudited.map(|shard| (campaign.id, shard)));
            if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
                continue;
            }
            let open = open.get(&campaign.id).copied().unwrap_or(0);
            candidates.push(candidate(campaign, connection, pending, open, now));
        }
        Ok(Situation {
            lanes: lanes(&connections, &batches),
            portfolios: self.portfolios(&connections, now).await?,
            campaigns: active.into_iter().map(|campaign| (campaign.id, campaign)).collect(),
            candidates,
            connections,
            open,
            unaudited,
        })
    }

    async fn portfolios(
        &self,
        connections: &BTreeMap<ConnectionId, Connection>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Places>, StoreError> {
        let mut portfolios = BTreeMap::new();
        for connection in connections.values() {
            if !portfolios.contains_key(&connection.portfolio) {
                let ledger = plan::store::ledger(&self.table, &connection.portfolio).await?;
                let (limit, free) = (ledger.people(), ledger.free(now));
                let places = Places { limit, free, next: ledger.next_free(now) };
                portfolios.insert(connection.portfolio.clone(), places);
            }
        }
        Ok(portfolios)
    }
}

fn count_open(batches: &[Batch]) -> BTreeMap<CampaignId, u32> {
    let mut open = BTreeMap::new();
    for batch in batches {
        *open.entry(batch.name.campaign).or_default() += 1;
    }
    open
}

fn lanes(
    connections: &BTreeMap<ConnectionId, Connection>,
    batches: &[Batch],
) -> BTreeMap<LaneKey, LaneLoad> {
    let mut lanes = BTreeMap::new();
    for connection in connections.values() {
        for lane in campaign::Lane::ALL {
            let load = LaneLoad { rate: lane.rate(connection.throughput_mps), open: 0 };
            lanes.insert((connection.id, lane.into()), load);
        }
    }
    for batch in batches {
        if let Some(load) = lanes.get_mut(&(batch.connection, batch.lane.into())) {
            load.open += u64::from(batch.size);
        }
    }
    lanes
}

fn candidate(
    campaign: &Campaign,
    connection: &Connection,
    pending: u64,
    open_batches: u32,
    now: Timestamp,
) -> Candidate {
    let settings = &campaign.settings;
    let zone = campaign.zone();
    let day = campaign.day_at(now);
    let tomorrow = day.date.tomorrow().ok().and_then(|date| date.to_zoned(zone.clone()).ok());
    let walk = &campaign.walk;
    let between_passes = walk.began_at.is_none() && walk.rewind.is_none();
    Candidate {
        campaign: campaign.id,
        priority: settings.priority,
        started_at: campaign.started_at.unwrap_or(campaign.created_at),
        lane: (connection.id, settings.speed.lane()),
        portfolio: connection.portfolio.clone(),
        today: day.date,
        planned_today: day.planned,
        left_today: settings.daily_send_limit.saturating_sub(day.planned),
        tomorrow: tomorrow.map_or(now, |zoned| zoned.timestamp()),
        window_opens: settings.send_window.as_ref().and_then(|window| window.opens(now, &zone)),
        // The counters run a moment behind: a batch's worth always may wait.
        waiting: pending.max(u64::from(plan::BATCH_SIZE)),
        put_off_until: campaign.asleep_until(now),
        pass_is_over: open_batches > 0 && (between_passes || walk.rewind.is_some()),
    }
}

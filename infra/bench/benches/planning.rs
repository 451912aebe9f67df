//! The planner: the pure function over many campaigns, and a whole run of the
//! scheduler over campaigns of many recipients.

use std::collections::BTreeMap;

use carillon::connection::Lane;
use carillon::ids::{CampaignId, ConnectionId, IdSource};
use carillon::plan::{Candidate, LaneLoad, MinimumShare, plan};
use carillon::quota::QuotaStatus;
use carillon_bench::{Stage, StageConfig, Stopwatch, head, row};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;
use whatsapp_simulator::Behaviour;

fn main() {
    head("The pure planner", &["campaigns", "recipients each", "µs a plan"]);
    for campaigns in [1, 10, 100] {
        for recipients in [1_000, 10_000, 100_000, 1_000_000] {
            measure_plan(campaigns, recipients);
        }
    }
    head(
        "A run of the scheduler that releases 250 people a campaign, on a file",
        &["campaigns", "recipients in all", "ms a run", "ms a run with nothing due"],
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (campaigns, recipients) in
        [(1, 1_000), (1, 10_000), (1, 100_000), (10, 10_000), (100, 25_000)]
    {
        runtime.block_on(measure_run(campaigns, recipients));
    }
}

fn candidates(campaigns: u64, pending: u64) -> Vec<Candidate> {
    let now = Timestamp::UNIX_EPOCH;
    let connection = ConnectionId::from_uuid(IdSource::seeded(0).uuid(now));
    (1..=campaigns)
        .map(|number| Candidate {
            campaign: CampaignId::from_uuid(IdSource::seeded(number).uuid(now)),
            priority: u8::try_from(number % 10 + 1).unwrap_or(1),
            started_at: now,
            lane: Some((connection, Lane::Fast)),
            quota_group: Some("p".to_owned()),
            today: Date::constant(2026, 11, 21),
            planned_today: 0,
            left_today: 250,
            tomorrow: now,
            window_opens: None,
            pending,
            before_walk: 0,
            deferred_until: None,
            pass_is_over: false,
        })
        .collect()
}

fn measure_plan(campaigns: u64, recipients: u64) {
    let candidates = candidates(campaigns, recipients);
    let lanes = candidates.iter().filter_map(|candidate| candidate.lane);
    let lanes = lanes.map(|lane| (lane, LaneLoad { rate: 894.0, open: 0 })).collect();
    let quota = QuotaStatus { limit: Some(100_000), free: 100_000, next_free_at: None };
    let quotas = BTreeMap::from([("p".to_owned(), quota)]);
    let (repeats, share) = (2_000, MinimumShare::default());
    let start = Stopwatch::start();
    for _ in 0..repeats {
        std::hint::black_box(plan(std::hint::black_box(&candidates), &lanes, &quotas, share));
    }
    let micros = start.seconds() * 1e6 / f64::from(repeats);
    row(&[campaigns.to_string(), recipients.to_string(), format!("{micros:.1}")]);
}

async fn measure_run(campaigns: u32, recipients: u32) {
    let config =
        StageConfig { behaviour: Behaviour::no_webhooks(), throughput: 1_000, counting: false };
    let stage = Stage::set(config).await;
    for number in 0..campaigns {
        let campaign = stage.campaign().await;
        let each = recipients / campaigns;
        stage.import(&campaign, number * each, each).await;
        let limit = json!({"daily_send_limit": 250});
        stage.patch(&format!("/v1/campaigns/{campaign}"), &limit).await;
        stage.post(&format!("/v1/campaigns/{campaign}/start"), &json!({})).await;
    }
    stage.host.wait_until_counted().await;
    let start = Stopwatch::start();
    stage.host.run_scheduler().await.expect("the scheduler runs");
    let busy = start.seconds() * 1e3;
    while !stage.host.all_batches_done().await.expect("the table answers") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    stage.host.run_scheduler().await.expect("the scheduler runs");
    let start = Stopwatch::start();
    stage.host.run_scheduler().await.expect("the scheduler runs");
    let idle = start.seconds() * 1e3;
    row(&[
        campaigns.to_string(),
        recipients.to_string(),
        format!("{busy:.1}"),
        format!("{idle:.1}"),
    ]);
    drop(stage);
}

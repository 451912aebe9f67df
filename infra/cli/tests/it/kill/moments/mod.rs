//! Merges, splits and erasures at random moments of running campaigns, while the program is
//! killed with SIGKILL and restarted. Some people have two lines in the campaign's file, some
//! have one line with two addresses. At the end of each campaign:
//!
//! - nobody got two messages, unless both were claimed before the merge, or a split had made
//!   two people of one;
//! - nobody is lost: every recipient was sent to, or was left out for a reason that holds;
//! - nobody was sent to after they were erased, and nothing is left of them;
//! - the report's counts equal a recount of the recipients.
//!
//! `just moments 1000` runs it with 1,000 moments in a release build. `CARILLON_MOMENTS` sets
//! their number, `CARILLON_SEED` their seed. A seed does not reproduce the machine's timing.

mod actions;
mod checks;
mod people;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use whatsapp_simulator::{Behaviour, Config, Delay, Delays, ForcedError, ReportedBy};

use super::program::{APP_SECRET, Program};
use super::setting;
use actions::Scene;
use people::Group;
use tally::Tally;

/// Moments of one campaign.
const MOMENTS: u32 = 100;
/// People of each campaign to whom nothing happens.
const UNTOUCHED: u32 = 60;
/// Messages a second of the connection.
const THROUGHPUT: u32 = 30;
/// "Too many messages to one user": sent again after 4 seconds.
const PAIR_LIMIT: u32 = 131_056;
/// How long a kill waits for a request that it can interrupt.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// Time in which a campaign must settle and its report must be complete.
const END_TIMEOUT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_merge_split_or_erasure_duplicates_or_loses_a_message() {
    let moments = u32::try_from(setting("CARILLON_MOMENTS", 40)).expect("a number of moments");
    let seed = setting("CARILLON_SEED", 20_261_122);
    let mut test = MomentsTest::start(seed).await;
    while test.tally.moments < moments {
        test.run_campaign(MOMENTS.min(moments - test.tally.moments)).await;
        eprintln!("{} of {moments} moments", test.tally.moments);
    }
    let report = test.tally.report(seed);
    println!("{report}");
    assert!(test.tally.violations().is_empty(), "{report}");
    test.program.end().shutdown().await;
}

struct MomentsTest {
    seed: u64,
    rng: StdRng,
    program: Program,
    tally: Tally,
}

impl MomentsTest {
    async fn start(seed: u64) -> Self {
        let program = Program::start(simulator_config(seed), THROUGHPUT).await;
        Self { seed, rng: StdRng::seed_from_u64(seed), program, tally: Tally::default() }
    }

    /// Runs one campaign with so many moments, and checks its outcome.
    async fn run_campaign(&mut self, moments: u32) {
        let sizes = (moments, UNTOUCHED);
        let mut groups =
            people::groups(self.tally.campaigns, sizes, &self.program.simulator, &mut self.rng);
        self.program.simulator.set_behaviour(behaviour(&groups));
        let first = self.program.simulator.log().len();
        let campaign = self.import(&mut groups).await;
        let imported =
            groups.iter().map(|one| one.recipients.iter().flatten().count() as u64).sum();
        let scene = Scene::new(self.program.client.clone(), campaign, first as u64, imported);
        let scene = Arc::new(scene);
        let mut acting = JoinSet::new();
        for group in groups {
            let (scene, rng) = (Arc::clone(&scene), StdRng::from_rng(&mut self.rng));
            acting.spawn(async move { scene.perform(group, rng).await });
        }
        let groups = self.kill_until_over(&scene, &mut acting).await;
        let recipients = self.wait_for_report(&scene).await;
        let log = self.program.simulator.log().split_off(first);
        self.tally.lost_responses += log.iter().filter(|one| one.response_lost).count() as u64;
        self.tally.refusals = self.program.simulator.summary().refusals.values().sum();
        self.tally.add(checks::check(&recipients, &log, &groups));
        self.tally.unanswered += scene.unanswered.load(Ordering::Relaxed);
        self.tally.conflicts += scene.conflicts.load(Ordering::Relaxed);
        self.tally.campaigns += 1;
        self.tally.moments += moments;
    }

    /// Creates, imports and starts a campaign, and notes the contacts of the groups.
    async fn import(&mut self, groups: &mut [Group]) -> String {
        let client = &self.program.client;
        let number = self.tally.campaigns;
        let request = json!({
            "name": format!("Moments {number}"), "connection_id": self.program.connection,
            "speed": "fast", "daily_send_limit": 100_000,
            "message": {"type": "template", "template": {"name": "spring_offer", "language": "es", "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
            ]}},
        });
        let key = format!("create-{number}");
        let created = client.post_until_done("/v1/campaigns", &key, &request).await;
        let id = created["id"].as_str().expect("an id").to_owned();
        client.upload_until_done(&id, &people::csv(groups, &mut self.rng)).await;
        let recipients = client.recipients(&id).await.expect("the program answers");
        let contacts: BTreeMap<&str, &str> = recipients
            .iter()
            .filter_map(|one| Some((one["address"].as_str()?, one["contact_id"].as_str()?)))
            .collect();
        for group in groups {
            let [one, other] = group
                .addresses
                .each_ref()
                .map(|address| contacts.get(address.as_str()).map(|contact| (*contact).to_owned()));
            // A recipient with two addresses shows one of them.
            group.recipients =
                if group.starts_as_one() { [one.or(other), None] } else { [one, other] };
            let holder = |side: usize| group.recipients[side].clone();
            let first = holder(0).expect("a recipient");
            group.holders = [first.clone(), holder(1).unwrap_or(first)];
        }
        let start = format!("/v1/campaigns/{id}/start");
        client.post_until_done(&start, &format!("start-{number}"), &json!({})).await;
        id
    }

    /// Kills the program at random moments until nobody is pending and all acts are done.
    async fn kill_until_over(&mut self, scene: &Scene, acting: &mut JoinSet<Group>) -> Vec<Group> {
        let mut groups = Vec::new();
        let ended = async {
            while !acting.is_empty() || !scene.over.load(Ordering::Relaxed) {
                let pause = Duration::from_millis(self.rng.random_range(300..3_000));
                self.count_messages(scene, pause).await;
                let within = tokio::time::timeout(REQUEST_TIMEOUT, wait_for_request(scene)).await;
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..5))).await;
                self.tally.kills_in_requests +=
                    u64::from(within.is_ok() && scene.in_flight.load(Ordering::Relaxed) > 0);
                self.program.kill_and_restart();
                self.tally.kills += 1;
                while let Some(group) = acting.try_join_next() {
                    groups.push(group.expect("the acts of a group"));
                }
                if is_settled(scene).await {
                    scene.over.store(true, Ordering::Relaxed);
                }
            }
        };
        if tokio::time::timeout(END_TIMEOUT, ended).await.is_err() {
            let path = format!("/v1/campaigns/{}/report", scene.campaign);
            let report = scene.client.get(&path).await;
            panic!("seed {}: the campaign does not end: {report:?}", self.seed);
        }
        groups
    }

    /// Tells the scene for so long how many messages were accepted.
    async fn count_messages(&self, scene: &Scene, time: Duration) {
        let counting = async {
            loop {
                let sent = self.program.simulator.summary().accepted - scene.first;
                scene.sent.store(sent, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // The loop has no end.
        let _ = tokio::time::timeout(time, counting).await;
    }

    /// The recipients, once all webhooks have arrived and the report's counts equal them.
    async fn wait_for_report(&self, scene: &Scene) -> Vec<Value> {
        let Scene { client, campaign, .. } = scene;
        let mut differences = Vec::new();
        for _ in 0..END_TIMEOUT.div_duration_f64(POLL) as u32 {
            tokio::time::sleep(POLL).await;
            if self.program.simulator.pending_events() > 0 {
                continue;
            }
            let report = client.get(&format!("/v1/campaigns/{campaign}/report")).await;
            let recipients = client.recipients(campaign).await;
            let (Some(report), Some(recipients)) = (report, recipients) else { continue };
            differences = checks::differences(&report, &recipients);
            if !is_done(&report) {
                continue;
            }
            if differences.is_empty() {
                return recipients;
            }
        }
        panic!("seed {}: the report differs from a recount: {differences:?}", self.seed);
    }
}

/// Whether the report says that nobody is pending.
async fn is_settled(scene: &Scene) -> bool {
    let report = scene.client.get(&format!("/v1/campaigns/{}/report", scene.campaign)).await;
    report.is_some_and(|report| {
        is_done(&report) && report["recipients"].as_u64() >= Some(scene.imported)
    })
}

fn is_done(report: &Value) -> bool {
    report["pending"] == 0 && report["sending"] == 0
}

async fn wait_for_request(scene: &Scene) {
    while scene.in_flight.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn simulator_config(seed: u64) -> Config {
    Config {
        seed,
        app_secret: APP_SECRET.to_owned(),
        behaviour: behaviour(&[]),
        ..Config::default()
    }
}

/// Statuses come late, so that a merge over the API is often earlier than the one that they
/// lead to.
fn behaviour(groups: &[Group]) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    behaviour.delays = Delays {
        sent: Delay::between(50, 1_500, 6_000),
        delivered: Delay::between(10, 200, 1_500),
        read: Delay::between(10, 300, 1_500),
        ..Delays::default()
    };
    behaviour.webhooks.retry_max_ms = 2_000;
    // A stranger has one address only, so that a split names all of them.
    behaviour.webhooks.user_ids = false;
    behaviour.faults.latency_ms = 20;
    behaviour.faults.latency_jitter_ms = 60;
    behaviour.faults.lost_response = 0.01;
    for group in groups {
        let refused = ForcedError {
            code: PAIR_LIMIT,
            times: Some(group.refusals),
            reported_by: ReportedBy::Response,
        };
        behaviour.faults.forced.extend(group.refused_phone().map(|phone| (phone, refused)));
    }
    behaviour
}

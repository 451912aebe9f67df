//! The kill test. It kills the program with SIGKILL at random moments while it imports,
//! plans, sends and receives webhooks, and restarts it on the same folder. The simulator
//! runs in the test's process and logs every message that it accepts. At the end:
//!
//! - no message was accepted twice;
//! - every recipient is accounted for, and the statuses add up to the number imported;
//! - every accepted message is settled by its webhooks;
//! - a recipient that is `unconfirmed` was never sent to, and was in flight at a kill.
//!
//! `just kill-test 200` runs it with 200 kills in a release build. `CARILLON_KILLS` sets
//! the number of kills, `CARILLON_SEED` the seed of their moments. A seed does not
//! reproduce the machine's timing.

mod client;
mod moments;
mod program;
mod tally;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Delay, Delays, Number};

use client::Client;
use program::{APP_SECRET, Program};
use tally::Tally;

/// Recipients of each campaign.
const RECIPIENTS: u32 = 1_000;
/// The sender's limit of messages in flight in one lane.
const MAX_IN_FLIGHT: u64 = 64;
/// Time in which a campaign must settle after the last kill.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_duplicates_or_loses_a_message() {
    let kills = u32::try_from(setting("CARILLON_KILLS", 3)).expect("a number of kills");
    let mut test = KillTest::start(kills, setting("CARILLON_SEED", 20_261_121)).await;
    while test.tally.kills < kills {
        test.run_campaign().await;
    }
    test.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "the environment sets the number of kills")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct KillTest {
    /// Kills after which the test ends.
    kills: u32,
    seed: u64,
    rng: StdRng,
    program: Program,
    tally: Tally,
}

impl KillTest {
    async fn start(kills: u32, seed: u64) -> Self {
        let program = Program::start(simulator_config(seed), 250).await;
        let (rng, tally) = (StdRng::seed_from_u64(seed), Tally::default());
        Self { kills, seed, rng, program, tally }
    }

    /// Runs one campaign, kills the program meanwhile, and checks the outcome.
    async fn run_campaign(&mut self) {
        let started = Arc::new(AtomicBool::new(false));
        let running = tokio::spawn(start_campaign(
            self.program.client.clone(),
            self.program.connection.clone(),
            self.tally.campaigns,
            started.clone(),
        ));
        self.kill_repeatedly(&started).await;
        let campaign = running.await.expect("the campaign is started");
        self.wait_until_settled(&campaign).await;
        self.verify(&campaign).await;
    }

    /// Kills the program at random moments until the campaign is settled or the number
    /// of kills is reached.
    async fn kill_repeatedly(&mut self, started: &AtomicBool) {
        let mut campaign: Option<String> = None;
        let mut in_flight = HashSet::<String>::new();
        // At most two kills happen before the campaign is started.
        let mut kills_before_start = self.rng.random_range(0..=2);
        loop {
            if kills_before_start == 0 {
                wait_until_set(started).await;
            }
            kills_before_start = u32::saturating_sub(kills_before_start, 1);
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(5..900))).await;
            let settled = match &campaign {
                Some(id) => self.is_settled(id).await == Some(true),
                None => false,
            };
            if self.tally.kills == self.kills || settled {
                return;
            }
            self.kill_and_restart(started.load(Ordering::Relaxed));
            if campaign.is_none() && started.load(Ordering::Relaxed) {
                let page = self.program.client.get("/v1/campaigns?limit=1").await;
                campaign = page.and_then(|page| page["items"][0]["id"].as_str().map(str::to_owned));
            }
            if let Some(id) = &campaign {
                let new = self.program.client.new_in_flight(id, &mut in_flight).await;
                self.tally.add_in_flight(new);
            }
            if self.tally.kills.is_multiple_of(20) {
                eprintln!("{} of {} kills", self.tally.kills, self.kills);
            }
        }
    }

    fn kill_and_restart(&mut self, campaign_is_started: bool) {
        let has_sent = self.program.simulator.summary().accepted > self.tally.accepted;
        let phase = match (campaign_is_started, has_sent) {
            (false, _) => "importing",
            (true, false) => "planning",
            (true, true) => "sending and receiving webhooks",
        };
        self.program.kill_and_restart();
        self.tally.add_kill(phase);
    }

    /// Whether no recipient is open and the simulator has no pending event; `None` if
    /// the program does not answer.
    async fn is_settled(&self, campaign: &str) -> Option<bool> {
        let report = self.program.client.get(&format!("/v1/campaigns/{campaign}/report")).await?;
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        let imported = count("recipients") == u64::from(RECIPIENTS);
        Some(
            imported
                && count("pending") + count("sending") == 0
                && self.program.simulator.due_events_acknowledged(),
        )
    }

    async fn wait_until_settled(&self, campaign: &str) {
        let settled = async {
            while self.is_settled(campaign).await != Some(true) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(SETTLE_TIMEOUT, settled).await.is_err() {
            let report = self.program.client.get(&format!("/v1/campaigns/{campaign}/report")).await;
            panic!("seed {}: the campaign does not settle: {report:?}", self.seed);
        }
    }

    /// Compares the campaign's recipients with the simulator's log.
    async fn verify(&mut self, campaign: &str) {
        let recipients =
            self.program.client.recipients(campaign).await.expect("the program answers");
        let mut accepted: HashMap<String, u64> = HashMap::new();
        for entry in self.program.simulator.log() {
            let callback = entry.biz_opaque_callback_data.unwrap_or_default();
            if callback.contains(campaign) {
                *accepted.entry(format!("+{}", entry.to)).or_default() += 1;
                self.tally.accepted += 1;
                self.tally.lost_responses += u64::from(entry.response_lost);
            }
        }
        self.tally.campaigns += 1;
        self.tally.recipients += recipients.len() as u64;
        self.tally.unaccounted += u64::from(RECIPIENTS).abs_diff(recipients.len() as u64);
        self.tally.duplicates += accepted.values().map(|times| times - 1).sum::<u64>();
        for recipient in &recipients {
            let contact = recipient["address"].as_str().expect("an address");
            let status = recipient["status"].as_str().expect("a status");
            self.tally.add_recipient(status, accepted.contains_key(contact));
        }
    }

    async fn finish(self) {
        let Self { seed, program, mut tally, .. } = self;
        let simulator = program.end();
        tally.failed_webhooks = simulator.summary().webhook_failures;
        let report = tally.report(seed);
        println!("{report}");
        assert_eq!((tally.duplicates, tally.unaccounted, tally.unsettled), (0, 0, 0), "{report}");
        // Each kill interrupts at most the messages in flight in the one lane.
        let max_unconfirmed = MAX_IN_FLIGHT * u64::from(tally.kills);
        assert!(tally.unconfirmed <= max_unconfirmed, "{report}");
        simulator.shutdown().await;
    }
}

fn simulator_config(seed: u64) -> Config {
    let mut behaviour = Behaviour::all_read();
    behaviour.delays = Delays {
        sent: Delay::between(5, 60, 600),
        delivered: Delay::between(10, 200, 1_500),
        read: Delay::between(10, 300, 2_000),
        ..Delays::default()
    };
    behaviour.faults.latency_ms = 20;
    behaviour.faults.latency_jitter_ms = 60;
    behaviour.faults.lost_response = 0.005;
    Config {
        seed,
        app_secret: APP_SECRET.to_owned(),
        numbers: vec![Number { throughput: Some(300), ..Number::default() }],
        behaviour,
        ..Config::default()
    }
}

/// Creates, imports and starts a campaign. Repeats every request until it succeeds,
/// because the program may be down. Returns the campaign's id.
async fn start_campaign(
    client: Client,
    connection: String,
    number: u32,
    started: Arc<AtomicBool>,
) -> String {
    let request = json!({
        "name": format!("Kill {number}"), "connection_id": connection, "speed": "fast",
        "daily_send_limit": 100_000,
        "message": {"type": "template", "template": {"name": "spring_offer", "language": "es", "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
        ]}},
    });
    let key = format!("create-{number}");
    let created: Value = client.post_until_done("/v1/campaigns", &key, &request).await;
    let id = created["id"].as_str().expect("an id").to_owned();
    client.upload_until_done(&id, &contacts(number)).await;
    let start = format!("/v1/campaigns/{id}/start");
    client.post_until_done(&start, &format!("start-{number}"), &json!({})).await;
    started.store(true, Ordering::Relaxed);
    id
}

fn contacts(campaign: u32) -> String {
    let mut csv = "phone,first_name\n".to_owned();
    for contact in 0..RECIPIENTS {
        let _ = writeln!(csv, "+57300{:07},Person {contact}", campaign * RECIPIENTS + contact);
    }
    csv
}

async fn wait_until_set(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

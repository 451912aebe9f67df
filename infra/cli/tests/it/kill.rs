//! The kill test: the real program is killed with SIGKILL again and again, at
//! random moments of importing, planning, sending and taking in webhooks, and
//! started again on the same folder. Meanwhile the simulator, in this process,
//! keeps its own log of what it accepted. In the end:
//!
//! - nobody was accepted twice;
//! - every recipient is accounted for, and the states add up to the number imported;
//! - all that the simulator accepted is settled by its webhooks;
//! - who is `unconfirmed` never went out, and was on the way at one of the kills.
//!
//! `just kill-test 200` runs it with 200 kills in release; `CARILLON_KILLS` sets the
//! number, `CARILLON_SEED` repeats a run's moments (not the machine's timing).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Delay, Delays, Number, Simulator};

/// Recipients of each campaign.
const RECIPIENTS: u32 = 1_000;
const KEY: &str = "kill-test-key";
const APP_SECRET: &str = "simulator-app-secret";
/// Messages on their way at once in one lane, at most (`delivery/run.rs`).
const MOST_IN_FLIGHT: u64 = 64;
/// How long a campaign may take to come to rest once nobody kills it.
const PATIENCE: Duration = Duration::from_mins(3);

/// The program, as a process of its own.
struct Server {
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path, port: u16, graph_url: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_carillon"))
            .args(["serve", "--json", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder)
            .args(["--graph-url", graph_url])
            .env("CARILLON_ADMIN_KEY", KEY)
            .env_remove("CARILLON_SECRETS_KEY")
            .env("CARILLON_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert!(line.contains("url"), "it said {line:?}");
        Self { process, _output: output }
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already when all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks the API; `None` while the program is away.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    async fn send(&self, request: reqwest::RequestBuilder) -> Option<(u16, String)> {
        let answer = request.bearer_auth(KEY).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let (status, text) = self.send(self.http.get(format!("{}{path}", self.url))).await?;
        (status == 200).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// Posts until there is an answer. `key` makes the repetition harmless.
    async fn insist(&self, path: &str, key: &str, body: &Value) -> Value {
        loop {
            let request = self.http.post(format!("{}{path}", self.url)).json(body);
            match self.send(request.header("idempotency-key", key)).await {
                Some((200..300, text)) => return serde_json::from_str(&text).expect("JSON"),
                // The first request got through, its answer didn't.
                Some((409, _)) if path.ends_with("/start") => return Value::Null,
                _ => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }

    async fn upload(&self, campaign: &str, csv: &str) {
        loop {
            let url = format!("{}/v1/campaigns/{campaign}/recipients", self.url);
            let request = self.http.post(url).header("content-type", "text/csv");
            match self.send(request.body(csv.to_owned())).await {
                Some((200, _)) => return,
                _ => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }

    async fn recipients(&self, campaign: &str) -> Option<Vec<Value>> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/campaigns/{campaign}/recipients?limit=500{cursor}");
            let page = self.get(&path).await?;
            found.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(found),
            }
        }
    }
}

/// What the run has seen.
#[derive(Default)]
struct Tally {
    kills: u32,
    killed_while: BTreeMap<&'static str, u32>,
    /// Recipients found claimed and not settled right after a restart.
    in_flight: u64,
    most_in_flight: u64,
    campaigns: u32,
    recipients: u64,
    accepted: u64,
    answers_lost: u64,
    duplicates: u64,
    unaccounted: u64,
    unconfirmed: u64,
    unsettled: u64,
    webhooks_refused: u64,
}

impl Tally {
    fn report(&self, seed: u64) -> String {
        let mut text = format!("\n| kill test, seed {seed} | |\n|---|---:|\n");
        let mut row = |name: &str, value: u64| {
            // Writing to a string can't fail.
            let _ = writeln!(text, "| {name} | {value} |");
        };
        row("kills (SIGKILL)", self.kills.into());
        for (phase, kills) in &self.killed_while {
            row(&format!("of these while {phase}"), (*kills).into());
        }
        row("campaigns", self.campaigns.into());
        row("recipients imported", self.recipients);
        row("messages accepted by the simulator", self.accepted);
        row("answers that never arrived, as the simulator knows", self.answers_lost);
        row("on their way at the kills, in all", self.in_flight);
        row("the same, at most at one kill", self.most_in_flight);
        row("webhook requests that met no program", self.webhooks_refused);
        row("**accepted twice**", self.duplicates);
        row("**unaccounted for**", self.unaccounted);
        row("**went out and not settled**", self.unsettled);
        row("`unconfirmed` in the end: never went out", self.unconfirmed);
        text
    }
}

fn behaviour() -> Behaviour {
    let mut behaviour = Behaviour::perfect();
    behaviour.delays = Delays {
        sent: Delay::between(5, 60, 600),
        delivered: Delay::between(10, 200, 1_500),
        read: Delay::between(10, 300, 2_000),
        ..Delays::default()
    };
    behaviour.faults.latency_ms = 20;
    behaviour.faults.latency_jitter_ms = 60;
    behaviour.faults.lost_answer = 0.005;
    behaviour
}

#[expect(clippy::disallowed_methods, reason = "how many kills is said in the environment")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn contacts(campaign: u32) -> String {
    let mut csv = "phone,first_name\n".to_owned();
    for contact in 0..RECIPIENTS {
        let _ = writeln!(csv, "+57300{:07},Person {contact}", campaign * RECIPIENTS + contact);
    }
    csv
}

/// What people do: make a campaign, fill it, start it, however often the program
/// goes away meanwhile.
async fn run_campaign(
    client: Client,
    connection: String,
    number: u32,
    started: Arc<AtomicBool>,
) -> String {
    let body = json!({
        "name": format!("Kill {number}"), "connection_id": connection, "speed": "fast",
        "daily_send_limit": 100_000,
        "message": {"template": {"name": "spring_offer", "language": "es", "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
        ]}},
    });
    let made = client.insist("/v1/campaigns", &format!("make-{number}"), &body).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    client.upload(&id, &contacts(number)).await;
    let start = format!("/v1/campaigns/{id}/start");
    client.insist(&start, &format!("start-{number}"), &json!({})).await;
    started.store(true, Ordering::Relaxed);
    id
}

async fn until_set(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether nobody waits any more and nothing is on its way.
async fn is_at_rest(client: &Client, campaign: &str, simulator: &Simulator) -> Option<bool> {
    let report = client.get(&format!("/v1/campaigns/{campaign}/report")).await?;
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    let imported = count("recipients") == u64::from(RECIPIENTS);
    Some(imported && count("pending") + count("sending") == 0 && simulator.idle())
}

/// How many were claimed and not settled since it was asked last.
async fn unsettled(client: &Client, campaign: &str, known: &mut HashSet<String>) -> u64 {
    let recipients = client.recipients(campaign).await.unwrap_or_default();
    let open = recipients
        .iter()
        .filter(|one| one["status"] == "sending" || one["status"] == "unconfirmed");
    let contacts = open.filter_map(|one| one["contact"].as_str().map(str::to_owned));
    contacts.filter(|contact| known.insert(contact.clone())).count() as u64
}

async fn verify(client: &Client, campaign: &str, simulator: &Simulator, tally: &mut Tally) {
    let recipients = client.recipients(campaign).await.expect("the program answers");
    let mut accepted: HashMap<String, u64> = HashMap::new();
    for entry in simulator.log() {
        let callback = entry.biz_opaque_callback_data.unwrap_or_default();
        if callback.contains(campaign) {
            *accepted.entry(format!("+{}", entry.to)).or_default() += 1;
            tally.accepted += 1;
            tally.answers_lost += u64::from(entry.answer_lost);
        }
    }
    tally.campaigns += 1;
    tally.recipients += recipients.len() as u64;
    tally.unaccounted += u64::from(RECIPIENTS).abs_diff(recipients.len() as u64);
    tally.duplicates += accepted.values().map(|times| times - 1).sum::<u64>();
    for recipient in &recipients {
        let went_out = accepted.contains_key(recipient["contact"].as_str().expect("a contact"));
        match recipient["status"].as_str().expect("a status") {
            "sent" | "delivered" | "read" => tally.unaccounted += u64::from(!went_out),
            "unconfirmed" => {
                tally.unconfirmed += u64::from(!went_out);
                tally.unsettled += u64::from(went_out);
            }
            _ => tally.unaccounted += 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_to_twice_and_nobody_is_lost_however_often_it_is_killed() {
    let kills = u32::try_from(number("CARILLON_KILLS", 3)).expect("a number of kills");
    let seed = number("CARILLON_SEED", 20_261_121);
    let mut dice = StdRng::seed_from_u64(seed);
    let simulator = Simulator::start(Config {
        seed,
        app_secret: APP_SECRET.to_owned(),
        numbers: vec![Number { throughput: Some(300), ..Number::default() }],
        behaviour: behaviour(),
        ..Config::default()
    });
    let simulator = simulator.await.expect("the simulator starts");
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port").port();
    let client = Client { http: reqwest::Client::new(), url: format!("http://127.0.0.1:{port}") };
    simulator.set_webhook(&format!("{}/webhooks/whatsapp", client.url), "verify");
    let mut server = Server::start(folder.path(), port, &simulator.url());
    let connection = json!({
        "name": "Main", "phone_number_id": "800000000000001", "waba_id": "900000000000001",
        "access_token": "token", "app_secret": APP_SECRET, "verify_token": "verify",
        "throughput_mps": 250,
    });
    let made = client.insist("/v1/connections", "connection", &connection).await;
    let connection = made["id"].as_str().expect("an id").to_owned();

    let mut tally = Tally::default();
    while tally.kills < kills {
        let started = Arc::new(AtomicBool::new(false));
        let number = tally.campaigns;
        let people =
            tokio::spawn(run_campaign(client.clone(), connection.clone(), number, started.clone()));
        let mut campaign: Option<String> = None;
        let mut known = HashSet::<String>::new();
        // Up to two kills while it is imported, and then as long as there is
        // something to kill.
        let mut while_importing = dice.random_range(0..=2);
        loop {
            if while_importing == 0 {
                until_set(&started).await;
            }
            while_importing = u32::saturating_sub(while_importing, 1);
            tokio::time::sleep(Duration::from_millis(dice.random_range(5..900))).await;
            let over = match &campaign {
                Some(id) => is_at_rest(&client, id, &simulator).await == Some(true),
                None => false,
            };
            if tally.kills == kills || over {
                break;
            }
            let sent = simulator.summary().accepted > tally.accepted;
            let phase = match (started.load(Ordering::Relaxed), sent) {
                (false, _) => "importing",
                (true, false) => "planning",
                (true, true) => "sending and taking in webhooks",
            };
            server.kill();
            server = Server::start(folder.path(), port, &simulator.url());
            tally.kills += 1;
            *tally.killed_while.entry(phase).or_default() += 1;
            if campaign.is_none() && started.load(Ordering::Relaxed) {
                let listed = client.get("/v1/campaigns?limit=1").await;
                campaign = listed.and_then(|all| all["items"][0]["id"].as_str().map(str::to_owned));
            }
            if let Some(id) = &campaign {
                let on_their_way = unsettled(&client, id, &mut known).await;
                tally.in_flight += on_their_way;
                tally.most_in_flight = tally.most_in_flight.max(on_their_way);
            }
            if tally.kills % 20 == 0 {
                eprintln!("{} of {kills} kills", tally.kills);
            }
        }
        let campaign = people.await.expect("the campaign is started");
        let rest = async {
            while is_at_rest(&client, &campaign, &simulator).await != Some(true) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, rest).await.is_err() {
            let report = client.get(&format!("/v1/campaigns/{campaign}/report")).await;
            panic!("seed {seed}: the campaign does not come to rest: {report:?}");
        }
        verify(&client, &campaign, &simulator, &mut tally).await;
    }
    drop(server);
    tally.webhooks_refused = simulator.summary().webhook_refusals;
    let report = tally.report(seed);
    println!("{report}");
    assert_eq!((tally.duplicates, tally.unaccounted, tally.unsettled), (0, 0, 0), "{report}");
    // Each kill leaves at most what its lane had on the way.
    let most = MOST_IN_FLIGHT * u64::from(tally.kills);
    assert!(tally.unconfirmed <= most, "{report}");
    simulator.shutdown().await;
}

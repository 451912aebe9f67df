//! A running campaign moves to another folder: nobody is sent to twice, nobody is
//! left behind, and the old folder doesn't start again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Simulator};

const KEY: &str = "the-first-key-of-both-places";
const PEOPLE: u64 = 300;
const ON_THE_FIRST_DAY: u64 = 120;

/// A Carillon on a folder; killed with the test.
struct Server {
    process: Child,
    url: String,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path, graph_url: &str) -> Self {
        let mut process = carillon()
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(["--graph-url", graph_url])
            .env("CARILLON_ADMIN_KEY", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let welcome: Value = serde_json::from_str(&line).unwrap();
        let url = welcome["url"].as_str().unwrap().to_owned();
        Self { process, url, _output: output }
    }

    fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already when all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn carillon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    for variable in ["CARILLON_ADMIN_KEY", "CARILLON_SECRETS_KEY", "CARILLON_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    carillon().args(arguments).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn ask(server: &Server, method: reqwest::Method, path: &str, body: Option<&Value>) -> Value {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.url));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.bearer_auth(KEY).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn report(server: &Server, id: &str) -> Value {
    ask(server, reqwest::Method::GET, &format!("/v1/campaigns/{id}/report"), None).await
}

/// Waits until a report has that many of one kind.
async fn wait_for(server: &Server, id: &str, what: &str, count: u64) {
    for _ in 0..300 {
        if report(server, id).await[what] == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} never was {count}: {}", report(server, id).await);
}

fn contacts() -> String {
    let lines = (0..PEOPLE).map(|number| format!("+57300{:07},Ana\n", 1_000_000 + number));
    std::iter::once("phone,first_name\n".to_owned()).chain(lines).collect()
}

/// A campaign for everyone, for a part of them on the first day.
async fn begin(server: &Server) -> (String, String) {
    let post = reqwest::Method::POST;
    let connection = json!({
        "name": "Shop", "kind": "whatsapp_cloud", "phone_number_id": "800000000000001",
        "waba_id": "900000000000001", "access_token": "EAAsimulated",
        "app_secret": "simulator-app-secret", "verify_token": "simulator-verify-token",
        "messaging_limit": 1000,
    });
    let made = ask(server, post.clone(), "/v1/connections", Some(&connection)).await;
    let connection = made["id"].as_str().unwrap().to_owned();
    let campaign = json!({
        "name": "Spring offer", "connection_id": connection, "speed": "fast",
        "message": { "text": { "body": "Hello {first_name}" } },
        "daily_send_limit": ON_THE_FIRST_DAY,
    });
    let made = ask(server, post.clone(), "/v1/campaigns", Some(&campaign)).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let upload = reqwest::Client::new()
        .post(format!("{}/v1/campaigns/{id}/recipients", server.url))
        .header("content-type", "text/csv")
        .body(contacts());
    assert!(upload.bearer_auth(KEY).send().await.unwrap().status().is_success());
    ask(server, post, &format!("/v1/campaigns/{id}/start"), None).await;
    (connection, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_campaign_moves_and_nobody_is_sent_to_twice() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    let file = place.path().join("all.jsonl");
    let (old_text, new_text) = (old.to_str().unwrap(), new.to_str().unwrap());
    let file_text = file.to_str().unwrap();
    let key_file = old.join("secrets-key");
    let import = [
        "import",
        "--json",
        "--data",
        new_text,
        "--secrets-key-file",
        key_file.to_str().unwrap(),
        file_text,
    ];

    let config = Config { behaviour: Behaviour::perfect(), ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let server = Server::start(&old, &simulator.url());
    let hook = |server: &Server| format!("{}/webhooks/whatsapp", server.url);
    simulator.set_webhook(&hook(&server), "simulator-verify-token");
    let (_, id) = begin(&server).await;
    wait_for(&server, &id, "read", ON_THE_FIRST_DAY).await;
    assert!(refusal(&run(&["export", "--data", old_text, file_text])).contains("in use"));
    server.stop();
    // Nothing of a failed export may be taken for one.
    let _ = fs::remove_file(&file);

    let exported = json_of(&run(&["export", "--json", "--retire", "--data", old_text, file_text]));
    assert!(exported["items"].as_u64().unwrap() > 2 * PEOPLE, "{exported}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("EAAsimulated") && !text.contains("simulator-app-secret"));
    let again = refusal(&run(&["serve", "--listen", "127.0.0.1:0", "--data", old_text]));
    assert!(again.contains("would send twice"), "{again}");

    let cut_off: String = text.lines().take(10).flat_map(|line| [line, "\n"]).collect();
    let broken = place.path().join("broken.jsonl");
    fs::write(&broken, cut_off + "{\"Item\":").unwrap();
    let wrong = refusal(&run(&["import", "--data", new_text, broken.to_str().unwrap()]));
    assert!(wrong.contains("line 11") && wrong.contains("Nothing of the file"), "{wrong}");

    let imported = json_of(&run(&import));
    assert_eq!((&imported["recipients"], &imported["present"]), (&json!(PEOPLE), &json!(0)));
    let twice = json_of(&run(&import));
    assert_eq!((&twice["added"], &twice["recipients"]), (&json!(0), &json!(0)), "{twice}");

    let server = Server::start(&new, &simulator.url());
    simulator.set_webhook(&hook(&server), "simulator-verify-token");
    wait_for(&server, &id, "read", ON_THE_FIRST_DAY).await;
    assert_eq!(report(&server, &id).await["recipients"], PEOPLE);
    // The rest goes out at once when the day's limit is lifted.
    let more = json!({ "daily_send_limit": PEOPLE });
    ask(&server, reqwest::Method::PATCH, &format!("/v1/campaigns/{id}"), Some(&more)).await;
    wait_for(&server, &id, "read", PEOPLE).await;
    let summary = simulator.summary();
    assert_eq!((summary.accepted, summary.duplicates), (PEOPLE, 0), "{summary:?}");
    server.stop();
    simulator.shutdown().await;
}

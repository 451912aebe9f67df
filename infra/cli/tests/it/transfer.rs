//! `carillon data export` and `carillon data import`.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Simulator};

use crate::program::carillon;
use crate::server::{Server, serve};

const KEY: &str = "the-first-key-of-both-folders";
const RECIPIENTS: u64 = 300;
const FIRST_DAY_LIMIT: u64 = 120;

/// Starts a server that sends to the simulator, and makes it the simulator's webhook.
fn start(folder: &Path, simulator: &Simulator) -> Server {
    let mut command = serve(folder, "127.0.0.1:0");
    command.args(["--graph-url", &simulator.url()]).env("CARILLON_ADMIN_KEY", KEY);
    let server = Server::start(command.stderr(Stdio::null()));
    simulator.set_webhook(&format!("{}/webhooks/whatsapp", server.url()), "simulator-verify-token");
    server
}

fn run(arguments: &[&str]) -> Output {
    carillon().args(arguments).output().unwrap()
}

fn run_json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must fail. Returns its standard error.
fn run_failing(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn request(server: &Server, method: Method, path: &str, body: Option<&Value>) -> Value {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.url()));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.bearer_auth(KEY).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn report(server: &Server, campaign: &str) -> Value {
    request(server, Method::GET, &format!("/v1/campaigns/{campaign}/report"), None).await
}

/// Waits until the report's `field` is `count`. The counters lag behind the table.
async fn wait_until(server: &Server, campaign: &str, field: &str, count: u64) {
    for _ in 0..300 {
        if report(server, campaign).await[field] == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{field} is not {count}: {}", report(server, campaign).await);
}

fn contacts() -> String {
    let lines = (0..RECIPIENTS).map(|number| format!("+57300{:07},Ana\n", 1_000_000 + number));
    std::iter::once("phone,first_name\n".to_owned()).chain(lines).collect()
}

/// Starts a campaign of [`RECIPIENTS`] with a daily limit of [`FIRST_DAY_LIMIT`].
/// Returns its id.
async fn start_campaign(server: &Server) -> String {
    let connection = json!({
        "name": "Shop",
        "provider": {"type": "whatsapp_cloud", "whatsapp_cloud": {
            "phone_number_id": "800000000000001", "waba_id": "900000000000001",
        }},
        "credentials": {
            "access_token": "EAAsimulated", "app_secret": "simulator-app-secret",
            "verify_token": "simulator-verify-token",
        },
        "quota_limit": 1000,
    });
    let created = request(server, Method::POST, "/v1/connections", Some(&connection)).await;
    let campaign = json!({
        "name": "Spring offer", "connection_id": created["id"], "speed": "fast",
        "message": { "type": "text", "text": { "body": "Hello {first_name}" } },
        "daily_send_limit": FIRST_DAY_LIMIT,
    });
    let created = request(server, Method::POST, "/v1/campaigns", Some(&campaign)).await;
    let id = created["id"].as_str().unwrap().to_owned();
    let upload = reqwest::Client::new()
        .post(format!("{}/v1/campaigns/{id}/recipients", server.url()))
        .header("content-type", "text/csv")
        .body(contacts());
    assert!(upload.bearer_auth(KEY).send().await.unwrap().status().is_success());
    request(server, Method::POST, &format!("/v1/campaigns/{id}/start"), None).await;
    id
}

/// Exports and retires `folder`. Checks that the file contains no secret and that the
/// folder does not start again.
fn export_and_retire(folder: &str, file: &str) {
    let exported = run_json(&["data", "export", "--json", "--retire", "--data", folder, file]);
    assert!(exported["items"].as_u64().unwrap() > 2 * RECIPIENTS, "{exported}");
    let text = fs::read_to_string(file).unwrap();
    assert!(!text.contains("EAAsimulated") && !text.contains("simulator-app-secret"));
    let refused = run_failing(&["serve", "--listen", "127.0.0.1:0", "--data", folder]);
    assert!(refused.contains("would send twice"), "{refused}");
}

/// Checks that nothing of a damaged file is imported.
fn import_damaged(folder: &str, old: &Path, file: &Path, damaged: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let first_lines: String = text.lines().take(10).flat_map(|line| [line, "\n"]).collect();
    fs::write(damaged, first_lines + "{\"Item\":").unwrap();
    let key_file = old.join("address-key");
    let keys = ["--address-key-file", key_file.to_str().unwrap()];
    let arguments =
        [&["data", "import", "--data", folder], &keys[..], &[damaged.to_str().unwrap()]];
    let refused = run_failing(&arguments.concat());
    assert!(refused.contains("line 11") && refused.contains("Nothing was imported"), "{refused}");
}

/// Imports the file twice: the second import changes nothing.
fn import_twice(folder: &str, old: &Path, file: &str) {
    let [secrets, addresses] = ["secrets-key", "address-key"].map(|name| old.join(name));
    let secrets = ["--secrets-key-file", secrets.to_str().unwrap()];
    let addresses = ["--address-key-file", addresses.to_str().unwrap()];
    let arguments =
        [&["data", "import", "--json", "--data", folder], &secrets[..], &addresses, &[file]];
    let arguments = arguments.concat();
    let first = run_json(&arguments);
    assert_eq!((&first["recipients"], &first["present"]), (&json!(RECIPIENTS), &json!(0)));
    let second = run_json(&arguments);
    assert_eq!((&second["added"], &second["recipients"]), (&json!(0), &json!(0)), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_campaign_moves_to_another_folder_without_duplicates() {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("old"), root.path().join("new"));
    let file = root.path().join("all.jsonl");
    let (old_text, new_text) = (old.to_str().unwrap(), new.to_str().unwrap());
    let file_text = file.to_str().unwrap();

    let config = Config { behaviour: Behaviour::all_read(), ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let server = start(&old, &simulator);
    let id = start_campaign(&server).await;
    wait_until(&server, &id, "read", FIRST_DAY_LIMIT).await;
    assert!(run_failing(&["data", "export", "--data", old_text, file_text]).contains("in use"));
    server.terminate();
    // The export needs a new file, even if the failed one has created it.
    let _ = fs::remove_file(&file);

    export_and_retire(old_text, file_text);
    import_damaged(new_text, &old, &file, &root.path().join("damaged.jsonl"));
    import_twice(new_text, &old, file_text);

    let server = start(&new, &simulator);
    wait_until(&server, &id, "recipients", RECIPIENTS).await;
    wait_until(&server, &id, "read", FIRST_DAY_LIMIT).await;
    // With a higher daily limit the rest is sent at once.
    let change = json!({ "daily_send_limit": RECIPIENTS });
    request(&server, Method::PATCH, &format!("/v1/campaigns/{id}"), Some(&change)).await;
    wait_until(&server, &id, "read", RECIPIENTS).await;
    assert_eq!(report(&server, &id).await["recipients"], RECIPIENTS);
    let summary = simulator.summary();
    assert_eq!((summary.accepted, summary.duplicates), (RECIPIENTS, 0), "{summary:?}");
    server.terminate();
    simulator.shutdown().await;
}

/// Creates a contact and returns its path.
async fn create_contact(server: &Server, address: &str) -> String {
    let contact = json!({ "addresses": [address] });
    let created = request(server, Method::POST, "/v1/contacts", Some(&contact)).await;
    format!("/v1/contacts/{}", created["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_of_both_folders_are_united_under_the_address_key_of_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("old"), root.path().join("new"));
    let (first, second) = (root.path().join("first.jsonl"), root.path().join("second.jsonl"));
    let [old_text, new_text, first, second] =
        [&old, &new, &first, &second].map(|path| path.to_str().unwrap());
    let config = Config { behaviour: Behaviour::all_read(), ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();

    let server = start(&old, &simulator);
    let id = start_campaign(&server).await;
    wait_until(&server, &id, "read", FIRST_DAY_LIMIT).await;
    let pending = format!("/v1/campaigns/{id}/recipients?status=pending");
    let pending = request(&server, Method::GET, &pending, None).await;
    let waiting = pending["items"][0]["address"].as_str().unwrap();
    server.terminate();
    run_json(&["data", "export", "--json", "--data", old_text, first]);
    let server = start(&old, &simulator);
    let erased = create_contact(&server, "+573109999999").await;
    request(&server, Method::POST, &format!("{erased}/erase"), None).await;
    server.terminate();
    run_json(&["data", "export", "--json", "--retire", "--data", old_text, second]);

    let server = start(&new, &simulator);
    let suppression = json!({ "address": waiting });
    request(&server, Method::POST, "/v1/suppressions", Some(&suppression)).await;
    server.terminate();

    let secrets = old.join("secrets-key");
    let import =
        ["data", "import", "--data", new_text, "--secrets-key-file", secrets.to_str().unwrap()];
    let refused = run_failing(&[&import[..], &[second]].concat());
    assert!(refused.contains("1 of its addresses are of erased contacts"), "{refused}");
    run_json(&[&import[..], &["--json", first]].concat());

    let server = start(&new, &simulator);
    wait_until(&server, &id, "recipients", RECIPIENTS).await;
    let change = json!({ "daily_send_limit": RECIPIENTS });
    request(&server, Method::PATCH, &format!("/v1/campaigns/{id}"), Some(&change)).await;
    wait_until(&server, &id, "sent", RECIPIENTS - 1).await;
    let report = report(&server, &id).await;
    assert_eq!((&report["skipped"], &report["sent"]), (&json!(1), &json!(RECIPIENTS - 1)));
    assert_eq!(simulator.summary().duplicates, 0);
    server.terminate();
    simulator.shutdown().await;
}

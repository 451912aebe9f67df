//! `carillon serve` and the commands that call its API.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::carillon;
use crate::server::{Server, serve};

/// Starts a server with the simulator configuration in `folder`.
fn start(folder: &Path) -> Server {
    let mut command = serve(folder, "127.0.0.1:0");
    command.arg("--simulator-config").arg(folder.join("simulator.json"));
    Server::start(command.stderr(Stdio::null()))
}

/// Runs a command against the server's API.
fn run(server: &Server, arguments: &[&str]) -> Output {
    carillon()
        .args(arguments)
        .arg("--json")
        .env("CARILLON_URL", server.url())
        .env("CARILLON_API_KEY", server.startup["api_key"].as_str().unwrap())
        .output()
        .unwrap()
}

/// Runs a command that must succeed. Returns its last line of output.
fn run_json(server: &Server, arguments: &[&str]) -> Value {
    let output = run(server, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(stdout.lines().last().unwrap_or_default()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait_for_replies(server: &Server, campaign: &str, count: u64) {
    for _ in 0..100 {
        if run_json(server, &["campaigns", "report", campaign])["replied"] == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("replies are missing: {}", run_json(server, &["campaigns", "report", campaign]));
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn campaign_request(connection: &str) -> Value {
    json!({
        "name": "Spring offer",
        "connection_id": connection,
        "message": { "type": "template", "template": { "name": "spring_offer", "language": "es", "components": [
            { "type": "body", "parameters": [{ "type": "text", "text": "{first_name}" }] }
        ]}},
        "speed": "fast",
        "default_country": "CO"
    })
}

/// Creates a campaign, imports two valid and two invalid lines, and starts it. Returns
/// its id.
fn start_campaign(server: &Server, folder: &Path) -> String {
    let csv =
        "phone,first_name\n300 123 4567,Ana\n12,Nobody\n+573001234568,\"Luis\nAlberto\"\nx,Y\n";
    let csv = write(folder, "contacts.csv", csv);
    let connection = server.startup["connection_created"].as_str().unwrap();
    let request = write(folder, "campaign.json", &campaign_request(connection).to_string());
    let created = run_json(server, &["campaigns", "create", &request]);
    let id = created["id"].as_str().unwrap();

    let imported = run_json(server, &["recipients", "import", &csv, "--campaign", id]);
    assert_eq!((&imported["added"], &imported["invalid_total"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&imported["invalid"][0]["line"], &imported["invalid"][1]["line"]),
        (&json!(3), &json!(6))
    );
    assert_eq!(
        run_json(server, &["recipients", "import", &csv, "--campaign", id])["duplicates"],
        2
    );

    run_json(server, &["campaigns", "start", id]);
    let again = run(server, &["campaigns", "start", id]);
    assert_eq!(again.status.code(), Some(5));
    assert!(stderr(&again).contains("active"));
    id.to_owned()
}

#[test]
fn a_campaign_run_by_commands_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let behaviour = json!({ "behaviour": { "outcomes": { "read": 1.0, "reply": 1.0 } } });
    write(folder, "simulator.json", &behaviour.to_string());
    let server = start(folder);
    let id = start_campaign(&server, folder);
    wait_for_replies(&server, &id, 2);
    server.terminate();

    let server = start(folder);
    assert_eq!(server.startup["connection_created"], Value::Null);
    assert_eq!(run_json(&server, &["campaigns", "list"])["items"][0]["id"], id);
    let report = run_json(&server, &["campaigns", "report", &id]);
    assert_eq!((&report["recipients"], &report["replied"]), (&json!(2), &json!(2)));
    let results = folder.join("results.csv");
    let output =
        run(&server, &["recipients", "export", "--campaign", &id, "-o", results.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(fs::read_to_string(results).unwrap().contains("+573001234568"));
    assert_eq!(run_json(&server, &["campaigns", "watch", &id])["status"], "completed");
    server.terminate();
}

#[test]
fn a_data_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "simulator.json", "{}");
    let server = start(folder.path());
    let second = serve(folder.path(), "127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("in use"));
    server.terminate();
}

#[test]
fn a_missing_api_key_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        carillon().args(["campaigns", "list"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("CARILLON_API_KEY"));
}

/// The stored key is sent to the server that stored it, and to no other.
#[test]
fn a_stored_key_is_not_sent_to_another_address() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(".carillon");
    fs::create_dir(&data).unwrap();
    write(&data, "simulator.json", "{}");
    let server = start(&data);
    let list = |url: &str| {
        let mut command = carillon();
        command.args(["--url", url, "campaigns", "list"]);
        command.current_dir(folder.path()).output().unwrap()
    };
    let own = list(server.url());
    assert!(own.status.success(), "{}", stderr(&own));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let other = list(&format!("http://{}", listener.local_addr().unwrap()));
    assert_eq!(other.status.code(), Some(4));
    assert!(stderr(&other).contains("belongs to"), "{}", stderr(&other));
    assert!(listener.accept().is_err(), "no connection was made");
    server.terminate();
}

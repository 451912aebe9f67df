//! `carillon serve` and the client commands, each as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A Carillon on a folder; killed with the test.
struct Server {
    process: Child,
    /// Open to the end, so that nothing it prints fails.
    _output: BufReader<ChildStdout>,
    welcome: Value,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = carillon()
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .arg("--simulator-config")
            .arg(folder.join("simulator.json"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let welcome = serde_json::from_str(&line).unwrap();
        Self { process, _output: output, welcome }
    }

    /// Runs a client command and gives what it printed.
    fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let last = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(last.lines().last().unwrap_or_default()).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        carillon()
            .args(arguments)
            .arg("--json")
            .env("CARILLON_URL", self.welcome["url"].as_str().unwrap())
            .env("CARILLON_API_KEY", self.welcome["api_key"].as_str().unwrap())
            .output()
            .unwrap()
    }

    fn wait_for_replies(&self, id: &str, count: u64) {
        for _ in 0..100 {
            if self.ask(&["campaigns", "report", id])["replied"] == count {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("nobody replied: {}", self.ask(&["campaigns", "report", id]));
    }

    /// SIGTERM, and the end it must lead to.
    fn terminate(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        for _ in 0..200 {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it didn't end within ten seconds");
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

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn campaign(connection: &str) -> Value {
    json!({
        "name": "Spring offer",
        "connection_id": connection,
        "message": { "template": { "name": "spring_offer", "language": "es", "components": [
            { "type": "body", "parameters": [{ "type": "text", "text": "{first_name}" }] }
        ]}},
        "speed": "fast",
        "default_country": "CO"
    })
}

#[test]
fn a_campaign_from_the_command_line_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let quick = json!({ "behaviour": { "outcomes": { "read": 1.0, "reply": 1.0 } } });
    write(folder, "simulator.json", &quick.to_string());
    let csv =
        "phone,first_name\n300 123 4567,Ana\n12,Nobody\n+573001234568,\"Luis\nAlberto\"\nx,Y\n";
    let csv = write(folder, "contacts.csv", csv);

    let server = Server::start(folder);
    let connection = server.welcome["connection_made"].as_str().unwrap().to_owned();
    let settings = write(folder, "campaign.json", &campaign(&connection).to_string());
    let made = server.ask(&["campaigns", "create", &settings]);
    let id = made["id"].as_str().unwrap();

    let imported = server.ask(&["campaigns", "import", id, &csv]);
    assert_eq!((&imported["added"], &imported["invalid_total"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&imported["invalid"][0]["line"], &imported["invalid"][1]["line"]),
        (&json!(3), &json!(6))
    );
    assert_eq!(server.ask(&["campaigns", "import", id, &csv])["duplicates"], 2);

    server.ask(&["campaigns", "start", id]);
    let again = server.run(&["campaigns", "start", id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("active"));
    server.wait_for_replies(id, 2);
    server.terminate();

    let server = Server::start(folder);
    assert_eq!(server.welcome["connection_made"], Value::Null);
    assert_eq!(server.ask(&["campaigns", "list"])[0]["id"], id);
    let report = server.ask(&["campaigns", "report", id]);
    assert_eq!((&report["recipients"], &report["replied"]), (&json!(2), &json!(2)));
    let results = folder.join("results.csv");
    let output = server.run(&["campaigns", "results", id, "-o", results.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(fs::read_to_string(results).unwrap().contains("+573001234568"));
    server.ask(&["campaigns", "cancel", id]);
    assert_eq!(server.ask(&["campaigns", "watch", id])["status"], "cancelled");
    server.terminate();
}

#[test]
fn a_folder_in_use_and_a_key_that_is_missing_are_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "simulator.json", "{}");
    let server = Server::start(folder.path());
    let second = carillon()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"));
    let keyless = carillon()
        .args(["campaigns", "list"])
        .current_dir(folder.path())
        .env_remove("CARILLON_API_KEY")
        .output()
        .unwrap();
    assert_eq!(keyless.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&keyless.stderr).contains("CARILLON_API_KEY"));
    server.terminate();
}

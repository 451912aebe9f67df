//! The commands that call the API, against a server of their own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::carillon;
use crate::server::{Server, serve};

/// A server, and a user who is logged in to it.
pub(crate) struct User {
    pub(crate) server: Server,
    folder: TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("simulator.json");
        let behaviour = json!({ "behaviour": { "outcomes": { "read": 1.0, "reply": 1.0 } } });
        fs::write(&config, behaviour.to_string()).unwrap();
        let mut command = serve(&folder.path().join("data"), "127.0.0.1:0");
        command.arg("--simulator-config").arg(config);
        let user = Self { server: Server::start(command.stderr(Stdio::null())), folder };
        let key = user.server.startup["api_key"].as_str().unwrap();
        let login = user.run_with_input(&["login", "--url", user.server.url()], key);
        assert!(login.status.success(), "{}", stderr(&login));
        user
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = carillon();
        command.args(arguments).current_dir(self.folder.path());
        command.env("CARILLON_CONFIG", self.path("config.json")).env("TZ", "America/Bogota");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // A command that reads no input may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        process.wait_with_output().unwrap()
    }

    /// Runs a command. Nobody can be asked.
    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Runs a command that must succeed. Returns its standard output.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json` that must succeed. Returns its last line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat());
        serde_json::from_str(text.lines().last().unwrap_or("null")).unwrap()
    }

    /// Runs a command that must fail with an exit code. Returns its standard error.
    fn refused(&self, exit_code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(exit_code), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    /// The id of the connection to the simulator.
    pub(crate) fn connection(&self) -> &str {
        self.server.startup["connection_created"].as_str().unwrap()
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn id(document: &Value) -> String {
    document["id"].as_str().unwrap().to_owned()
}

const CSV: &str = "phone,first_name\n300 123 4567,Ana\n+573001234568,Luis\n12,Nobody\n";

/// Creates a campaign by flags alone.
pub(crate) fn create_campaign(user: &User) -> String {
    let words = "campaigns create --name Spring --template spring_offer --language es \
                 --param first_name --daily-limit 100 --speed fast --country CO --connection";
    let arguments: Vec<_> = words.split_whitespace().chain([user.connection()]).collect();
    id(&user.json(&arguments))
}

fn wait_for(user: &User, campaign: &str, field: &str, count: u64) {
    for _ in 0..100 {
        if user.json(&["campaigns", "report", campaign])[field] == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{field} is not {count}: {}", user.json(&["campaigns", "report", campaign]));
}

#[test]
fn a_campaign_goes_from_flags_to_its_results() {
    let user = User::new();
    let campaign = create_campaign(&user);
    let campaign = campaign.as_str();
    let shown = user.json(&["campaigns", "get", campaign]);
    assert_eq!(
        shown["message"]["template"]["components"][0]["parameters"][0]["text"],
        "{first_name}"
    );

    let imported = user.json(&[
        "recipients",
        "import",
        &user.write("people.csv", CSV),
        "--campaign",
        campaign,
    ]);
    assert_eq!((&imported["added"], &imported["invalid_total"]), (&json!(2), &json!(1)));
    assert!(user.text(&["campaigns", "plan", campaign]).contains("The last message is sent on"));

    user.refused(5, &["campaigns", "start", campaign, "--expect-recipients", "3"]);
    let updated = user.json(&["campaigns", "update", campaign, "--daily-limit", "50"]);
    assert_eq!((&updated["daily_send_limit"], &updated["name"]), (&json!(50), &json!("Spring")));
    let started = user.json(&["campaigns", "start", campaign, "--expect-recipients", "2"]);
    assert_eq!(started["status"], "active");
    wait_for(&user, campaign, "replied", 2);

    let phone = "+573001234567";
    let closed = user.text(&["recipients", "close", phone, "--campaign", campaign]);
    assert_eq!(closed, "The recipient is closed.\n");
    let list = ["recipients", "list", "--campaign", campaign, "--status", "closed"];
    let listed = user.json(&list);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        (&listed["items"][0]["address"], &listed["next_cursor"]),
        (&json!(phone), &Value::Null)
    );
    let why = user.text(&["contacts", "why", phone, "--campaign", campaign]);
    assert!(why.contains("Not suppressed") && why.contains("the recipient is closed"), "{why}");

    user.text(&["contacts", "create", "+573009999999"]);
    let stranger = user.text(&["contacts", "why", "+573009999999", "--campaign", campaign]);
    assert!(stranger.contains("not a recipient"), "{stranger}");

    let results = user.path("results.csv");
    user.text(&["recipients", "export", "--campaign", campaign, "-o", &results]);
    assert!(fs::read_to_string(results).unwrap().contains(phone));
    assert!(user.text(&["campaigns", "analytics", campaign]).contains("REPLIED"));

    let watched = user.json(&["campaigns", "watch", campaign]);
    assert_eq!((&watched["status"], &watched["replied"]), (&json!("completed"), &json!(2)));
    user.server.terminate();
}

#[test]
fn a_campaign_is_cancelled_once_that_is_confirmed() {
    let user = User::new();
    let campaign = create_campaign(&user);
    let campaign = campaign.as_str();
    let people = user.write("people.csv", CSV);
    user.text(&["recipients", "import", &people, "--campaign", campaign]);
    user.text(&["campaigns", "update", campaign, "--start", "2030-12-01 09:00"]);
    assert_eq!(user.json(&["campaigns", "start", campaign])["status"], "scheduled");
    assert!(user.refused(2, &["campaigns", "cancel", campaign]).contains("--yes"));
    user.text(&["campaigns", "cancel", campaign, "--yes"]);
    let watched = user.json(&["campaigns", "watch", campaign]);
    assert_eq!((&watched["status"], &watched["replied"]), (&json!("cancelled"), &json!(0)));
    user.server.terminate();
}

#[test]
fn times_are_local_to_the_user() {
    let user = User::new();
    let campaign = create_campaign(&user);
    let arguments = ["campaigns", "update", &campaign, "--start", "2030-12-01 09:00"];
    let updated = user.json(&arguments);
    assert_eq!(updated["scheduled_start"], "2030-12-01T14:00:00.000Z");
    assert!(user.text(&["campaigns", "get", &campaign]).contains("2030-12-01 09:00"));
    let cleared = user.json(&["campaigns", "update", &campaign, "--clear", "scheduled_start"]);
    assert_eq!(cleared["scheduled_start"], Value::Null);
    user.server.terminate();
}

#[test]
fn a_file_is_overridden_by_flags() {
    let user = User::new();
    let file = json!({ "name": "From the file", "connection_id": user.connection(), "tag": "spring",
        "message": { "type": "text", "text": { "body": "Hello" } } });
    let file = user.write("campaign.json", &file.to_string());
    let created = user.json(&["campaigns", "create", &file, "--name", "From the flag"]);
    assert_eq!((&created["name"], &created["tag"]), (&json!("From the flag"), &json!("spring")));
    user.text(&["campaigns", "delete", &id(&created), "--yes"]);
    user.refused(3, &["campaigns", "get", &id(&created)]);
    user.server.terminate();
}

#[test]
fn problems_have_exit_codes_and_are_documents_with_json() {
    let user = User::new();
    let text = user.refused(6, &["campaigns", "create", "--name", "Spring"]);
    for part in ["connection_id: is missing", "message: is missing", "Request: req_"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let output = user.run(&["campaigns", "get", "cmp_nothing", "--json"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
    let problem: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(problem["status"], 404, "{problem}");
    assert!(problem["code"].is_string() && problem["request_id"].is_string());

    user.refused(2, &["campaigns", "get", "+573001234567"]);
    user.refused(2, &["campaigns", "update", "cmp_1"]);
    user.refused(3, &["contacts", "get", "+573009999999"]);
    let wrong_key = ["--key", "wrong", "--url", user.server.url(), "whoami"];
    user.refused(4, &wrong_key);
    let nobody = ["--key", "x", "--url", "http://127.0.0.1:9", "whoami", "--json"];
    let unreachable: Value = serde_json::from_str(&user.refused(7, &nobody)).unwrap();
    assert_eq!(unreachable["exit_code"], 7);
    user.server.terminate();
}

#[test]
fn connections_are_read_changed_and_checked() {
    let user = User::new();
    let connection = user.connection();
    assert!(user.text(&["connections", "list"]).contains("24H LIMIT"));
    let update = ["connections", "update", connection, "--24h-limit", "900", "--name", "Main"];
    let updated = user.json(&update);
    assert_eq!((&updated["quota_limit"], &updated["name"]), (&json!(900), &json!("Main")));
    let cleared = user.json(&["connections", "update", connection, "--clear", "quota_limit"]);
    assert_eq!(cleared["quota_limit"], Value::Null);
    let secret = ["connections", "update", connection, "--credential", "access_token"];
    assert!(user.run_with_input(&secret, "EAAnew\n").status.success());
    assert_eq!(user.json(&["connections", "get", connection])["name"], "Main");
    assert!(user.text(&["connections", "check", connection]).starts_with("It can send."));
    user.refused(2, &["connections", "delete", connection]);
    user.server.terminate();
}

#[test]
fn keys_are_created_rotated_and_deleted() {
    let user = User::new();
    let created = user.json(&["keys", "create", "reports", "--scope", "read"]);
    let (key, secret) = (id(&created), created["key"].as_str().unwrap());
    let as_reports = |arguments: &[&str]| {
        user.run(&[&["--url", user.server.url(), "--key", secret], arguments].concat())
    };
    assert!(as_reports(&["campaigns", "list"]).status.success());
    let refused = as_reports(&["keys", "list"]);
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));

    let updated = user.json(&["keys", "update", &key, "--expires", "2030-01-01"]);
    assert_eq!(updated["expires_at"], "2030-01-01T05:00:00.000Z");
    let rotated = user.json(&["keys", "rotate", &key, "--overlap-seconds", "60"]);
    assert!(rotated["key"].is_string() && rotated["key"] != created["key"]);
    user.refused(2, &["keys", "delete", &key]);
    user.text(&["keys", "delete", &key, "--yes"]);
    user.refused(3, &["keys", "get", &key]);
    user.server.terminate();
}

#[test]
fn contacts_are_named_by_their_address_or_id() {
    let user = User::new();
    let created = user.json(&["contacts", "create", "+573001234567"]);
    let found = user.json(&["contacts", "get", "+573001234567"]);
    assert_eq!(found["id"], created["id"]);
    assert_eq!(user.json(&["contacts", "get", &id(&created)])["id"], created["id"]);
    let other = id(&user.json(&["contacts", "create", "+573001234568"]));
    let merged = user.json(&["contacts", "merge", &id(&created), &other, "--yes"]);
    assert_eq!(merged["addresses"].as_array().unwrap().len(), 2, "{merged}");
    let split = ["contacts", "split", "+573001234567", "--address", "+573001234568"];
    assert_eq!(user.json(&split)["addresses"], json!(["+573001234568"]));

    assert!(user.refused(2, &["contacts", "erase", "+573001234567"]).contains("--yes"));
    assert!(user.text(&["contacts", "erase", "+573001234567", "--yes"]).starts_with("Erased"));
    let why = user.text(&["contacts", "why", &id(&created)]);
    assert!(why.contains("Erased on"), "{why}");
    user.server.terminate();
}

#[test]
fn templates_files_and_lists_are_shown() {
    let user = User::new();
    let template = json!({ "name": "spring_offer", "language": "es", "category": "MARKETING",
        "components": [{ "type": "BODY", "text": "Hola {{1}}.",
            "example": { "body_text": [["Ana"]] } }] });
    let file = user.write("template.json", &template.to_string());
    user.text(&["templates", "create", &file]);
    let name = ["spring_offer", "--language", "es"];
    assert!(user.text(&["templates", "list"]).contains("MARKETING"));
    assert_eq!(user.json(&[&["templates", "get"], &name[..]].concat())["language"], "es");
    let preview = [&["templates", "preview"], &name[..], &["--var", "1=Ana"]].concat();
    assert_eq!(user.text(&preview), "Hola Ana.\n");
    user.text(&[&["templates", "delete", "--yes"], &name[..]].concat());

    let picture = user.write("offer.png", "\u{89}PNG");
    let upload = ["media", "upload", &picture, "--connection", user.connection()];
    let media = id(&user.json(&upload));
    assert_eq!(user.json(&["media", "get", &media])["filename"], "offer.png");
    user.text(&["media", "delete", &media, "--yes"]);
    assert!(user.text(&["channels", "list"]).contains("whatsapp_cloud"));
    assert!(user.text(&["queues", "list"]).contains("DEAD LETTERS"));
    user.text(&["queues", "redrive"]);
    user.server.terminate();
}

#[test]
fn any_request_can_be_sent() {
    let user = User::new();
    let create = ["api", "POST", "/v1/keys", "-f", "name=77", "-f", "scopes=[\"read\"]"];
    // A number is not a name: the API says so.
    assert!(user.refused(6, &create).contains("name"));
    let create = ["api", "POST", "v1/keys", "-f", "name=\"77\"", "-f", "scopes=[\"read\"]"];
    let created: Value = serde_json::from_str(&user.text(&create)).unwrap();
    assert_eq!(created["name"], "77");
    let path = format!("/v1/keys/{}", id(&created));
    let input = user.write("change.json", r#"{"scopes": ["read", "send"]}"#);
    let changed = user.json(&["api", "PATCH", &path, "--input", &input]);
    assert_eq!(changed["scopes"], json!(["read", "send"]));
    assert_eq!(user.text(&["api", "DELETE", &path]), "");
    let page = user.json(&["api", "GET", "/v1/keys", "-f", "limit=1"]);
    assert!(page["items"].is_array());
    user.server.terminate();
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let user = User::new();
    let healthy = user.text(&["doctor"]);
    for part in ["profile default", "it answers", "simulator", "no dead letters", "Simulator"] {
        assert!(healthy.contains(part), "{part} is missing: {healthy}");
    }
    let output = user.run(&["doctor", "--json", "--profile", "unknown"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["problems"], &found["checks"][0]["level"]), (&json!(1), &json!("problem")));
    let wrong = user.run(&["doctor", "--url", user.server.url(), "--key", "wrong"]);
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("carillon login"));
    assert_eq!(wrong.status.code(), Some(1));
    user.server.terminate();
}

#[test]
fn a_profile_belongs_to_its_address() {
    let user = User::new();
    let config = user.path("config.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&config).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let me = user.json(&["whoami"]);
    assert_eq!(me["mode"], "simulator");
    let shown = user.text(&["whoami"]);
    assert!(shown.contains(user.server.url()) && shown.contains("profile default"), "{shown}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let other = format!("http://{}", listener.local_addr().unwrap());
    assert!(user.refused(4, &["--url", &other, "whoami"]).contains("belongs to"));
    assert!(listener.accept().is_err(), "no connection was made");

    let wrong = ["login", "--url", user.server.url(), "--key", "wrong", "--profile", "other"];
    user.refused(4, &wrong);
    let list = user.text(&["profiles", "list"]);
    assert!(list.contains("default") && !list.contains("other"), "{list}");
    assert!(!list.contains(user.server.startup["api_key"].as_str().unwrap()));
    user.refused(2, &["profiles", "delete", "default"]);
    user.text(&["profiles", "delete", "default", "--yes"]);
    user.refused(4, &["whoami"]);
    assert!(Path::new(&config).exists());
    user.server.terminate();
}

#[test]
fn completion_names_the_commands() {
    let output = carillon().args(["completion", "bash"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("quota-groups"));
}

#[test]
fn many_recipients_are_acted_on_by_a_job() {
    let user = User::new();
    let campaign = create_campaign(&user);
    let file = user.write("people.csv", CSV);
    user.text(&["recipients", "import", &file, "--campaign", &campaign]);
    let bulk = ["recipients", "bulk", "skip", "--campaign", &campaign];
    assert!(user.refused(2, &bulk).contains("--yes"));
    let done = user.json(&[&bulk[..], &["--yes"]].concat());
    let job = id(&done);
    let watched = user.json(&["jobs", "watch", &job]);
    assert_eq!(watched["status"], "completed", "{watched}");
    assert_eq!(watched["result"], json!({ "matched": 2, "changed": 2 }));
    assert!(user.text(&["jobs", "list"]).contains("completed"));
    assert_eq!(user.json(&["jobs", "cancel", &job, "--yes"])["status"], "completed");
    let listed = user.json(&["recipients", "list", "--campaign", &campaign]);
    assert_eq!(listed["items"][0]["skip_reason"], "requested");
    user.server.terminate();
}

#[test]
fn a_campaign_is_copied_and_its_history_is_told() {
    let user = User::new();
    let campaign = create_campaign(&user);
    let copy = user.json(&["campaigns", "duplicate", &campaign, "--name", "Again"]);
    assert_eq!((&copy["name"], &copy["status"]), (&json!("Again"), &json!("draft")));
    let list = user.json(&["campaigns", "list", "--counts", "--limit", "1"]);
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][0]["counts"]["recipients"]),
        (&copy["id"], &json!(0))
    );
    user.text(&["campaigns", "list", "--since", "2020-01-01"]);
    for _ in 0..50 {
        let history = user.json(&["campaigns", "history", &campaign]);
        if history["items"][0]["type"] == "campaign.created" {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(user.text(&["campaigns", "history", &campaign]).contains("campaign.created"));
    // The feed is a few seconds behind.
    std::thread::sleep(Duration::from_secs(6));
    let tail = user.text(&["events", "tail", "--subject", &campaign]);
    assert!(tail.contains("campaign.created"), "{tail}");
    user.server.terminate();
}

#[test]
fn suppressions_are_added_and_lifted_by_address() {
    let user = User::new();
    let added = user.json(&["suppressions", "add", "+573001234567"]);
    assert_eq!(added["reason"], "blacklisted");
    assert!(user.text(&["suppressions", "list"]).contains("blacklisted"));
    let why = user.text(&["contacts", "why", "+573001234567"]);
    assert!(why.contains("Suppressed"), "{why}");
    user.text(&["suppressions", "remove", "+573001234567", "--yes"]);
    assert_eq!(user.json(&["suppressions", "list"])["items"], json!([]));
    user.server.terminate();
}

#[test]
fn the_overview_the_limits_and_the_audit_log_are_shown() {
    let user = User::new();
    create_campaign(&user);
    assert!(user.text(&["overview"]).contains("Simulator"));
    let groups = user.json(&["quota-groups", "list"]);
    let name = groups["items"][0]["name"].as_str().unwrap();
    assert_eq!(user.json(&["quota-groups", "get", name])["reserved"], 0);
    let log = user.text(&["audit-log", "list"]);
    assert!(log.contains("createCampaign"), "{log}");
    let record = id(&user.json(&["audit-log", "list", "--limit", "1"])["items"][0]);
    assert!(user.json(&["audit-log", "get", &record])["operation"].is_string());
    user.server.terminate();
}

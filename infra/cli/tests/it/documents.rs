//! Each command that the documents name. The README's tour runs as it is written; of the other
//! commands, those that need no AWS account and no file of the user run against a server, and the
//! words and flags of all others are checked.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::{User, stderr};
use crate::program::carillon;

const DOCUMENTS: [&str; 4] =
    ["README.md", "docs/operations.md", "docs/reliability.md", "docs/security.md"];
/// Commands that start something of their own, or need what only the reader has.
const OTHERS: [&str; 6] = ["serve", "demo", "simulator", "data", "login", "completion"];
const PHONE: &str = "+573001234567";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands in the fenced blocks of a document, in their order, and those in its sentences.
fn commands_of(document: &str) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let (mut blocks, mut sentences) = (String::new(), String::new());
    let mut is_shell = false;
    for line in text.lines() {
        match line.trim().strip_prefix("```") {
            Some(kind) => is_shell = kind == "sh",
            None if is_shell => blocks.extend([line.trim(), "\n"]),
            None => sentences.extend([line.trim(), " "]),
        }
    }
    let blocks = blocks.replace("\\\n", "");
    let lines = blocks.lines().filter(|line| line.starts_with("carillon ")).map(command_in);
    let quoted = sentences.split('`').skip(1).step_by(2).map(str::trim);
    let quoted = quoted.filter(|text| text.starts_with("carillon ")).map(command_in);
    (lines.collect(), quoted.collect())
}

/// The command at the beginning of a line, without what the shell does with it and comments.
fn command_in(line: &str) -> String {
    let ends = [" | ", " < ", "; ", " # "];
    // What the shell computes is one word.
    let line = line.trim_end_matches(['|', ' ']).replace("$(resource Table)", "TABLE");
    let end = ends.into_iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    line[..end].trim().to_owned()
}

/// The words of a command after `carillon`. A word may stand in single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words.split_off(1)
}

/// What the placeholders of the documents stand for.
struct Placeholders {
    connection: String,
    campaign: String,
}

impl Placeholders {
    fn fill(&self, word: &str) -> String {
        match word {
            "con_…" => self.connection.clone(),
            "cmp_…" | "ID" => self.campaign.clone(),
            "PERSON" | "ADDRESS" | "ctc_…" | "+57…" => PHONE.to_owned(),
            "COMMAND" => "campaigns".to_owned(),
            "METHOD" => "GET".to_owned(),
            "PATH" => "/v1/me".to_owned(),
            file if file.starts_with("infra/") => root().join(file).display().to_string(),
            other => other.to_owned(),
        }
    }
}

fn is_other(words: &[String]) -> bool {
    OTHERS.contains(&words[0].as_str())
}

#[test]
fn the_readmes_tour_goes_as_it_is_written() {
    let user = User::new();
    let mut known =
        Placeholders { connection: user.connection().to_owned(), campaign: String::new() };
    let (tour, _) = commands_of("README.md");
    let tour: Vec<_> = tour.into_iter().take_while(|one| !one.contains(" login ")).collect();
    assert!(tour.len() >= 8, "{tour:?}");
    for command in tour {
        let arguments: Vec<String> = words(&command).iter().map(|word| known.fill(word)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let text = user.text(&arguments);
        if let Some(rest) = text.strip_prefix("Created ") {
            known.campaign = rest.split('.').next().unwrap().to_owned();
        }
    }
    let report = user.json(&["campaigns", "report", &known.campaign]);
    assert_eq!(report["status"], "completed", "{report}");
    let results = fs::read_to_string(user.path("results.csv")).unwrap();
    assert_eq!(results.lines().count() as u64, 1 + report["recipients"].as_u64().unwrap());
    user.server.terminate();
}

#[test]
fn the_other_commands_of_the_documents_run() {
    let user = User::new();
    let campaign = crate::client::create_campaign(&user);
    let file = user.write("one.csv", &format!("phone,first_name\n{PHONE},Ana\n"));
    user.text(&["recipients", "import", &file, "--campaign", &campaign]);
    let known = Placeholders { connection: user.connection().to_owned(), campaign };
    let mut ran = 0;
    for document in DOCUMENTS {
        let (blocks, _) = commands_of(document);
        for command in blocks {
            let words = words(&command);
            let is_tour = document == "README.md" && words[0] != "connections";
            if is_other(&words) || is_tour || words.iter().any(|word| word.contains('$')) {
                continue;
            }
            let mut arguments: Vec<String> = words.iter().map(|word| known.fill(word)).collect();
            arguments.push("--yes".to_owned());
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            // It may be refused, such as a campaign that is not active; but not as wrong usage.
            let output = user.run_with_input(&arguments, "EAAtoken\napp-secret\n");
            assert_ne!(output.status.code(), Some(2), "{document}: {command}: {}", stderr(&output));
            ran += 1;
        }
    }
    assert!(ran >= 4, "{ran}");
    user.server.terminate();
}

/// `--help` after a command is answered only if its words and flags are known.
#[test]
fn every_command_of_the_documents_is_known() {
    let known = Placeholders {
        connection: "con_01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        campaign: "cmp_01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
    };
    let mut checked = 0;
    for document in DOCUMENTS {
        let (blocks, sentences) = commands_of(document);
        for command in blocks.into_iter().chain(sentences) {
            let arguments: Vec<String> =
                words(&command).iter().map(|word| known.fill(word)).collect();
            let output = carillon().args(arguments).arg("--help").output().unwrap();
            assert!(output.status.success(), "{document}: {command}: {}", stderr(&output));
            let help: Value = String::from_utf8_lossy(&output.stdout).into();
            assert!(help.as_str().unwrap().contains("Usage: carillon"), "{document}: {command}");
            checked += 1;
        }
    }
    assert!(checked >= 60, "{checked}");
}

//! The code uses the terms of WhatsApp, AWS and messaging. The identifiers that it had before
//! do not come back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Former identifiers, with what replaced them.
const FORMER: [(&str, &str); 58] = [
    ("Place", "RecipientKey, a reservation or Storage"),
    ("Places", "QuotaStatus"),
    ("places", "reservations"),
    ("Ledger", "Quota"),
    ("ledger", "quota"),
    ("lay_aside", "send_to_dlq"),
    ("laid_aside", "dead_letters"),
    ("stir", "requeue"),
    ("leave_out", "skip"),
    ("left_out", "skipped"),
    ("barred", "suppressed"),
    ("bars", "suppressions"),
    ("Rung", "DeliveryStatus"),
    ("rung", "status"),
    ("judge", "transition"),
    ("Counting", "QuotaCharge"),
    ("Again", "Renew"),
    ("Claiming", "ContactClaim"),
    ("Ending", "Settlement"),
    ("Standing", "CounterSnapshot"),
    ("Situation", "PlanInput"),
    ("News", "AccountEvent"),
    ("news", "account events"),
    ("Mark", "Watermark"),
    ("Told", "ReportedBy"),
    ("told", "reported"),
    ("tell", "record"),
    ("trial", "test_send"),
    ("outlook", "plan"),
    ("Outlook", "Forecast"),
    ("moves", "transitions"),
    ("same_as", "aliases"),
    ("find_or_make", "get_or_create"),
    ("FirstKey", "AdminKey"),
    ("Elsewhere", "ExternalBackends"),
    ("MOST_RETRIES", "MAX_RETRIES_LIMIT"),
    ("simulation", "months"),
    ("Fate", "FaultPlan"),
    ("fate", "plan"),
    ("Crowd", "Executor"),
    ("crowd", "executor"),
    ("Weather", "FaultRates"),
    ("weather", "fault rates"),
    ("Omens", "hints"),
    ("omens", "hints"),
    ("Dice", "SeededRng"),
    ("dice", "rng"),
    ("Blow", "PlannedCrash"),
    ("Trouble", "Fault"),
    ("Whom", "RecipientKey"),
    ("Office", "Operator"),
    ("Home", "DataFolder"),
    ("ContactKey", "Address"),
    ("Keeper", "Storage"),
    ("Twin", "SenderTaken"),
    ("Unstored", "WebhookDelivery"),
    ("put_off", "deferred"),
    ("put_off_until", "deferred_until"),
];

#[test]
fn no_former_identifier_occurs_in_code() {
    let mut found = BTreeSet::new();
    for path in sources(&root()) {
        if path.ends_with("tests/it/vocabulary.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a file");
        let words: BTreeSet<_> = identifiers(&code(&source)).map(str::to_owned).collect();
        for (former, now) in FORMER {
            if words.contains(former) {
                let path = path.strip_prefix(root()).expect("below the root").display();
                found.insert(format!("{path}: `{former}`, use {now}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn strings_and_comments_are_no_code() {
    let source = "let place = \"the \\\" ledger\"; // the fate\nlet c = '\"'; rung();";
    let words: Vec<_> = identifiers(&code(source)).map(str::to_owned).collect();
    assert_eq!(words, ["let", "place", "let", "c", "rung"]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        ["shared", "functions", "infra"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 100, "the sources are found");
    found
}

/// A source without its comments and the contents of its strings.
fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.peek() == Some(&'/') => {
                while rest.next_if(|next| *next != '\n').is_some() {}
            }
            '"' => {
                while let Some(next) = rest.next() {
                    match next {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '\'' if rest.peek() == Some(&'"') => drop((rest.next(), rest.next())),
            _ => code.push(character),
        }
    }
    code
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.split(move |character| !is_part(character)).filter(|word| !word.is_empty())
}

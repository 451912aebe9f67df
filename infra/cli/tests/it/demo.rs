//! The demonstration, as a process of its own.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_demonstration_ends_with_numbers_that_agree() {
    let output = Command::new(env!("CARGO_BIN_EXE_carillon"))
        .args(["demo", "--contacts", "60", "--daily-limit", "20", "--json"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");

    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(story["agrees"], true, "{story:#}");
    assert_eq!(story["report"]["recipients"], 60);
    assert_eq!(story["report"]["status"], "completed");
    assert_eq!(story["simulator"]["accepted"], 60);
    assert_eq!(story["simulator"]["duplicates"], 0);
    let days: Vec<_> =
        story["days"].as_array().unwrap().iter().map(|day| day["people"].clone()).collect();
    assert_eq!(days, [20, 20, 20]);
}

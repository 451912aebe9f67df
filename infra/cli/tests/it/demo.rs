//! `carillon demo`.

use serde_json::Value;

use crate::program::carillon;

#[test]
fn the_demo_completes_and_its_report_matches_the_simulators_log() {
    let output = carillon()
        .args(["demo", "--contacts", "60", "--daily-limit", "20", "--json"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");

    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["passed"], true, "{result:#}");
    assert_eq!(result["report"]["recipients"], 60);
    assert_eq!(result["report"]["status"], "completed");
    assert_eq!(result["simulator"]["accepted"], 60);
    assert_eq!(result["simulator"]["duplicates"], 0);
    let days: Vec<_> =
        result["days"].as_array().unwrap().iter().map(|day| day["recipients"].clone()).collect();
    assert_eq!(days, [20, 20, 20]);
}

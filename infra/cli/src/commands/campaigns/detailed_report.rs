//! `carillon campaigns report`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::path::campaign_path;
use crate::client::Client;
use crate::error::CommandError;
use crate::output;
use crate::report::CampaignReport;

/// A campaign's report with the reasons of skipped and failed recipients.
#[derive(Deserialize)]
struct DetailedReport {
    #[serde(flatten)]
    report: CampaignReport,
    #[serde(default)]
    skipped_by_reason: BTreeMap<String, u64>,
    #[serde(default)]
    waiting_by_reason: BTreeMap<String, u64>,
    #[serde(default)]
    failed_by_code: BTreeMap<String, u64>,
}

pub(super) async fn run(client: &Client, id: &str, json: bool) -> Result<(), CommandError> {
    let path = campaign_path(id, "/report");
    if json {
        return output::json(&client.get::<Value>(&path).await?);
    }
    let found: DetailedReport = client.get(&path).await?;
    let report = found.report;
    output::line(&report.chart())?;
    let sections = [
        ("skipped", found.skipped_by_reason),
        ("waiting:", found.waiting_by_reason),
        ("failed with", found.failed_by_code),
    ];
    for (title, counts) in sections {
        for (reason, count) in counts {
            output::line(&format!("{title} {reason}: {count}"))?;
        }
    }
    let detail = report.halt.as_ref().map(|halt| format!(": {}", halt.detail));
    output::line(&format!("The campaign is {}{}.", report.status, detail.unwrap_or_default()))?;
    report.halt.map_or(Ok(()), |halt| output::line(&halt.remedy))
}

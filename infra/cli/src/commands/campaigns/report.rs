//! `carillon campaigns report`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::client::{ApiPath, Request};
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::report::CampaignReport;
use crate::session::Session;

/// A campaign's report with the reasons of skipped and failed recipients.
#[derive(Default, Deserialize)]
#[serde(default)]
struct DetailedReport {
    #[serde(flatten)]
    report: CampaignReport,
    next_step: String,
    skipped_by_reason: BTreeMap<String, u64>,
    waiting_by_reason: BTreeMap<String, u64>,
    failed_by_code: BTreeMap<String, u64>,
}

pub(super) async fn run(session: &Session, campaign: &ApiPath) -> Result<(), CommandError> {
    let answer = session.client.send(&Request::get(&campaign.then("report"))).await?;
    session
        .print(&answer, |report| print(serde_json::from_value(report.clone()).unwrap_or_default()))
}

fn print(found: DetailedReport) -> Result<(), CommandError> {
    let report = found.report;
    output::line(&report.chart())?;
    let sections = [
        ("skipped for", found.skipped_by_reason),
        ("waiting for", found.waiting_by_reason),
        ("failed with", found.failed_by_code),
    ];
    for (title, counts) in sections {
        for (reason, count) in counts {
            output::line(&format!("{title} {reason}: {}", format_count(count)))?;
        }
    }
    let detail = report.halt.as_ref().map(|halt| format!(": {}", halt.detail));
    output::line(&format!("The campaign is {}{}.", report.status, detail.unwrap_or_default()))?;
    let waiting = report.waiting.map(|waiting| format!("It waits: {}.", waiting.detail));
    let remedy = report.halt.map(|halt| halt.remedy).or(waiting).unwrap_or(found.next_step);
    if remedy.is_empty() { Ok(()) } else { output::line(&remedy) }
}

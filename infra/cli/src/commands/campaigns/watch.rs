//! `carillon campaigns watch`.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};

use super::path::campaign_path;
use crate::client::Client;
use crate::error::CommandError;
use crate::report::CampaignReport;
use crate::{output, progress};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(client: &Client, id: &str, json: bool) -> Result<(), CommandError> {
    let view = View::new(json);
    let path = campaign_path(id, "/report");
    let mut shown = None;
    loop {
        let report: CampaignReport = client.get(&path).await?;
        if shown.as_ref() != Some(&report) {
            view.show(&report)?;
        }
        if report.is_final() {
            return view.close(&report);
        }
        if report.status == "halted" {
            view.close(&report)?;
            return Err(CommandError::Halted(report.halt.unwrap_or_default().detail));
        }
        shown = Some(report);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

enum View {
    /// On a terminal.
    Bars { status: ProgressBar, funnel: Vec<ProgressBar>, _group: MultiProgress },
    /// Elsewhere: one line of text for each change.
    Lines,
    /// One line of JSON for each change.
    Json,
}

impl View {
    fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !progress::stdout_is_terminal() {
            return Self::Lines;
        }
        let group = progress::group();
        let funnel = (0..4).map(|_| group.add(progress::recipient_bar(0))).collect();
        Self::Bars { funnel, status: group.add(progress::text_line()), _group: group }
    }

    fn show(&self, report: &CampaignReport) -> Result<(), CommandError> {
        match self {
            Self::Json => output::json(report),
            Self::Lines => output::line(&line(report)),
            Self::Bars { status, funnel, .. } => {
                for (bar, (name, count)) in funnel.iter().zip(report.funnel()) {
                    bar.set_length(report.recipients);
                    bar.set_prefix(name);
                    bar.set_position(count);
                }
                status.set_message(format!("{}: {}", report.status_text(), report.equation()));
                Ok(())
            }
        }
    }

    /// Leaves the last report on the terminal.
    fn close(&self, report: &CampaignReport) -> Result<(), CommandError> {
        match self {
            Self::Json => Ok(()),
            Self::Lines => output::line(&report.chart()),
            Self::Bars { status, funnel, .. } => {
                funnel.iter().chain([status]).for_each(ProgressBar::abandon);
                Ok(())
            }
        }
    }
}

fn line(report: &CampaignReport) -> String {
    let funnel = report.funnel().map(|(name, count)| format!("{count} {name}"));
    format!("{}: {} of {} recipients", report.status_text(), funnel.join(", "), report.recipients)
}

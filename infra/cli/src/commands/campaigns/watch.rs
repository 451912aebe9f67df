//! `carillon campaigns watch`.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};

use crate::client::{Answer, ApiPath, Request};
use crate::error::CommandError;
use crate::report::CampaignReport;
use crate::session::Session;
use crate::{output, progress};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(session: &Session, campaign: &ApiPath) -> Result<(), CommandError> {
    let view = View::new(session.json);
    let request = Request::get(&campaign.then("report"));
    let mut shown = None;
    loop {
        let answer = session.client.send(&request).await?;
        let report: CampaignReport = serde_json::from_value(answer.value()).unwrap_or_default();
        if shown.as_ref() != Some(&report) {
            view.show(&report, &answer)?;
        }
        if report.is_final() {
            return view.close(&report);
        }
        if report.status == "halted" {
            view.close(&report)?;
            return Err(CommandError::Halted(report.halt.unwrap_or_default().text()));
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
    /// The API's document for each change.
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

    fn show(&self, report: &CampaignReport, answer: &Answer) -> Result<(), CommandError> {
        match self {
            Self::Json => output::line(&answer.text),
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

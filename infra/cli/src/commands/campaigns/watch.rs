//! `carillon campaigns watch`.

use std::time::Duration;

use indicatif::ProgressBar;

use super::path;
use crate::client::Client;
use crate::commands::error::CommandError;
use crate::commands::funnel::Funnel;
use crate::commands::{print, terminal};

/// How often the report is asked for.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn run(client: &Client, id: &str, json: bool) -> Result<(), CommandError> {
    let mut view = View::new(json);
    let mut last = None;
    loop {
        let funnel: Funnel = client.get(&path(id, "/report")).await?;
        if last.as_ref() != Some(&funnel) {
            view.show(&funnel)?;
        }
        if funnel.is_over() {
            return view.close(&funnel);
        }
        if funnel.status == "halted" {
            view.close(&funnel)?;
            return Err(CommandError::Halted(funnel.halted_for.unwrap_or_default()));
        }
        last = Some(funnel);
        tokio::time::sleep(PERIOD).await;
    }
}

/// Where the report is shown: as bars, as lines, or as a JSON object a line.
enum View {
    Bars { status: ProgressBar, steps: Vec<ProgressBar>, _all: indicatif::MultiProgress },
    Lines,
    Json,
}

impl View {
    fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !terminal::is_watched() {
            return Self::Lines;
        }
        let all = terminal::lines();
        let steps = (0..4).map(|_| all.add(terminal::people(0))).collect();
        Self::Bars { steps, status: all.add(terminal::text()), _all: all }
    }

    fn show(&mut self, funnel: &Funnel) -> Result<(), CommandError> {
        match self {
            Self::Json => print::json(funnel),
            Self::Lines => print::line(&line(funnel)),
            Self::Bars { status, steps, .. } => {
                for (bar, (name, count)) in steps.iter().zip(funnel.steps()) {
                    bar.set_length(funnel.recipients);
                    bar.set_prefix(name);
                    bar.set_position(count);
                }
                status.set_message(format!("{}: {}", funnel.standing(), funnel.sum()));
                Ok(())
            }
        }
    }

    /// What is shown last stays.
    fn close(&self, funnel: &Funnel) -> Result<(), CommandError> {
        match self {
            Self::Json => Ok(()),
            Self::Lines => print::line(&funnel.chart()),
            Self::Bars { status, steps, .. } => {
                steps.iter().chain([status]).for_each(ProgressBar::abandon);
                Ok(())
            }
        }
    }
}

fn line(funnel: &Funnel) -> String {
    let steps = funnel.steps().map(|(name, count)| format!("{count} {name}"));
    format!("{}: {} of {} recipients", funnel.standing(), steps.join(", "), funnel.recipients)
}

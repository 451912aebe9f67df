//! `carillon demo`: a complete campaign through the HTTP API, on a fast clock.

mod args;
mod campaign;
mod checks;
mod clock;
mod contacts;
mod display;
mod environment;
mod runner;
mod timeline;

use carillon::time::Clock;
use serde_json::{Value, json};

pub(crate) use args::DemoArgs;

use crate::error::CommandError;
use crate::output;
use checks::Checks;
use display::Display;
use environment::Environment;
use timeline::Timeline;

pub(crate) async fn run(args: DemoArgs, json: bool) -> Result<(), CommandError> {
    let machine_clock = Clock::system();
    let started = machine_clock.now();
    let environment = Box::pin(Environment::start(&args)).await?;
    let mut display = Display::new(&args, json);
    let campaign = campaign::start(&environment, &args).await?;
    display.imported(&campaign)?;
    let timeline = runner::run_to_completion(&environment, &campaign, &args, &mut display).await?;
    display.close();
    let checks = Checks::new(&args, &timeline, &environment.simulator);
    let seconds = machine_clock.now().duration_since(started).as_secs_f64();
    let result = DemoResult { args: &args, timeline: &timeline, checks: &checks, seconds };
    let printed = if json {
        output::json(&result.json(&environment))
    } else {
        result.print_text(display.shows_funnel())
    };
    environment.stop().await;
    printed.and_then(|()| checks.into_result())
}

struct DemoResult<'a> {
    args: &'a DemoArgs,
    timeline: &'a Timeline,
    checks: &'a Checks,
    /// Duration of the demo on the machine's clock.
    seconds: f64,
}

impl DemoResult<'_> {
    fn json(&self, environment: &Environment) -> Value {
        json!({
            "contacts": self.args.contacts,
            "daily_limit": self.args.daily_limit,
            "seed": self.args.seed,
            "seconds": self.seconds,
            "days": self.timeline.days,
            "report": self.timeline.report,
            "simulator": environment.simulator.summary(),
            "checks": self.checks.list,
            "passed": self.checks.passed(),
            "data_folder": self.args.keep,
        })
    }

    /// Prints the result, without the funnel if the display shows it.
    fn print_text(&self, funnel_is_shown: bool) -> Result<(), CommandError> {
        let report = &self.timeline.report;
        let funnel = if funnel_is_shown { report.equation() } else { report.chart() };
        output::line(&format!("\n{funnel}\n"))?;
        output::line(&self.checks.text())?;
        let days = self.timeline.days.len();
        let plural = if days == 1 { "" } else { "s" };
        output::line(&format!("{days} day{plural} of sending in {:.0} seconds.", self.seconds))?;
        match &self.args.keep {
            Some(folder) => output::line(&format!(
                "The data is kept. To open it: carillon serve --data {0}\nThe simulator's log is {0}/simulator.jsonl.",
                folder.display()
            )),
            None => Ok(()),
        }
    }
}

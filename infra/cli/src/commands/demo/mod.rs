//! `carillon demo`: a whole campaign before one's eyes, through the front door,
//! on a clock that runs fast.

mod contacts;
mod days;
mod play;
mod show;
mod stage;
mod verdict;

use std::path::PathBuf;

use carillon::campaign::MAX_DAILY_SEND_LIMIT;
use carillon::time::Clock;
use clap::Args;
use serde_json::json;

use super::error::CommandError;
use super::print;
use days::Days;
use show::Show;
use stage::Stage;
use verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  carillon demo                                  1,000 contacts, 250 a day: four days
  carillon demo --contacts 5000 --daily-limit 1000
  carillon demo --json | jq .report
  carillon demo --keep ./demo && carillon serve --data ./demo

Nothing leaves this machine. It exits with 1 when the report and the simulator's
own log differ in anything.";

/// Runs a campaign from a CSV file to its report before your eyes: imports the
/// contacts, sends so many a day, lets people read and answer, and holds the
/// report against the simulator's own log. The clock jumps from event to event.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How many contacts.
    #[arg(long, default_value_t = 1000, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=contacts::MOST))]
    contacts: u32,

    /// How many people a day at most.
    #[arg(long, default_value_t = 250, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAILY_SEND_LIMIT)))]
    daily_limit: u32,

    /// What people do is drawn from this: the same seed, the same story.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Keep the data in this folder, which must be empty or new.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(crate) async fn run(args: DemoArgs, json: bool) -> Result<(), CommandError> {
    let clock = Clock::system();
    let began = clock.now();
    let stage = Stage::set(&args).await?;
    let mut show = Show::new(&args, json);
    let campaign = play::prepare(&stage, &args).await?;
    show.opening(&campaign)?;
    let days = days::pass(&stage, &campaign, &args, &mut show).await?;
    show.close();
    let verdict = Verdict::of(&args, &days, &stage.simulator);
    let seconds = clock.now().duration_since(began).as_secs_f64();
    let told = if json {
        print::json(&whole_story(&args, &days, &verdict, &stage, seconds))
    } else {
        in_words(&args, &days, &verdict, &show, seconds)
    };
    stage.strike().await;
    told.and_then(|()| verdict.into_result())
}

fn whole_story(
    args: &DemoArgs,
    days: &Days,
    verdict: &Verdict,
    stage: &Stage,
    seconds: f64,
) -> serde_json::Value {
    json!({
        "contacts": args.contacts,
        "daily_limit": args.daily_limit,
        "seed": args.seed,
        "seconds": seconds,
        "days": days.written_to,
        "report": days.funnel,
        "simulator": stage.simulator.summary(),
        "checks": verdict.checks,
        "agrees": verdict.agrees(),
        "kept_in": args.keep,
    })
}

fn in_words(
    args: &DemoArgs,
    days: &Days,
    verdict: &Verdict,
    show: &Show,
    seconds: f64,
) -> Result<(), CommandError> {
    let funnel = if show.has_bars() { days.funnel.sum() } else { days.funnel.chart() };
    print::line(&format!("\n{funnel}\n"))?;
    print::line(&verdict.in_words())?;
    let count = days.written_to.len();
    let plural = if count == 1 { "" } else { "s" };
    print::line(&format!("{count} day{plural} of sending in {seconds:.0} seconds."))?;
    match &args.keep {
        Some(folder) => print::line(&format!(
            "Kept: carillon serve --data {0} shows it, {0}/simulator.jsonl is the simulator's log.",
            folder.display()
        )),
        None => Ok(()),
    }
}

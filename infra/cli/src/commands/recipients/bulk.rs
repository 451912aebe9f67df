//! `carillon recipients bulk`.

use clap::Args;
use serde_json::{Value, json};

use super::named::OfCampaign;
use super::verbs::{SECOND_MESSAGE, Verb};
use crate::ask;
use crate::client::{Answer, Request};
use crate::commands::jobs;
use crate::error::CommandError;
use crate::output::{self, format_count};
use crate::session::Session;

/// Without `--dry-run` it first counts, and asks.
#[derive(Debug, Args)]
pub(super) struct BulkArgs {
    /// What to do with the recipients.
    #[arg(value_enum)]
    action: Verb,
    #[command(flatten)]
    of: OfCampaign,
    /// Recipients with this status. Repeat for several. Default: all with whom it can be done.
    #[arg(long)]
    status: Vec<String>,
    /// Only count the recipients; change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(session: &Session, args: BulkArgs) -> Result<(), CommandError> {
    if args.dry_run {
        let job = job(session, &args, true).await?;
        return session.print(&job, |job| {
            output::line(&format!("{} recipients match.", format_count(count(job, "matched"))))
        });
    }
    confirm(session, &args).await?;
    let job = job(session, &args, false).await?;
    session.print(&job, |job| {
        let (changed, matched) = (count(job, "changed"), count(job, "matched"));
        let (changed, matched) = (format_count(changed), format_count(matched));
        output::line(&format!("{changed} of {matched} recipients changed."))
    })
}

/// Counts and asks. Where nobody can be asked, nothing is counted.
async fn confirm(session: &Session, args: &BulkArgs) -> Result<(), CommandError> {
    let verb = args.action.word();
    if session.yes || !ask::is_terminal() {
        return session.confirm(&format!("{verb} all these recipients?"));
    }
    let counted = job(session, args, true).await?;
    let matched = format_count(count(&counted.value(), "matched"));
    let is_retry = args.action == Verb::Retry;
    let danger = if is_retry { format!(" Mind that {SECOND_MESSAGE}") } else { String::new() };
    session.confirm(&format!("{verb} {matched} recipients?{danger}"))
}

/// Starts the job and waits for its end.
async fn job(session: &Session, args: &BulkArgs, dry_run: bool) -> Result<Answer, CommandError> {
    let path = args.of.recipients().then("bulk");
    let request = Request::post(&path).json(body(args, dry_run));
    let started = session.client.send(&request).await?;
    if !session.json {
        // Whoever stops waiting finds the job again.
        let id = output::text(&started.value()["id"]);
        eprintln!("Job {id} (carillon jobs watch {id})");
    }
    jobs::wait(&session.client, started).await
}

fn body(args: &BulkArgs, dry_run: bool) -> Value {
    let mut body = json!({ "action": args.action.word(), "dry_run": dry_run });
    if !args.status.is_empty() {
        body["filter"] = json!({ "status": args.status });
    }
    body
}

fn count(job: &Value, name: &str) -> u64 {
    job["result"][name].as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BulkArgs,
    }

    #[test]
    fn the_body_names_filter_and_action() {
        let line = "test skip --campaign cmp_1 --status pending --status failed";
        let line = Line::parse_from(line.split(' '));
        let filter = json!({"status": ["pending", "failed"]});
        let expected = json!({"filter": filter, "action": "skip", "dry_run": true});
        assert_eq!(body(&line.args, true), expected);
        let all = Line::parse_from(["test", "skip", "--campaign", "cmp_1"]);
        assert_eq!(body(&all.args, false), json!({"action": "skip", "dry_run": false}));
    }
}

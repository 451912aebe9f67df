//! `carillon jobs`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{Answer, ApiPath, Client, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::progress;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon jobs list --status running
  carillon jobs watch job_…

A job is work that the API does after its answer, such as `carillon recipients bulk`.";

const COLUMNS: [Column; 8] = [
    ("ID", "id"),
    ("TYPE", "type"),
    ("ACTION", "action"),
    ("STATUS", "status"),
    ("DONE", "progress.done"),
    ("TOTAL", "progress.total"),
    ("CREATED BY", "created_by"),
    ("CREATED", "created_at"),
];

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Shows and cancels jobs, the work that takes a while.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List jobs, the newest first.
    List {
        /// Only jobs with this status: queued, running, completed, failed or cancelled. Repeat
        /// for several.
        #[arg(long)]
        status: Vec<String>,
        /// Show at most this number of jobs [default: all].
        #[arg(long, value_name = "N", value_parser = super::limit)]
        limit: Option<usize>,
    },
    /// Show a job.
    Get(JobId),
    /// Wait for the end of a job. Exit code 0: it is completed; 8: it has failed or was cancelled.
    Watch(JobId),
    /// Cancel a job. What it has done stays done.
    Cancel(JobId),
}

#[derive(Debug, Args)]
struct JobId {
    /// ID of the job.
    id: Segment,
}

impl JobId {
    fn path(&self) -> ApiPath {
        ApiPath::of("jobs", &self.id)
    }
}

pub(crate) async fn run(args: JobsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List { status, limit } => {
            let request = Request::get(&ApiPath::new("jobs")).query("status", &status);
            session.list(request, limit, &COLUMNS).await
        }
        Command::Get(of) => session.show(&of.path()).await,
        Command::Watch(of) => {
            let job = session.client.send(&Request::get(&of.path())).await?;
            session.print(&wait(&session.client, job).await?, output::fields)
        }
        Command::Cancel(of) => {
            session.confirm("Cancel the job? What it has done stays done.")?;
            let request = Request::post(&of.path().then("cancel"));
            session.print(&session.change(&of.path(), request).await?, output::fields)
        }
    }
}

/// Waits for the end of a job, with a progress bar. Fails where it is not completed.
pub(super) async fn wait(client: &Client, mut job: Answer) -> Result<Answer, CommandError> {
    let bar = progress::job_bar();
    loop {
        let state = job.value();
        progress::show_job(&bar, &state["progress"]);
        match state["status"].as_str().unwrap_or_default() {
            "queued" | "running" => tokio::time::sleep(POLL_INTERVAL).await,
            status => {
                bar.finish_and_clear();
                return ended(status, &state["error"]).map(|()| job);
            }
        }
        let id: Segment = state["id"].as_str().unwrap_or_default().parse().map_err(no_id)?;
        job = client.send(&Request::get(&ApiPath::of("jobs", &id))).await?;
    }
}

fn ended(status: &str, error: &Value) -> Result<(), CommandError> {
    if status == "completed" {
        return Ok(());
    }
    let detail = error["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
    let status = if status == "cancelled" { "been cancelled" } else { status };
    Err(CommandError::Job { status: status.to_owned(), detail })
}

fn no_id(error: impl std::fmt::Display) -> CommandError {
    CommandError::Usage(format!("the job has no id: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_completed_job_succeeds() {
        assert!(ended("completed", &Value::Null).is_ok());
        let failed = ended("failed", &json!({"code": "x", "detail": "no table"})).unwrap_err();
        assert_eq!(
            (failed.exit_code(), failed.to_string()),
            (8, "the job has failed: no table".into())
        );
        assert_eq!(ended("cancelled", &Value::Null).unwrap_err().exit_code(), 8);
    }
}

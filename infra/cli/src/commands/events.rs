//! `carillon events`.

use std::time::Duration;

use carillon::time::Timestamp;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{ApiPath, ClientError, List, Request};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  carillon events tail --follow
  carillon events tail --subject cmp_… --since '2026-12-01 09:00'
  carillon events tail --type campaign.halted --type connection.health_changed --follow --json

The feed is kept for 7 days. With --json each event is one line.";

/// The columns of an event.
pub(super) const COLUMNS: [Column; 4] =
    [("TIME", "created_at"), ("EVENT", "type"), ("OF", "subject.id"), ("DATA", "data")];

/// How long a request of `--follow` waits for events, in seconds.
const WAIT_SECONDS: u32 = 20;
/// Pause while the server cannot be reached.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows what happens: campaigns, batches, connections, jobs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print events, the oldest first.
    Tail(TailArgs),
}

#[derive(Debug, Args)]
struct TailArgs {
    /// Only events of this type, such as campaign.halted. Repeat for several.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events of this campaign, connection or other resource.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only events after this time. Default: now with --follow, otherwise all that are kept.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Go on with new events until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(args: EventsArgs, session: &Session) -> Result<(), CommandError> {
    let Command::Tail(args) = args.command;
    let first = first_page(session, &args).await?;
    let mut cursor: Option<String> = None;
    loop {
        let page = match session.client.fetch::<List>(&at(&first, cursor.as_deref())).await {
            Err(error) if args.follow && error.is_transient() => {
                wait_for_server(&error).await;
                continue;
            }
            page => page?,
        };
        print(session, &page)?;
        if !page.has_more() && !args.follow {
            return Ok(());
        }
        // There always is one: it is where the feed goes on.
        cursor = page.next_cursor().map(str::to_owned).or(cursor);
    }
}

/// The request where the feed begins.
async fn first_page(session: &Session, args: &TailArgs) -> Result<Request, CommandError> {
    let since = match args.since {
        Some(since) => Some(when::rfc3339(since)),
        None if args.follow => Some(server_time(session).await?),
        None => None,
    };
    Ok(Request::get(&ApiPath::new("events"))
        .query("type", &args.types)
        .query("subject", &args.subject)
        .query("created_after", since)
        .query("wait", args.follow.then_some(WAIT_SECONDS)))
}

/// The server's clock decides what is new.
async fn server_time(session: &Session) -> Result<String, CommandError> {
    let me: Value = session.client.get(&ApiPath::new("me")).await?;
    Ok(me["now"].as_str().unwrap_or_default().to_owned())
}

fn at(first: &Request, cursor: Option<&str>) -> Request {
    first.clone().query("cursor", cursor)
}

async fn wait_for_server(error: &ClientError) {
    tracing::warn!("waiting for the server: {error}");
    tokio::time::sleep(PAUSE).await;
}

fn print(session: &Session, page: &List) -> Result<(), CommandError> {
    if session.json {
        return page.texts().try_for_each(output::line);
    }
    page.values().iter().try_for_each(|event| output::line(&line(event)))
}

/// One event on one line: when, what, of what, and the details.
fn line(event: &Value) -> String {
    let data = event["data"].as_object().filter(|data| !data.is_empty());
    let data = data.map(|data| {
        let pairs = data.iter().map(|(name, value)| format!("{name}={}", output::text(value)));
        pairs.collect::<Vec<_>>().join(" ")
    });
    let time = output::text(&event["created_at"]);
    let kind = output::text(&event["type"]);
    let subject = output::text(&event["subject"]["id"]);
    format!("{time}  {kind:26}  {subject}  {}", data.unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = json!({"id": "evt_1", "type": "campaign.halted", "created_at": "earlier",
            "subject": {"type": "campaign", "id": "cmp_1"}, "data": {"code": "template_unusable"}});
        assert_eq!(
            line(&event),
            "earlier  campaign.halted             cmp_1  code=template_unusable"
        );
    }
}

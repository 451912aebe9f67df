//! The commands, one file or folder each.

mod api;
mod audit_log;
mod campaigns;
mod channels;
mod completion;
mod connections;
mod contacts;
mod data;
mod demo;
mod doctor;
mod events;
mod jobs;
mod keys;
mod login;
mod media;
mod overview;
mod profiles;
mod queues;
mod quota_groups;
mod recipients;
mod serve;
mod simulator;
mod suppressions;
mod templates;
mod whoami;

use std::process::ExitCode;

use carillon::telemetry;
use clap::{Parser, Subcommand};

use crate::access::Access;
use crate::error::CommandError;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon                                  run all of Carillon on this machine
  carillon demo                             run a campaign of 1,000 contacts, 250 a day
  carillon login --url https://…            store the address and key of a Carillon
  carillon campaigns create --name Spring --connection con_… --template spring_offer \\
      --language es --param first_name
  carillon recipients import contacts.csv --campaign cmp_…
  carillon campaigns plan cmp_…
  carillon campaigns start cmp_…
  carillon campaigns watch cmp_…
  carillon recipients export --campaign cmp_… -o results.csv

`carillon COMMAND --help` describes a command. Global flags may stand anywhere. With --json the
standard output is the API's document and the standard error its problem; colours are off where
NO_COLOR is set.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 not allowed, 5 conflict,
6 invalid, 7 unreachable or throttled, 8 halted or job failed.";

/// Sends WhatsApp campaigns from this machine or from your own AWS account.
///
/// Without a command it runs all of Carillon on this machine, as `carillon serve` does.
#[derive(Debug, Parser)]
#[command(name = "carillon", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    access: Access,

    /// Print JSON instead of text.
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,

    /// Do not ask before what cannot be undone.
    #[arg(long, short, global = true, help_heading = "Global options")]
    yes: bool,

    /// Filter of the log on the standard error, such as `info` or `carillon=debug`.
    #[arg(
        long,
        global = true,
        env = "CARILLON_LOG",
        value_name = "FILTER",
        help_heading = "Global options"
    )]
    log_filter: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Carillon on this machine: the API, the functions, the table and the queues.
    Serve(serve::ServeArgs),
    /// Run a complete campaign against the simulator, days in seconds.
    Demo(demo::DemoArgs),
    /// Run the WhatsApp simulator alone.
    Simulator(simulator::SimulatorArgs),
    /// Export and import all data of a Carillon.
    Data(data::DataArgs),
    /// Look for what could be wrong, and say what to do.
    Doctor(doctor::DoctorArgs),
    /// Store the address and the key of a Carillon.
    Login(login::LoginArgs),
    /// Show and choose the profiles that login has stored.
    Profiles(profiles::ProfilesArgs),
    /// Print the completion script of a shell.
    Completion(completion::CompletionArgs),
    #[command(flatten)]
    Call(Box<Call>),
}

/// The commands that call the API.
#[derive(Debug, Subcommand)]
enum Call {
    /// Show the key, its scopes, and whether messages reach people.
    Whoami,
    /// Show what happens now: campaigns, connections, limits.
    Overview,
    /// Create, change, start and watch campaigns.
    Campaigns(Box<campaigns::CampaignsArgs>),
    /// Import, show and export the recipients of a campaign.
    Recipients(recipients::RecipientsArgs),
    /// Show, merge and erase people.
    Contacts(contacts::ContactsArgs),
    /// List suppressions, and change the blacklist.
    Suppressions(suppressions::SuppressionsArgs),
    /// Create, show and preview local templates.
    Templates(templates::TemplatesArgs),
    /// Upload files for messages.
    Media(media::MediaArgs),
    /// Create, check and change connections, the numbers that send.
    Connections(connections::ConnectionsArgs),
    /// List the providers and what they can do.
    Channels(channels::ChannelsArgs),
    /// Show the rolling 24-hour limits.
    QuotaGroups(quota_groups::QuotaGroupsArgs),
    /// Create, rotate and delete API keys.
    Keys(keys::KeysArgs),
    /// Show and cancel jobs, the work that takes a while.
    Jobs(jobs::JobsArgs),
    /// Show what happens, as it happens.
    Events(events::EventsArgs),
    /// Show which key saw or changed what.
    AuditLog(audit_log::AuditLogArgs),
    /// Show the queues and redrive dead letters.
    Queues(queues::QueuesArgs),
    /// Send one request of the HTTP API.
    Api(api::ApiArgs),
}

impl Cli {
    /// The command line with `serve` if no command was given.
    pub(crate) fn or_serve(self) -> Self {
        if self.command.is_some() {
            return self;
        }
        let Self { command, .. } = Self::parse_from(["carillon", "serve"]);
        Self { command, ..self }
    }
}

/// Runs the command. Exit code 0: success; 2 (by clap): invalid arguments; others: the error's,
/// which is written to the standard error.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else { return ExitCode::from(2) };
    telemetry::init_plain(cli.log_filter.as_deref().unwrap_or(command.default_log_filter()));
    let globals = Globals { access: cli.access, json: cli.json, yes: cli.yes };
    match Box::pin(command.run(&globals)).await {
        Ok(()) | Err(CommandError::NobodyReads) => ExitCode::SUCCESS,
        Err(error) => {
            if globals.json {
                eprintln!("{}", error.document());
            } else {
                eprintln!("carillon: {}", error.with_causes());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// The flags of all commands.
struct Globals {
    access: Access,
    json: bool,
    yes: bool,
}

impl Globals {
    fn session(&self) -> Result<Session, CommandError> {
        Ok(Session { client: self.access.client()?, json: self.json, yes: self.yes })
    }
}

impl Command {
    fn default_log_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) => "warn,carillon=info",
            Self::Simulator(_) => "warn",
            _ => "error",
        }
    }

    async fn run(self, globals: &Globals) -> Result<(), CommandError> {
        let Globals { access, json, yes } = globals;
        match self {
            Self::Serve(args) => Box::pin(serve::run(args, *json)).await,
            Self::Demo(args) => Box::pin(demo::run(args, *json)).await,
            Self::Simulator(args) => simulator::run(args, *json).await,
            Self::Data(args) => data::run(args, *json).await,
            Self::Doctor(_) => doctor::run(access, *json).await,
            Self::Login(_) => login::run(access, *json).await,
            Self::Profiles(args) => profiles::run(args, *json, *yes),
            Self::Completion(args) => completion::run(&args),
            Self::Call(call) => Box::pin(call.run(access, &globals.session()?)).await,
        }
    }
}

impl Call {
    async fn run(self, access: &Access, session: &Session) -> Result<(), CommandError> {
        match self {
            Self::Whoami => whoami::run(access, session).await,
            Self::Overview => overview::run(session).await,
            Self::Campaigns(args) => campaigns::run(*args, session).await,
            Self::Recipients(args) => recipients::run(args, session).await,
            Self::Contacts(args) => contacts::run(args, session).await,
            Self::Suppressions(args) => suppressions::run(args, session).await,
            Self::Templates(args) => templates::run(args, session).await,
            Self::Media(args) => media::run(args, session).await,
            Self::Connections(args) => connections::run(args, session).await,
            Self::Channels(args) => channels::run(args, session).await,
            Self::QuotaGroups(args) => quota_groups::run(args, session).await,
            Self::Keys(args) => keys::run(args, session).await,
            Self::Jobs(args) => jobs::run(args, session).await,
            Self::Events(args) => events::run(args, session).await,
            Self::AuditLog(args) => audit_log::run(args, session).await,
            Self::Queues(args) => queues::run(args, session).await,
            Self::Api(args) => api::run(args, session).await,
        }
    }
}

/// The most items that a list shows. For clap.
fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| "expected a number from 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_serve_runs() {
        let cli = Cli::parse_from(["carillon"]).or_serve();
        assert!(matches!(cli.command, Some(Command::Serve(_))));
    }
}

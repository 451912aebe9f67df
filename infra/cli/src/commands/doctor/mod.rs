//! `carillon doctor`.

mod checks;
mod finding;
mod resources;

use clap::Args;
use serde_json::json;

use crate::access::Access;
use crate::error::CommandError;
use crate::output;
use finding::Level;

const EXAMPLES: &str = "\
It checks: the profile, the server, the key and its scopes, the clocks, the connections, halted
campaigns and dead letters. With a key of the scope settings it also asks the provider about each
connection.

Exit codes: 0 no problem, 1 a problem. A warning is no problem.";

/// Looks for what could be wrong, and says what to do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs;

pub(crate) async fn run(access: &Access, json: bool) -> Result<(), CommandError> {
    let findings = checks::run(access).await;
    let problems = findings.iter().filter(|finding| finding.level == Level::Problem).count();
    if json {
        output::json(&json!({ "checks": findings, "problems": problems }))?;
    } else {
        findings.iter().try_for_each(|finding| output::line(&finding.text()))?;
    }
    match problems {
        0 => Ok(()),
        1 => Err(CommandError::Problems("1 problem was found".to_owned())),
        count => Err(CommandError::Problems(format!("{count} problems were found"))),
    }
}

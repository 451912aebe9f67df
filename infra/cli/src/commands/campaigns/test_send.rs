//! `carillon campaigns test`.

use clap::Args;
use serde_json::json;

use super::id::CampaignId;
use crate::body::{Body, pair};
use crate::client::Request;
use crate::error::CommandError;
use crate::output;
use crate::session::Session;

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    of: CampaignId,
    /// Phone number with country code (+573001234567), or business-scoped user id.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Value of a column that the message names, such as `first_name=Ana`. Repeat for several.
    #[arg(long = "var", value_name = "COLUMN=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
}

pub(super) async fn run(session: &Session, args: TestArgs) -> Result<(), CommandError> {
    let mut body = Body::default();
    body.set("to", Some(args.to));
    let variables: serde_json::Map<_, _> =
        args.variables.into_iter().map(|(name, value)| (name, value.into())).collect();
    body.set("variables", Some(json!(variables)));
    let request = Request::post(&args.of.path().then("test")).json(body.into_value());
    session.print(&session.client.send(&request).await?, |sent| match sent["detail"].as_str() {
        Some(detail) => output::line(&format!("It is not known whether it was sent: {detail}")),
        None => output::line("The provider accepted the message."),
    })
}

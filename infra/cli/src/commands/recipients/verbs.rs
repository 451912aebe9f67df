use clap::ValueEnum;

use super::named::OneRecipient;
use crate::client::Request;
use crate::error::CommandError;
use crate::output;
use crate::session::Session;

/// What can be done with recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Verb {
    /// The lead is settled.
    Close,
    /// Send again to unconfirmed recipients.
    Retry,
    /// Send no message to pending recipients.
    Skip,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Retry => "retry",
            Self::Skip => "skip",
        }
    }
}

pub(super) const SECOND_MESSAGE: &str = "an unconfirmed recipient may have got the message \
     already, and a retry sends a second one. This cannot be undone.";

pub(super) async fn act(
    session: &Session,
    one: &OneRecipient,
    verb: Verb,
) -> Result<(), CommandError> {
    let path = one.path(&session.client).await?;
    let current = session.client.send(&Request::get(&path)).await?;
    if verb == Verb::Retry && current.value()["status"] == "unconfirmed" {
        session.confirm(&format!("Retry? It is unconfirmed: {SECOND_MESSAGE}"))?;
    }
    let request = Request::post(&path.then(verb.word())).if_match(current.etag);
    session.print(&session.client.send(&request).await?, |recipient| {
        let status = recipient["status"].as_str().unwrap_or_default();
        output::line(&format!("The recipient is {status}."))
    })
}

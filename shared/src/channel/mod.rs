//! The port to whoever carries the messages: one trait, the outcomes it can
//! have, and a folder a provider.

mod client;
mod outcome;
pub mod whatsapp_cloud;

use std::fmt;

use futures::future::BoxFuture;

use crate::contact::ContactKey;
use crate::message::Content;

pub use client::{HttpClient, HttpClientError, Timeouts, http_client};
pub use outcome::{Acceptance, Accepted, Outcome, Refusal, Verdict};

/// A message on its way out, its placeholders filled in.
#[derive(Clone, PartialEq)]
pub struct Outbound {
    /// To whom.
    pub to: ContactKey,
    /// What.
    pub content: Content,
    /// Comes back in every status of this message
    /// (`biz_opaque_callback_data`, at most 512 characters).
    pub callback: String,
    /// The provider's id of the message that this one answers.
    pub reply_to: Option<String>,
}

/// Hands messages to a provider. One call is one attempt: an implementation
/// never sends a message again on its own.
pub trait Channel: Send + Sync {
    /// Hands one message over and says what came of it.
    fn send<'a>(&'a self, message: &'a Outbound) -> BoxFuture<'a, Outcome>;
}

impl fmt::Debug for Outbound {
    /// Leaves out to whom and what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("to", &self.to)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

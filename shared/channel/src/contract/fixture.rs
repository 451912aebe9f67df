use http::HeaderMap;
use serde_json::{Map, Value};

use crate::content::Content;
use crate::credentials::Credentials;
use crate::event::MessageStatus;
use crate::outcome::Verdict;
use crate::provider::Provider;

/// What the checks need to know of a provider.
pub struct Fixture<'a> {
    /// The settings of a valid connection.
    pub settings: Map<String, Value>,
    /// The members of the settings that must not be absent.
    pub required_settings: Vec<&'a str>,
    /// Members of the settings with a malformed value.
    pub malformed_settings: Vec<(&'a str, Value)>,
    /// The credentials of the connection.
    pub credentials: Credentials,
    /// Valid contents, at least one of each kind that the provider sends.
    pub contents: Vec<Content>,
    /// Contents that break a rule of the provider, each with the path of the field.
    pub invalid_contents: Vec<(Content, &'a str)>,
    /// Codes with which the provider refuses messages, and what each means.
    pub refusals: Vec<(u32, Verdict)>,
    /// The stand-in for the service that the provider speaks to. Its answers must be
    /// slower than the provider's timeout only for [`Answer::Silence`].
    pub stand_in: &'a dyn StandIn,
    /// The same provider, with a service that accepts no connection.
    pub unreachable: &'a dyn Provider,
    /// Its webhooks, if it has a receiver.
    pub webhooks: Option<&'a dyn WebhookSamples>,
}

/// A stand-in for the service that a provider speaks to.
pub trait StandIn: Send + Sync {
    /// Sets how it answers the next requests.
    fn answer_with(&self, answer: Answer);

    /// The number of send requests since the last call.
    fn take_sends(&self) -> usize;
}

/// How a stand-in answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It accepts messages with this id; a probe finds a healthy sender.
    Accept {
        /// The provider's id of the message.
        message_id: String,
    },
    /// It refuses with this code.
    Refuse {
        /// The provider's error code.
        code: u32,
    },
    /// It reads the request and does not answer before the provider's timeout.
    Silence,
    /// It reads the request and closes the connection before the end of the answer.
    BreakOff,
    /// It answers with a success that cannot be parsed.
    Nonsense,
}

/// Samples of a provider's webhook requests.
pub trait WebhookSamples: Send + Sync {
    /// The body of a request that reports a status and nothing else.
    fn status(&self, sample: &StatusSample<'_>) -> Vec<u8>;

    /// Further bodies, each with at least one event.
    fn bodies(&self) -> Vec<Vec<u8>>;

    /// The headers of a request that is signed with these credentials.
    fn sign(&self, credentials: &Credentials, body: &[u8]) -> HeaderMap;

    /// The query of a handshake with these credentials and the answer to it; none
    /// where the provider has no handshake.
    fn handshake(&self, credentials: &Credentials) -> Option<(String, String)>;
}

/// A status to be reported.
#[derive(Debug, Clone, Copy)]
pub struct StatusSample<'a> {
    /// The provider's id of the sender.
    pub sender_id: &'a str,
    /// The provider's id of the message.
    pub message_id: &'a str,
    /// The callback of the message.
    pub callback: &'a str,
    /// The status.
    pub status: MessageStatus,
}

//! The port of inbound events.

use carillon_foundations::ids::ConnectionId;
use http::HeaderMap;

use crate::credentials::Credentials;
use crate::event::Event;

/// The inbound side of a provider: webhook requests become [`Event`]s.
pub trait Receiver: Send + Sync {
    /// The last part of the webhook's path, `/webhooks/{path}`.
    fn path(&self) -> &'static str;

    /// Answers a GET request with which the provider verifies the webhook's address.
    fn handshake(&self, request: &WebhookRequest<'_>, candidates: &[Candidate]) -> Handshake;

    /// The connections whose secret signed the request: none where the request is not
    /// authentic. The comparison takes constant time and covers the raw bytes.
    fn authenticate(
        &self,
        request: &WebhookRequest<'_>,
        candidates: &[Candidate],
    ) -> Vec<ConnectionId>;

    /// Parses an authentic body. What cannot be parsed becomes
    /// [`EventBody::Unknown`](crate::event::EventBody::Unknown), with the
    /// [cause](crate::event::UnknownCause) and its text, and does not affect the other
    /// events.
    fn parse(&self, body: &[u8]) -> Vec<Event>;
}

/// A webhook request as it arrived.
#[derive(Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The query string, without the question mark.
    pub query: &'a str,
    /// The raw bytes of the body.
    pub body: &'a [u8],
}

/// A connection whose credentials a request may match.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The connection.
    pub connection: ConnectionId,
    /// Its credentials.
    pub credentials: Credentials,
}

/// The answer to a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// The address is confirmed with this body.
    Confirmed(String),
    /// The request names no secret of ours.
    Refused,
}

impl std::fmt::Debug for WebhookRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRequest").finish_non_exhaustive()
    }
}

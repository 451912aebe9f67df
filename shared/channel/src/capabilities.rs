//! What a provider can do, as data. The engine asks these facts and never a
//! provider's name.

use std::time::Duration;

use carillon_foundations::address::Scheme;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// What a provider can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Capabilities {
    /// The kinds of address that it reaches.
    #[schema(value_type = Vec<Scheme>)]
    pub addresses: &'static [Scheme],
    /// The members of a message that it sends: `text`, `media`, `choices`, and the
    /// provider's own kinds, such as `template`.
    #[schema(value_type = Vec<String>)]
    pub contents: &'static [&'static str],
    /// The statuses that it reports after a message was sent.
    #[schema(value_type = Vec<ReportedStatus>)]
    pub statuses: &'static [ReportedStatus],
    /// How the statuses arrive.
    pub status_source: StatusSource,
    /// How a status is matched to its recipient.
    pub correlation: Correlation,
    /// How long after a contact's message free-form replies are allowed, in
    /// seconds; `null` where the provider has no service window.
    #[serde(rename = "service_window_seconds", serialize_with = "seconds")]
    #[schema(value_type = Option<u64>)]
    pub service_window: Option<Duration>,
    /// The quota that connections of one quota group share; `null` for none.
    pub quota: Option<QuotaRule>,
    /// The minimum time between two messages to one contact, in seconds; `null`
    /// where the provider has no such limit.
    #[serde(rename = "pair_interval_seconds", serialize_with = "seconds")]
    #[schema(value_type = Option<u64>)]
    pub pair_interval: Option<Duration>,
    /// How fast a connection may send.
    pub throughput: Throughput,
    /// The credentials of a connection.
    #[schema(value_type = Vec<CredentialField>)]
    pub credentials: &'static [CredentialField],
}

/// A status that a provider reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportedStatus {
    /// The message left the provider.
    Sent,
    /// The message arrived on the contact's device.
    Delivered,
    /// The contact read the message.
    Read,
    /// The message failed after the provider had accepted it.
    Failed,
}

/// How the statuses of a provider arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusSource {
    /// The provider calls our webhook.
    Webhook,
    /// An event source that is not HTTP, such as a queue.
    Events,
    /// We ask the provider.
    Poll,
    /// The provider reports no statuses.
    None,
}

/// How a status is matched to its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Correlation {
    /// The provider returns our callback in each status.
    Callback,
    /// The status has only the provider's message id: a pointer item leads from it
    /// to the recipient.
    MessageId,
}

/// A quota of unique contacts in a rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaRule {
    /// The length of the window, in hours.
    pub window_hours: u32,
    /// The limit of a new quota group until the provider reports one, in unique
    /// contacts.
    pub initial_limit: u64,
}

/// How fast a connection may send, in messages a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Throughput {
    /// The rate of a connection until the provider reports one.
    pub default_mps: u32,
    /// The highest rate that can be configured.
    pub max_mps: u32,
    /// Which messages count.
    pub counts: ThroughputCounts,
}

/// Which messages count towards the throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThroughputCounts {
    /// Messages that we send.
    Outbound,
    /// Messages in both directions.
    Both,
}

/// One of the credentials of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CredentialField {
    /// Its name in `credentials`.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// Whether it is generated where it is not given.
    pub generated: bool,
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn seconds<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|duration| duration.as_secs()).serialize(serializer)
}

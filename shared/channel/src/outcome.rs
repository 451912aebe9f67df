use std::fmt;
use std::time::Duration;

use carillon_foundations::address::Address;
use serde::{Deserialize, Serialize};

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider accepted the message. Its status events report the delivery.
    Accepted(Accepted),
    /// The provider refused the message, or the answer is unknown.
    Refused(Refusal),
}

/// A message that the provider accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's id of the message.
    pub message_id: String,
    /// Whether it is sent at once.
    pub state: Acceptance,
    /// Addresses of the recipient that the answer names. In Brazil and Mexico the
    /// phone number may differ from the one in the request.
    pub aliases: Vec<Address>,
}

/// Whether an accepted message is sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// It is sent at once.
    Accepted,
    /// It is held until the quality of its template is known (template pacing); then
    /// it is sent or reported as failed.
    Held,
    /// It is held because its template is paused.
    Paused,
}

/// A message that was refused, or whose answer is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What follows from it.
    pub verdict: Verdict,
    /// The provider's error code, if there is one.
    pub code: Option<u32>,
    /// The reason in plain words. It contains no address, secret or message text.
    pub reason: String,
    /// Whether the provider's error policy has the code. An unknown code is reported to
    /// the operator.
    pub known: bool,
}

/// What a refusal means for the message and for those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not sent: the sender sends faster than its throughput. The lane waits; where it
    /// happens again, the throughput is lowered.
    RateExceeded {
        /// The minimum wait.
        retry_after: Duration,
    },
    /// Not sent: the sender or the account is throttled. The lane waits.
    Throttled {
        /// The minimum wait.
        retry_after: Duration,
    },
    /// Not sent: too many messages to this contact. Only this contact waits, longer
    /// after each attempt.
    PairThrottled,
    /// Not sent. A retry soon may succeed.
    Transient,
    /// Unknown whether it was sent: the engine never retries.
    Ambiguous,
    /// Not sent: the provider holds marketing messages back from the contact, whoever sends
    /// them. A retry after that time may succeed.
    MarketingHeld {
        /// The time.
        period: Duration,
    },
    /// Not sent. A retry after a long wait may succeed.
    RetryLater {
        /// The wait.
        after: Duration,
        /// The maximum number of retries.
        times: u8,
    },
    /// Not sent: the contact cannot be reached.
    RecipientRejected,
    /// Not sent: the contact has opted out.
    OptedOut,
    /// Not sent: this message cannot be sent to this contact.
    MessageRejected,
    /// Not sent: the request is invalid, perhaps for other contacts too. Several contacts in
    /// a row halt the campaign.
    RequestRejected,
    /// Not sent: a value for the template is missing or not valid. It may be this contact's,
    /// or wrong for everybody. Several contacts in a row halt the template's campaigns.
    ValuesRejected,
    /// Not sent: the template cannot be sent to anybody. Its campaigns halt.
    TemplateBroken,
    /// Not sent: the provider could not get the message's file. The campaign halts; where the
    /// file may be the recipient's own, once it is refused for several contacts in a row.
    MediaBroken,
    /// Not sent: the sender cannot send. Its campaigns halt.
    ConnectionBroken,
    /// Not sent: the account cannot send. The campaigns of all its senders halt.
    AccountBroken,
    /// Not sent: the account cannot send to the contact's country. Its recipients are
    /// skipped.
    CountryBlocked,
}

impl Verdict {
    /// Its name, for reports, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateExceeded { .. } => "rate_exceeded",
            Self::Throttled { .. } => "throttled",
            Self::PairThrottled => "pair_throttled",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::MarketingHeld { .. } => "marketing_held",
            Self::RetryLater { .. } => "retry_later",
            Self::RecipientRejected => "recipient_rejected",
            Self::OptedOut => "opted_out",
            Self::MessageRejected => "message_rejected",
            Self::RequestRejected => "request_rejected",
            Self::ValuesRejected => "values_rejected",
            Self::TemplateBroken => "template_broken",
            Self::MediaBroken => "media_broken",
            Self::ConnectionBroken => "connection_broken",
            Self::AccountBroken => "account_broken",
            Self::CountryBlocked => "country_blocked",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.code.map_or(Ok(()), |code| write!(f, " (code {code})"))
    }
}

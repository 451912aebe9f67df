use std::fmt;
use std::time::Duration;

use crate::contact::Bsuid;
use crate::phone::Phone;

/// What came of handing a message over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it. Whether it arrives is told later, by webhook.
    Accepted(Accepted),
    /// The provider did not take it, or may not have.
    Refused(Refusal),
}

/// A message that the provider took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's id of the message.
    pub message_id: String,
    /// How it took it.
    pub state: Acceptance,
    /// The contact's business-scoped user id, when the answer tells it.
    pub bsuid: Option<Bsuid>,
    /// The number that WhatsApp knows the contact by, when the answer tells it.
    /// In Brazil and Mexico it may differ from the one sent to.
    pub wa_id: Option<Phone>,
}

/// How a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// It is on its way.
    Accepted,
    /// It waits until the template's quality is known (template pacing), and is
    /// then sent or reported failed.
    Held,
    /// It waits because the template was paused meanwhile.
    Paused,
}

/// A message that the provider did not take, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What to do about it.
    pub verdict: Verdict,
    /// The provider's error code, when there was one.
    pub code: Option<u32>,
    /// Why, in plain words, with no phone number, secret or message text.
    pub reason: String,
    /// False for a code that the policy table doesn't have: tell the operator.
    pub known: bool,
}

/// What a refusal means for this message, and for those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Too fast for the number or the account; surely not sent. The lane waits.
    Throttled {
        /// How long at least.
        retry_after: Duration,
    },
    /// Too fast for this one contact; surely not sent. Only this contact waits,
    /// and longer each time.
    PairThrottled,
    /// Surely not sent, and worth another attempt soon.
    Transient,
    /// It may have been sent: never send again before it is known.
    Ambiguous,
    /// Surely not sent; worth another attempt, but not soon and not often.
    RetryLater {
        /// How long to wait.
        after: Duration,
        /// How many more attempts at most.
        times: u8,
    },
    /// This contact can't be reached.
    RecipientRejected,
    /// This contact wants no marketing from this business.
    OptedOut,
    /// This message can't be sent to this contact.
    MessageRejected,
    /// The request is wrong in a way that another contact's may be, too. One is
    /// a failed message; several in a row mean that the campaign must stop.
    RequestRejected,
    /// The template or its media can't be sent to anyone: stop the campaign.
    TemplateBroken,
    /// The number can't send: stop everything that uses it.
    ConnectionBroken,
    /// The account or its token can't send: stop all its numbers.
    AccountBroken,
    /// The account can't send to the contact's country: skip that country.
    CountryBlocked,
}

impl Verdict {
    /// Its name, for reports, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::PairThrottled => "pair_throttled",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::RetryLater { .. } => "retry_later",
            Self::RecipientRejected => "recipient_rejected",
            Self::OptedOut => "opted_out",
            Self::MessageRejected => "message_rejected",
            Self::RequestRejected => "request_rejected",
            Self::TemplateBroken => "template_broken",
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

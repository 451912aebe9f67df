use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::SuppressionReason;

/// Why a recipient was skipped: no message was sent to it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The business put the contact on its blacklist.
    Blacklisted,
    /// The contact opted out.
    OptedOut,
    /// The account may not send to the contact's country.
    CountryBlocked,
    /// A variable of the message has no value.
    MissingVariable,
    /// The message is not valid with the recipient's values.
    InvalidMessage,
    /// The file that the recipient's columns name cannot be sent.
    MissingMedia,
    /// The provider cannot send the message to this kind of address.
    UnsupportedAddress,
    /// The person was erased.
    Erased,
    /// The campaign sent to the person under another address.
    DuplicatePerson,
    /// Somebody asked to skip the recipient.
    Requested,
}

impl SkipReason {
    /// The word in the API, in counters and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blacklisted => "blacklisted",
            Self::OptedOut => "opted_out",
            Self::CountryBlocked => "country_blocked",
            Self::MissingVariable => "missing_variable",
            Self::InvalidMessage => "invalid_message",
            Self::MissingMedia => "missing_media",
            Self::UnsupportedAddress => "unsupported_address",
            Self::Erased => "erased",
            Self::DuplicatePerson => "duplicate_person",
            Self::Requested => "requested",
        }
    }
}

impl From<SuppressionReason> for SkipReason {
    fn from(reason: SuppressionReason) -> Self {
        match reason {
            SuppressionReason::Blacklisted => Self::Blacklisted,
            SuppressionReason::OptedOut => Self::OptedOut,
        }
    }
}

/// What a pending recipient waits for that is not sent to before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Its next attempt, after one that failed.
    Retry,
    /// The end of the time in which the provider holds marketing messages back from the
    /// contact.
    MarketingHold,
    /// A recipient whose number may be the same person's.
    LikelyTwin,
}

impl WaitsFor {
    /// The word in the API, in counters and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::MarketingHold => "marketing_hold",
            Self::LikelyTwin => "likely_twin",
        }
    }

    /// The reason in plain words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Retry => "the last attempt failed",
            Self::MarketingHold => "the provider holds marketing messages back from the contact",
            Self::LikelyTwin => "waits for a number that may be the same person's",
        }
    }
}

/// Why a pending recipient was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A person cancelled the campaign.
    CampaignCancelled,
    /// The scheduled end of the campaign passed.
    ScheduledEnd,
    /// The campaign was over before the retry.
    CampaignOver,
}

impl CancelReason {
    /// The reason in plain words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::CampaignCancelled => "the campaign was cancelled",
            Self::ScheduledEnd => "the scheduled end of the campaign passed",
            Self::CampaignOver => "the campaign was over before the retry",
        }
    }
}

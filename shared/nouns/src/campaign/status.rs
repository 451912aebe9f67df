use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The status of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignStatus)]
pub enum Status {
    /// In preparation; nothing is sent.
    Draft,
    /// Started; waits for its `scheduled_start`.
    Scheduled,
    /// Sending as its limits allow.
    Active,
    /// Paused by a person.
    Paused,
    /// Halted by the engine, for a reason. A person resumes it.
    Halted,
    /// No recipient is pending.
    Completed,
    /// Cancelled by a person.
    Cancelled,
}

/// What a person or the engine does with a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start it, now or at its scheduled start.
    Start {
        /// Whether the scheduled start is still to come.
        scheduled: bool,
    },
    /// The scheduled start has come.
    Activate,
    /// Pause it.
    Pause,
    /// Resume it.
    Resume {
        /// Whether the scheduled start is still to come.
        scheduled: bool,
    },
    /// Cancel it.
    Cancel,
    /// Halt it for a reason.
    Halt,
    /// Complete it: no recipient is pending.
    Complete,
    /// Make a completed campaign active again, because a person retries a recipient.
    Reopen,
    /// Add recipients; leaves the status as it is.
    Upload,
}

/// An action that the campaign's status does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the campaign is {from}: it cannot be {verb}")]
pub struct IllegalAction {
    /// The current status.
    pub from: Status,
    verb: &'static str,
}

impl Status {
    /// All statuses, active ones first.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::Scheduled,
        Self::Paused,
        Self::Halted,
        Self::Draft,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The word in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no more messages are sent, unless a person reopens the campaign.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }

    /// The status after an action.
    pub fn after(self, action: Action) -> Result<Self, IllegalAction> {
        let waiting = |scheduled| if scheduled { Self::Scheduled } else { Self::Active };
        match (self, action) {
            (Self::Draft, Action::Start { scheduled })
            | (Self::Paused | Self::Halted, Action::Resume { scheduled }) => Ok(waiting(scheduled)),
            (Self::Scheduled, Action::Activate) | (Self::Completed, Action::Reopen) => {
                Ok(Self::Active)
            }
            (Self::Scheduled | Self::Active, Action::Pause) => Ok(Self::Paused),
            (Self::Scheduled | Self::Active, Action::Halt) => Ok(Self::Halted),
            (Self::Active, Action::Complete) => Ok(Self::Completed),
            (
                Self::Draft | Self::Scheduled | Self::Active | Self::Paused | Self::Halted,
                Action::Cancel,
            ) => Ok(Self::Cancelled),
            (
                from @ (Self::Draft | Self::Scheduled | Self::Active | Self::Paused | Self::Halted),
                Action::Upload,
            ) => Ok(from),
            (from, _) => Err(IllegalAction { from, verb: action.verb() }),
        }
    }
}

impl Action {
    const fn verb(self) -> &'static str {
        match self {
            Self::Start { .. } => "started",
            Self::Activate => "activated",
            Self::Pause => "paused",
            Self::Resume { .. } => "resumed",
            Self::Cancel => "cancelled",
            Self::Halt => "halted",
            Self::Complete => "completed",
            Self::Reopen => "reopened",
            Self::Upload => "given more recipients",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A text that is not a campaign status.
#[derive(Debug, thiserror::Error)]
#[error(
    "no such campaign status: expected draft, scheduled, active, paused, halted, completed or cancelled"
)]
pub struct UnknownStatus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_starts_once() {
        let start = Action::Start { scheduled: false };
        assert_eq!(Status::Draft.after(start), Ok(Status::Active));
        let refused = Status::Active.after(start).unwrap_err();
        assert_eq!(refused.to_string(), "the campaign is active: it cannot be started");
    }

    #[test]
    fn what_is_final_stays() {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            for action in [
                Action::Start { scheduled: false },
                Action::Activate,
                Action::Pause,
                Action::Resume { scheduled: false },
                Action::Cancel,
                Action::Halt,
                Action::Complete,
                Action::Upload,
            ] {
                assert!(status.after(action).is_err(), "{status} {action:?}");
            }
        }
    }

    #[test]
    fn only_a_completed_campaign_is_reopened() {
        for status in Status::ALL {
            let reopened = status.after(Action::Reopen);
            assert_eq!(reopened.is_ok(), status == Status::Completed, "{status}");
        }
    }

    #[test]
    fn only_held_campaigns_resume() {
        let resume = Action::Resume { scheduled: true };
        assert_eq!(Status::Paused.after(resume), Ok(Status::Scheduled));
        assert_eq!(Status::Halted.after(resume), Ok(Status::Scheduled));
        assert!(Status::Active.after(resume).is_err());
    }
}

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignStatus)]
pub enum Status {
    /// Being prepared; nothing is sent.
    Draft,
    /// Started, and waiting for its `scheduled_start`.
    Scheduled,
    /// Sending as its limits allow.
    Active,
    /// Held by a person.
    Paused,
    /// Stopped by the engine, for a reason; a person resumes it.
    Halted,
    /// Everyone had their turn.
    Completed,
    /// Called off by a person.
    Cancelled,
}

/// What a person or the engine may do to a campaign's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Start it, now or at its scheduled start.
    Start {
        /// Whether the scheduled start is still to come.
        later: bool,
    },
    /// The scheduled start has come.
    Activate,
    /// Hold it.
    Pause,
    /// Go on.
    Resume {
        /// Whether the scheduled start is still to come.
        later: bool,
    },
    /// Call it off.
    Cancel,
    /// Stop it for a reason.
    Halt,
    /// Everyone had their turn.
    Complete,
    /// Take it up again, because a person wants someone unconfirmed sent to again.
    Reopen,
    /// Add recipients; leaves the status as it is.
    Upload,
}

/// A move that the campaign's status doesn't allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the campaign is {from}: it can't be {verb}")]
pub struct Refused {
    /// The status it has.
    pub from: Status,
    verb: &'static str,
}

impl Status {
    /// All of them, those at work first.
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

    /// Whether nothing more is sent, unless a person reopens it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }

    /// The status after a move, or why it is refused.
    pub fn after(self, wanted: Move) -> Result<Self, Refused> {
        let waiting = |later| if later { Self::Scheduled } else { Self::Active };
        match (self, wanted) {
            (Self::Draft, Move::Start { later })
            | (Self::Paused | Self::Halted, Move::Resume { later }) => Ok(waiting(later)),
            (Self::Scheduled, Move::Activate) | (Self::Completed, Move::Reopen) => Ok(Self::Active),
            (Self::Scheduled | Self::Active, Move::Pause) => Ok(Self::Paused),
            (Self::Scheduled | Self::Active, Move::Halt) => Ok(Self::Halted),
            (Self::Active, Move::Complete) => Ok(Self::Completed),
            (
                Self::Draft | Self::Scheduled | Self::Active | Self::Paused | Self::Halted,
                Move::Cancel,
            ) => Ok(Self::Cancelled),
            (
                from @ (Self::Draft | Self::Scheduled | Self::Active | Self::Paused | Self::Halted),
                Move::Upload,
            ) => Ok(from),
            (from, _) => Err(Refused { from, verb: wanted.verb() }),
        }
    }
}

impl Move {
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

/// A text that names no campaign status.
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
        let start = Move::Start { later: false };
        assert_eq!(Status::Draft.after(start), Ok(Status::Active));
        let refused = Status::Active.after(start).unwrap_err();
        assert_eq!(refused.to_string(), "the campaign is active: it can't be started");
    }

    #[test]
    fn what_is_final_stays() {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            for wanted in [
                Move::Start { later: false },
                Move::Activate,
                Move::Pause,
                Move::Resume { later: false },
                Move::Cancel,
                Move::Halt,
                Move::Complete,
                Move::Upload,
            ] {
                assert!(status.after(wanted).is_err(), "{status} {wanted:?}");
            }
        }
    }

    #[test]
    fn only_a_completed_campaign_is_reopened() {
        for status in Status::ALL {
            let reopened = status.after(Move::Reopen);
            assert_eq!(reopened.is_ok(), status == Status::Completed, "{status}");
        }
    }

    #[test]
    fn only_held_campaigns_resume() {
        let resume = Move::Resume { later: true };
        assert_eq!(Status::Paused.after(resume), Ok(Status::Scheduled));
        assert_eq!(Status::Halted.after(resume), Ok(Status::Scheduled));
        assert!(Status::Active.after(resume).is_err());
    }
}

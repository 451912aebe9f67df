use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a contact. Absent fields are unknown, not refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// The name WhatsApp shows for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When a person of the business put them on the blacklist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub blacklisted_at: Option<Timestamp>,
    /// When they asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opted_out_at: Option<Timestamp>,
    /// When a message to them was last claimed, by any campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_sent_at: Option<Timestamp>,
    /// When they last wrote to us; opens the 24-hour service window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_inbound_at: Option<Timestamp>,
}

/// Why a contact may not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Barred {
    /// The business put them on its blacklist.
    Blacklisted,
    /// They asked to be left alone.
    OptedOut,
}

impl Barred {
    /// The word in reports and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blacklisted => "blacklisted",
            Self::OptedOut => "opted_out",
        }
    }
}

impl Profile {
    /// Whether they may be written to at all.
    pub fn barred(&self) -> Option<Barred> {
        if self.blacklisted_at.is_some() {
            return Some(Barred::Blacklisted);
        }
        self.opted_out_at.map(|_| Barred::OptedOut)
    }
}

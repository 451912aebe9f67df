use carillon_foundations::ids::CampaignId;
use carillon_foundations::time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// When the counters of a campaign are audited next: from its start until 30 days after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTurn {
    /// The campaign.
    pub campaign: CampaignId,
    /// When its next turn is due.
    #[serde(serialize_with = "time::serialize")]
    pub due_at: Timestamp,
}

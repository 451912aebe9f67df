use carillon_foundations::ids::CampaignId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::recipient::{CancelReason, Positions, RecipientSet};

/// The work that is left after a campaign was cancelled or ended: its pending recipients
/// are cancelled page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The campaign.
    pub campaign: CampaignId,
    /// The number of its shards.
    pub shards: u16,
    /// The last recipient of this pass in each shard.
    #[serde(default)]
    pub passed: Positions,
    /// When this pass began; none before its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// When it was worked last; none before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_at: Option<Timestamp>,
    /// The reason that the recipients get.
    pub reason: CancelReason,
}

impl Sweep {
    /// The recipients of the campaign.
    pub fn recipients(&self) -> RecipientSet {
        RecipientSet { campaign: self.campaign, shards: self.shards }
    }
}

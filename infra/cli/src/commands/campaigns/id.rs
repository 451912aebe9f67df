use clap::Args;

use crate::client::{ApiPath, Segment};

#[derive(Debug, Args)]
pub(super) struct CampaignId {
    /// ID of the campaign.
    id: Segment,
}

impl CampaignId {
    pub(super) fn path(&self) -> ApiPath {
        ApiPath::of("campaigns", &self.id)
    }
}

use std::fmt;

use carillon::ids::{CampaignId, ContactId};
use carillon::recipient::{Callback, RecipientKey};

/// Identifies a recipient: one contact in one campaign. Unlike [`RecipientKey`] it has no
/// shard, so that a contact in two shards is still one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CampaignContact {
    pub(crate) campaign: CampaignId,
    pub(crate) contact: ContactId,
}

impl From<&Callback> for CampaignContact {
    fn from(callback: &Callback) -> Self {
        let RecipientKey { campaign, contact, .. } = &callback.recipient;
        Self { campaign: *campaign, contact: *contact }
    }
}

impl fmt::Display for CampaignContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.contact, self.campaign)
    }
}

use std::fmt;

use carillon::contact::ContactKey;
use carillon::ids::CampaignId;
use carillon::recipient::Callback;

/// Identifies a recipient: one contact in one campaign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecipientKey {
    pub(crate) campaign: CampaignId,
    pub(crate) contact: ContactKey,
}

impl From<&Callback> for RecipientKey {
    fn from(callback: &Callback) -> Self {
        Self { campaign: callback.campaign, contact: callback.contact.clone() }
    }
}

/// Shows the phone number: it is a generated one, not a person's.
impl fmt::Display for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.contact.as_str(), self.campaign)
    }
}

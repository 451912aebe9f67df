use clap::Args;

use crate::client::{ApiPath, Client, Segment};
use crate::error::CommandError;
use crate::person::Person;

/// The campaign whose recipients are meant.
#[derive(Debug, Args)]
pub(super) struct OfCampaign {
    /// ID of the campaign.
    #[arg(long, value_name = "ID")]
    campaign: Segment,
}

#[derive(Debug, Args)]
pub(super) struct OneRecipient {
    /// Contact id, phone number (+573001234567) or business-scoped user id.
    person: Person,
    #[command(flatten)]
    of: OfCampaign,
}

impl OfCampaign {
    pub(super) fn recipients(&self) -> ApiPath {
        ApiPath::of("campaigns", &self.campaign).then("recipients")
    }

    /// All recipients as CSV.
    pub(super) fn csv(&self) -> ApiPath {
        ApiPath::of("campaigns", &self.campaign).then("recipients.csv")
    }
}

impl OneRecipient {
    pub(super) async fn path(&self, client: &Client) -> Result<ApiPath, CommandError> {
        Ok(self.of.recipients().item(&self.person.id(client).await?))
    }
}

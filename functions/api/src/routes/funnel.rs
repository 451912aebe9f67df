use carillon::analytics::{self, Report};
use carillon::campaign::Campaign;

use crate::Api;
use crate::problem::Answer;

/// The funnel of a campaign, from its counters.
pub(super) async fn funnel(api: &Api, campaign: &Campaign) -> Answer<Report> {
    let tally = analytics::store::read(&api.table, campaign.id, campaign.shards).await?;
    Ok(Report::of(&tally))
}

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::campaign::{Campaign, CountryCode};
use carillon::channel::{Outbound, Outcome};
use carillon::contact::{self, ContactKey, Profile};
use carillon::delivery::{PAIR_SECONDS, Route};
use carillon::ids::CampaignId;
use carillon::phone::Phone;
use carillon::plan;
use carillon::recipient::upload::column_name;
use carillon::table::{StoreError, read_item};
use carillon::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contacts;
use crate::Api;
use crate::body::{Body, Id};
use crate::problem::{Answer, Problem};

/// What comes back in the statuses of a message that no campaign counts.
const CALLBACK: &str = "test";

/// To whom a campaign's message is sent on trial.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    /// A phone, or a business-scoped user id.
    to: String,
    /// What fills the message's placeholders.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// A message that the provider took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialSent {
    /// The provider's id of the message.
    message_id: String,
}

/// Send the message to one phone now
///
/// Whatever the campaign's status; nothing of it is counted on the report. The
/// contact's wishes, the portfolio's limit and the pause of 8 seconds between
/// two messages to one person hold as always.
#[utoipa::path(post, path = "/v1/campaigns/{id}/test", operation_id = "testCampaign", tag = "Campaigns",
    params(("id" = String, Path, description = "The campaign's id.")), request_body = Trial,
    responses((status = 200, description = "The provider took the message.", body = TrialSent)))]
pub(crate) async fn send(
    State(api): State<Arc<Api>>,
    Id(id): Id<CampaignId>,
    Body(trial): Body<Trial>,
) -> Answer<Json<TrialSent>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let outbound = outbound(&campaign, trial)?;
    let route = api.channels.route(campaign.settings.connection_id, now).await?;
    claim(&api, &route, &outbound.to, now).await?;
    match route.channel.send(&outbound).await {
        Outcome::Accepted(accepted) => Ok(Json(TrialSent { message_id: accepted.message_id })),
        Outcome::Refused(refusal) => {
            Err(Problem::field("to", format!("was not sent to: {refusal}")))
        }
    }
}

fn outbound(campaign: &Campaign, trial: Trial) -> Answer<Outbound> {
    let columns = trial.variables.into_iter().map(|(name, value)| (column_name(&name), value));
    let content = campaign
        .settings
        .message
        .render(&columns.collect())
        .map_err(|missing| Problem::field("variables", missing.to_string()))?;
    content.validate_rendered().map_err(Problem::fields)?;
    let to = parse_to(campaign, &trial.to)?;
    Ok(Outbound { to, content, callback: CALLBACK.to_owned(), reply_to: None })
}

fn parse_to(campaign: &Campaign, text: &str) -> Answer<ContactKey> {
    let country = campaign.settings.default_country.as_ref().and_then(CountryCode::country);
    match Phone::parse(text, country) {
        Ok(phone) => Ok(phone.into()),
        Err(error) => contacts::parse_key(text)
            .ok()
            .filter(|key| key.phone().is_none())
            .ok_or_else(|| Problem::field("to", error.to_string())),
    }
}

/// The same claim as a campaign's: it holds against an opt-out stored before.
async fn claim(api: &Api, route: &Route, to: &ContactKey, now: Timestamp) -> Answer<()> {
    match api.table.update(contact::store::claim(to, now, PAIR_SECONDS)).await {
        Ok(_) => {}
        Err(StoreError::Condition(Some(item))) => {
            let profile: Profile = read_item(*item)?;
            let reason = profile.barred().map_or("was written to a moment ago", |why| why.as_str());
            return Err(Problem::field("to", format!("may not be sent to: {reason}")));
        }
        Err(error) => return Err(error.into()),
    }
    if plan::store::take_place(&api.table, &route.connection.portfolio, now).await? {
        return Ok(());
    }
    Err(Problem::conflict("The portfolio's limit of people in 24 hours is used up."))
}

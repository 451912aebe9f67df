use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::address::Address;
use carillon::campaign::Campaign;
use carillon::channel::{Content, FieldCode, FieldProblem, Outbound, Outcome, Verdict};
use carillon::contact::store::{ClaimOf, Reservation};
use carillon::contact::{self, Contact, person};
use carillon::delivery::{
    Charged, Claim, ContactClaim, RefusalSource, Refused, Route, claim_interval, claim_test_send,
    provider_media_id, settle,
};
use carillon::ids::{CampaignId, ContactId};
use carillon::import::column_name;
use carillon::phone::Phone;
use carillon::quota::{self, QuotaCharge, bucket_at};
use carillon::template;
use carillon::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contacts;
use crate::body::{Body, Id};
use crate::problem::{Answer, Code, Problem, sentence};
use crate::{Api, App};

/// The callback of a test send: its statuses belong to no recipient.
const CALLBACK: &str = "test";

/// A test send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestSend {
    /// A phone number, or a business-scoped user id.
    to: String,
    /// The values of the message's placeholders.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// What became of a test message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestSent {
    /// Whether the provider accepted it.
    status: TestStatus,
    /// The provider's id of the message; null where it is unknown.
    message_id: Option<String>,
    /// Why it is unknown whether the message was sent; null where it was accepted.
    detail: Option<String>,
}

/// The status of a test message.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TestStatus {
    /// The provider accepted it.
    Accepted,
    /// The answer was lost: it may have been sent. Do not send it again unless it has not
    /// arrived.
    Unconfirmed,
}

/// Send the message to one address now
///
/// Whatever the campaign's status; it does not count on the report. Suppressions, the quota
/// and the pair interval hold as always. Where the provider's answer is lost, the message may
/// have been sent: the status is `unconfirmed`.
#[utoipa::path(post, path = "/v1/campaigns/{id}/test", operation_id = "testCampaign", tag = "Campaigns",
    security(("api_key" = ["send"])),
    params(("id" = String, Path, description = "The campaign's id.")), request_body = TestSend,
    responses((status = 200, description = "The provider accepted the message.", body = TestSent)))]
pub(crate) async fn send(
    State(api): App,
    Id(id): Id<CampaignId>,
    Body(test): Body<TestSend>,
) -> Answer<Json<TestSent>> {
    let now = api.clock.now();
    let campaign = super::campaign(&api, id).await?;
    let route = api.routes.route(campaign.settings.connection_id, now).await?;
    let mut outbound = outbound(&campaign, &route, test)?;
    outbound.content = with_media(&api, &route, outbound.content, now).await?;
    let (contact, charged) = claim(&api, &route, &outbound, now).await?;
    let refusal = match route.send(&outbound).await {
        Outcome::Accepted(accepted) => {
            let message_id = Some(accepted.message_id);
            let status = TestStatus::Accepted;
            return Ok(Json(TestSent { status, message_id, detail: None }));
        }
        Outcome::Refused(refusal) => refusal,
    };
    let refused = Refused {
        refusal: &refusal,
        contact,
        country: outbound.to.country(),
        campaign: Some(&campaign),
        connection: Some(&route.connection),
        at: now,
    };
    let source = RefusalSource::TestSend { charged, bucket: bucket_at(now) };
    let settled = settle(&api.table, &api.ids, &refused, source, now).await;
    if refusal.verdict == Verdict::Ambiguous {
        // The message may be on its way: the caller must not repeat the request.
        if let Err(error) = settled {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "an unconfirmed test message was not settled");
        }
        let (status, detail) = (TestStatus::Unconfirmed, Some(refusal.to_string()));
        return Ok(Json(TestSent { status, message_id: None, detail }));
    }
    settled?;
    Err(Problem::new(Code::MessageRefused, format!("The message was not sent: {refusal}.")))
}

fn outbound(campaign: &Campaign, route: &Route, test: TestSend) -> Answer<Outbound> {
    let columns = test.variables.into_iter().map(|(name, value)| (column_name(&name), value));
    let content = campaign.settings.message.render(&columns.collect());
    let content = content.map_err(|missing| {
        let reason = missing.to_string();
        Problem::fields([FieldProblem::new("variables", FieldCode::Required, reason)])
    })?;
    route.provider.validate(&content).map_err(|problems| {
        let named: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let detail = format!("The message is not valid: {}.", named.join("; "));
        Problem::new(Code::MessageRefused, detail)
    })?;
    let to = parse_to(campaign, &test.to)?;
    Ok(Outbound { to, content, callback: CALLBACK.to_owned(), reply_to: None })
}

/// The content with the provider's ids of its uploaded files.
async fn with_media(api: &Api, route: &Route, content: Content, now: Timestamp) -> Answer<Content> {
    let mut known = BTreeMap::new();
    for id in content.media_ids() {
        let connection = route.connection.id;
        match provider_media_id(&api.table, &api.routes, id, connection, now).await {
            Ok(provider_id) => drop(known.insert(id, provider_id)),
            Err(fault) if fault.is_final() => {
                return Err(Problem::new(Code::FileMissing, sentence(&fault) + "."));
            }
            Err(fault) => return Err(Problem::new(Code::Unavailable, sentence(&fault) + ".")),
        }
    }
    Ok(content.with_media(&known))
}

fn parse_to(campaign: &Campaign, text: &str) -> Answer<Address> {
    match Phone::parse(text, campaign.settings.default_country) {
        Ok(phone) => Ok(phone.into()),
        Err(error) => contacts::parse_address("to", text)
            .ok()
            .filter(|address| address.phone().is_none())
            .ok_or_else(|| Problem::field("to", error.to_string())),
    }
}

/// Claims the contact, as a campaign does, and reserves one contact of the quota.
async fn claim(
    api: &Api,
    route: &Route,
    outbound: &Outbound,
    now: Timestamp,
) -> Answer<(ContactId, Charged)> {
    let person = [outbound.to.clone()];
    let found = person::resolve(&api.table, &api.ids, &person, now).await?;
    let found = found.ok_or_else(|| Problem::not_found("contact"))?;
    let Contact { id, profile } = contact::store::current(&api.table, found).await?;
    let category = match route.provider.template_of(&outbound.content) {
        Some(template) => template::store::get(&api.table, &template).await?,
        None => None,
    };
    let category = category.map(|template| template.category);
    let (rule, bucket) = (route.charge_rule(), bucket_at(now));
    // An earlier reservation of the contact stays: one too many is better than one too few.
    let charge = match profile.charge(route.connection.id, rule, now) {
        QuotaCharge::Renew { sent_at, .. } => QuotaCharge::New { sent_at: Some(sent_at) },
        charge @ (QuotaCharge::New { .. } | QuotaCharge::Exempt) => charge,
    };
    let request = ContactClaim {
        contact: id,
        recipient: None,
        seen_merged: None,
        message: ClaimOf::Single,
        to: &outbound.to,
        is_marketing: route.provider.is_marketing(&outbound.content, category.as_deref()),
        now,
        interval: claim_interval(route.capabilities()),
        charge,
        reservation: Reservation { quota_group: rule.quota_group, bucket },
    };
    match claim_test_send(&api.table, &request).await? {
        Claim::Won => {}
        Claim::Suppressed(reason) => {
            let detail = format!("The contact is suppressed: {}.", reason.as_str());
            return Err(Problem::new(Code::ContactSuppressed, detail));
        }
        Claim::Held(until) => {
            let detail =
                format!("The contact gets no marketing messages from WhatsApp until {until}.");
            return Err(Problem::new(Code::ContactHeld, detail));
        }
        Claim::TooSoon
        | Claim::Busy
        | Claim::WonBefore(_)
        | Claim::Lost
        | Claim::Merged(_)
        | Claim::Moved
        | Claim::DuplicatePerson => {
            let detail = "The contact was sent a message a moment ago.";
            return Err(Problem::new(Code::SentAMomentAgo, detail));
        }
    }
    let charged = Charged { charge, at: now };
    let Some(group) = rule.quota_group.filter(|_| charge != QuotaCharge::Exempt) else {
        return Ok((id, charged));
    };
    if quota::store::reserve_one(&api.table, group, now).await? {
        return Ok((id, charged));
    }
    contact::store::undo_charge(&api.table, id, charge, now).await?;
    Err(Problem::new(Code::QuotaExhausted, "The limit of contacts in 24 hours is reached."))
}

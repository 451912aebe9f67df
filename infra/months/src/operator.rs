//! The operator: creates and starts campaigns, and acts on them at random.

use std::fmt::Write;

use axum::http::Method;
use carillon::address::Address;
use carillon::campaign::Status;
use carillon::ids::CampaignId;
use carillon::recipient::Status as RecipientStatus;
use carillon::time::Timestamp;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::BoxError;

use crate::api_client::{ApiResponse, check};
use crate::campaign_contact::CampaignContact;
use crate::fault_plan::FaultRates;
use crate::fixture::{APP_SECRET, Fixture};
use crate::operator_call::{Call, CallBody, Effect};
use crate::operator_calls::OperatorCalls;
use crate::rng::SeededRng;
use crate::whatsapp::{LimitOf, Number, People, Person, SuppressedBy, WABA_ID, WhatsApp};

const TIME_ZONES: [&str; 4] = ["UTC", "America/Bogota", "Asia/Kolkata", "Europe/Madrid"];
const SEND_WINDOWS: [(&str, &str); 4] =
    [("08:00", "20:00"), ("20:00", "04:00"), ("09:30", "11:00"), ("06:00", "23:59")];
const SPEEDS: [&str; 3] = ["fast", "normal", "slow"];

pub(crate) struct Operator {
    pub(crate) campaigns: Vec<CampaignId>,
    pub(crate) calls: OperatorCalls,
}

impl Operator {
    /// Creates the connections, then creates and starts the campaigns.
    pub(crate) async fn new(fixture: &Fixture) -> Result<Self, BoxError> {
        let rng = &fixture.rng;
        // Unique contacts in 24 hours, of the whole portfolio.
        let messaging_limit = rng.between(12, 45) as u32;
        let now = fixture.clock.now();
        fixture.whatsapp.limits().add(LimitOf::Portfolio, messaging_limit, now);
        let mut connections = Vec::new();
        for index in 0..=u64::from(rng.chance(750)) {
            let number = draw_number(rng, index);
            let body = connection_body(&number, messaging_limit);
            fixture.whatsapp.add_number(number);
            let path = "/v1/connections?check=false";
            connections.push(created_id(fixture.api.send_json(Method::POST, path, &body).await?)?);
        }
        let people = People::new(rng.between(40, 90), fixture.clock.now());
        *fixture.whatsapp.people() = people;
        let mut operator = Self { campaigns: Vec::new(), calls: OperatorCalls::default() };
        for _ in 0..rng.between(2, 4) {
            operator.start_campaign(fixture, &connections).await?;
        }
        Ok(operator)
    }

    async fn start_campaign(
        &mut self,
        fixture: &Fixture,
        connections: &[String],
    ) -> Result<(), BoxError> {
        let (api, rng) = (&fixture.api, &fixture.rng);
        let body = campaign_body(rng, connections, fixture.clock.now());
        let id = created_id(api.send_json(Method::POST, "/v1/campaigns", &body).await?)?;
        let count = rng.between(15, 45);
        api.import(&id, csv(&fixture.whatsapp, count)).await.and_then(check)?;
        let path = format!("/v1/campaigns/{id}/start");
        let (status, response) = api.send(Method::POST, &path).await?;
        if status != 200 {
            return Err(format!("a campaign was not started: {status} {response}").into());
        }
        self.campaigns.push(id.parse()?);
        Ok(())
    }

    /// Does one random action. It may come too late for what it changes.
    pub(crate) async fn act(
        &mut self,
        fixture: &mut Fixture,
        rates: FaultRates,
    ) -> Result<(), BoxError> {
        let Some(id) = fixture.rng.choose(&self.campaigns).copied() else { return Ok(()) };
        match draw_call(fixture, id).await? {
            Some(call) => self.calls.make(call, fixture, rates).await,
            None => Ok(()),
        }
    }

    /// Resumes every paused or halted campaign.
    pub(crate) async fn resume_all(&self, fixture: &Fixture) -> Result<(), BoxError> {
        for id in &self.campaigns {
            let status = fixture.monitor.state().campaign(*id).map(|campaign| campaign.status);
            if matches!(status, Some(Status::Paused | Status::Halted)) {
                let path = format!("/v1/campaigns/{id}/resume");
                fixture.api.send(Method::POST, &path).await.and_then(check)?;
            }
        }
        Ok(())
    }
}

/// A CSV with `count` random people, of whom some appear twice, and some with a number that
/// they have no longer.
fn csv(whatsapp: &WhatsApp, count: u64) -> String {
    let (rng, people) = (&whatsapp.rng, whatsapp.people());
    let mut csv = "contact,first_name\n".to_owned();
    for _ in 0..count {
        let Some(person) = people.any(rng) else { continue };
        let former = people.former_lines(person);
        let former = rng.choose(&former).filter(|_| rng.chance(250));
        let current = people.identity(person, whatsapp.clock.now());
        let written = former.map(|line| line.written(rng));
        let written = written.or_else(|| Some(current?.written(rng))).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(csv, "{written},Person {}", person.0);
    }
    csv
}

/// A random call that changes a campaign, a recipient or a person; none where there is nobody to
/// change.
async fn draw_call(fixture: &Fixture, id: CampaignId) -> Result<Option<Call>, BoxError> {
    let rng = &fixture.rng;
    match rng.below(100) {
        0..20 => Ok(Some(change_campaign(id, "pause"))),
        20..42 => Ok(Some(change_campaign(id, "resume"))),
        42..44 => Ok(Some(change_campaign(id, "cancel"))),
        44..60 => {
            let body = CallBody::Json(settings_change(rng));
            let (method, path) = (Method::PATCH, format!("/v1/campaigns/{id}"));
            Ok(Some(Call { method, path, body, effect: Effect::None }))
        }
        60..64 => suppress(fixture).await.map(Some),
        64..66 => erase(fixture).await.map(Some),
        66..70 => lift(fixture).await,
        70..80 => {
            let body = CallBody::Csv(csv(&fixture.whatsapp, rng.between(1, 8)));
            let path = format!("/v1/campaigns/{id}/recipients");
            Ok(Some(Call { method: Method::POST, path, body, effect: Effect::None }))
        }
        80..94 => retry_unconfirmed(fixture),
        _ => close_read(fixture),
    }
}

fn change_campaign(id: CampaignId, action: &str) -> Call {
    post(format!("/v1/campaigns/{id}/{action}"), CallBody::None, Effect::None)
}

fn post(path: String, body: CallBody, effect: Effect) -> Call {
    Call { method: Method::POST, path, body, effect }
}

/// Puts a random person on the blacklist.
async fn suppress(fixture: &Fixture) -> Result<Call, BoxError> {
    let (person, address) = random_address(fixture)?;
    let contact = contact_at(fixture, &address).await?;
    let body = CallBody::Json(json!({ "contact_id": contact }));
    let effect = Effect::Suppresses(person, SuppressedBy::Blacklist, address);
    Ok(post("/v1/suppressions".to_owned(), body, effect))
}

/// Erases a random person.
async fn erase(fixture: &Fixture) -> Result<Call, BoxError> {
    let (person, address) = random_address(fixture)?;
    let contact = contact_at(fixture, &address).await?;
    let effect = Effect::Suppresses(person, SuppressedBy::Erasure, address);
    Ok(post(format!("/v1/contacts/{contact}/erase"), CallBody::Json(json!({})), effect))
}

/// Takes a random person off the blacklist whom Carillon can tell from everybody else.
async fn lift(fixture: &Fixture) -> Result<Option<Call>, BoxError> {
    let (whatsapp, now) = (&fixture.whatsapp, fixture.clock.now());
    let mut found = whatsapp.reports().blacklisted_people();
    found.retain(|(person, address)| {
        let people = whatsapp.people();
        let holder = people.reached(address, now);
        people.is_known_apart(*person) && holder.is_some_and(|holder| holder.person == *person)
    });
    let Some((person, address)) = fixture.rng.choose(&found).cloned() else { return Ok(None) };
    let contact = contact_at(fixture, &address).await?;
    let contact = contact.split_once('_').map_or("", |(_, uuid)| uuid);
    let path = format!("/v1/suppressions/sup_blacklisted_{contact}");
    let effect = Effect::Lifts(person, address);
    Ok(Some(Call { method: Method::DELETE, path, body: CallBody::None, effect }))
}

/// A random person, and one of their addresses.
fn random_address(fixture: &Fixture) -> Result<(Person, Address), BoxError> {
    let (whatsapp, now) = (&fixture.whatsapp, fixture.clock.now());
    let people = whatsapp.people();
    let identity = people.any(&fixture.rng).and_then(|person| people.identity(person, now));
    let identity = identity.ok_or("there is nobody")?;
    Ok((identity.person, identity.written(&fixture.rng).parse()?))
}

/// The id of the contact that an address leads to, created where there is none.
async fn contact_at(fixture: &Fixture, address: &Address) -> Result<String, BoxError> {
    let body = json!({ "addresses": [address.as_str()] });
    created_id(fixture.api.send_json(Method::POST, "/v1/contacts", &body).await?)
}

/// Retries a random recipient whose message is unconfirmed.
fn retry_unconfirmed(fixture: &Fixture) -> Result<Option<Call>, BoxError> {
    let found = random_recipient(fixture, RecipientStatus::Unconfirmed)?;
    let Some((key, attempt)) = found else { return Ok(None) };
    fixture.whatsapp.log().record_retry_request(key, attempt + 1);
    Ok(Some(change_recipient(&key, "retry")))
}

/// Closes a random recipient who has read the message.
fn close_read(fixture: &Fixture) -> Result<Option<Call>, BoxError> {
    let found = random_recipient(fixture, RecipientStatus::Read)?;
    Ok(found.map(|(key, _)| change_recipient(&key, "close")))
}

fn change_recipient(key: &CampaignContact, action: &str) -> Call {
    let path = format!("/v1/campaigns/{}/recipients/{}/{action}", key.campaign, key.contact);
    post(path, CallBody::None, Effect::None)
}

/// A random recipient with this status, and its attempt.
fn random_recipient(
    fixture: &Fixture,
    status: RecipientStatus,
) -> Result<Option<(CampaignContact, u32)>, BoxError> {
    fixture.monitor.read_stream()?;
    let state = fixture.monitor.state();
    let recipients = state.recipients.iter().filter(|(_, recipient)| recipient.status == status);
    let found: Vec<(CampaignContact, u32)> =
        recipients.map(|(key, recipient)| (*key, recipient.attempt)).collect();
    Ok(fixture.rng.choose(&found).copied())
}

fn draw_number(rng: &SeededRng, index: u64) -> Number {
    Number {
        id: format!("80000000000000{index}"),
        access_token: format!("token-{index}"),
        throughput: rng.between(4, 40) as u32,
    }
}

fn connection_body(number: &Number, messaging_limit: u32) -> Value {
    let settings = json!({ "phone_number_id": number.id, "waba_id": WABA_ID });
    json!({
        "name": "Shop",
        "provider": { "type": "whatsapp_cloud", "whatsapp_cloud": settings },
        "credentials": { "access_token": number.access_token, "app_secret": APP_SECRET },
        "quota_group": "everyone",
        "throughput_mps": number.throughput, "quota_limit": messaging_limit,
    })
}

fn campaign_body(rng: &SeededRng, connections: &[String], now: Timestamp) -> Value {
    let mut body = json!({
        "name": "Spring", "connection_id": rng.choose(connections),
        "message": message(rng),
        "daily_send_limit": rng.between(5, 25), "speed": rng.choose(&SPEEDS),
        "priority": rng.between(1, 10), "timezone": rng.choose(&TIME_ZONES),
    });
    if rng.chance(500) {
        body["send_window"] = send_window(rng);
    }
    let after_days = |days: u64| now + SignedDuration::from_hours(days as i64 * 24 + 3);
    if rng.chance(300) {
        body["scheduled_start"] = json!(after_days(rng.between(0, 6)).to_string());
    }
    if rng.chance(200) {
        body["scheduled_end"] = json!(after_days(rng.between(7, 20)).to_string());
    }
    body
}

/// A text, or a template, which counts as marketing.
fn message(rng: &SeededRng) -> Value {
    if rng.chance(500) {
        return json!({ "type": "text", "text": { "body": "Hello {first_name}" } });
    }
    let parameters = json!([{ "type": "text", "text": "{first_name}" }]);
    let components = json!([{ "type": "body", "parameters": parameters }]);
    json!({ "type": "template",
        "template": { "name": "spring_offer", "language": "en_US", "components": components } })
}

fn settings_change(rng: &SeededRng) -> Value {
    match rng.below(3) {
        0 => json!({ "daily_send_limit": rng.between(4, 30) }),
        1 => json!({ "priority": rng.between(1, 10) }),
        _ if rng.chance(400) => json!({ "send_window": null }),
        _ => json!({ "send_window": send_window(rng) }),
    }
}

fn send_window(rng: &SeededRng) -> Value {
    let (from, to) = rng.choose(&SEND_WINDOWS).copied().unwrap_or(("08:00", "20:00"));
    json!({ "from": from, "to": to })
}

fn created_id((status, response): ApiResponse) -> Result<String, BoxError> {
    match response["id"].as_str() {
        Some(id) if status < 300 => Ok(id.to_owned()),
        _ => Err(format!("the API created nothing: {status} {response}").into()),
    }
}

//! The operator: creates and starts campaigns, and acts on them at random.

use std::fmt::Write;

use axum::http::Method;
use carillon::campaign::Status;
use carillon::ids::CampaignId;
use carillon::recipient::Status as RecipientStatus;
use carillon::time::Timestamp;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::BoxError;

use crate::api_client::ApiResponse;
use crate::campaign_contact::CampaignContact;
use crate::fixture::{APP_SECRET, Fixture};
use crate::rng::SeededRng;
use crate::whatsapp::{Number, People, WABA_ID, WhatsApp};

const TIME_ZONES: [&str; 4] = ["UTC", "America/Bogota", "Asia/Kolkata", "Europe/Madrid"];
const SEND_WINDOWS: [(&str, &str); 4] =
    [("08:00", "20:00"), ("20:00", "04:00"), ("09:30", "11:00"), ("06:00", "23:59")];
/// Fields that the API refuses after a while: the end of a campaign passes, and the key of
/// an erased recipient is no contact's.
const PERISHABLE_FIELDS: [&str; 2] = ["scheduled_end", "key"];
const SPEEDS: [&str; 3] = ["fast", "normal", "slow"];

pub(crate) struct Operator {
    pub(crate) campaigns: Vec<CampaignId>,
    /// The portfolio's messaging limit: unique contacts in 24 hours.
    pub(crate) messaging_limit: u64,
}

impl Operator {
    /// Creates the connections, then creates and starts the campaigns.
    pub(crate) async fn new(fixture: &Fixture) -> Result<Self, BoxError> {
        let rng = &fixture.rng;
        let messaging_limit = rng.between(12, 45);
        let mut connections = Vec::new();
        for index in 0..=u64::from(rng.chance(750)) {
            let number = draw_number(rng, index, messaging_limit);
            let body = connection_body(&number);
            fixture.whatsapp.add_number(number);
            let path = "/v1/connections?check=false";
            connections.push(created_id(fixture.api.send_json(Method::POST, path, &body).await?)?);
        }
        let people = People::new(rng.between(40, 90), fixture.clock.now());
        *fixture.whatsapp.people() = people;
        let mut operator = Self { campaigns: Vec::new(), messaging_limit };
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
    pub(crate) async fn act(&self, fixture: &Fixture) -> Result<(), BoxError> {
        let (api, rng) = (&fixture.api, &fixture.rng);
        let Some(id) = rng.choose(&self.campaigns) else { return Ok(()) };
        match rng.below(100) {
            0..20 => change_campaign(fixture, id, "pause").await,
            20..42 => change_campaign(fixture, id, "resume").await,
            42..44 => change_campaign(fixture, id, "cancel").await,
            44..62 => {
                let (path, body) = (format!("/v1/campaigns/{id}"), settings_change(rng));
                api.send_json(Method::PATCH, &path, &body).await.and_then(check)
            }
            62..66 => {
                let contact = suppressed_contact(fixture).await?;
                let body = json!({ "contact_id": contact });
                api.send_json(Method::POST, "/v1/suppressions", &body).await.and_then(check)
            }
            66..68 => {
                let contact = suppressed_contact(fixture).await?;
                let path = format!("/v1/contacts/{contact}/erase");
                api.send_json(Method::POST, &path, &json!({})).await.and_then(check)
            }
            68..80 => {
                let count = rng.between(1, 8);
                let csv = csv(&fixture.whatsapp, count);
                api.import(&id.to_string(), csv).await.and_then(check)
            }
            80..94 => retry_unconfirmed(fixture).await,
            _ => close_read(fixture).await,
        }
    }

    /// Resumes every paused or halted campaign.
    pub(crate) async fn resume_all(&self, fixture: &Fixture) -> Result<(), BoxError> {
        for id in &self.campaigns {
            let status = fixture.monitor.state().campaign(*id).map(|campaign| campaign.status);
            if matches!(status, Some(Status::Paused | Status::Halted)) {
                change_campaign(fixture, id, "resume").await?;
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

/// The id of the contact of a random person, created where there is none. The operator is
/// about to suppress it.
async fn suppressed_contact(fixture: &Fixture) -> Result<String, BoxError> {
    let (whatsapp, now) = (&fixture.whatsapp, fixture.clock.now());
    let identity = {
        let people = whatsapp.people();
        people.any(&fixture.rng).and_then(|person| people.identity(person, now))
    };
    let identity = identity.ok_or("there is nobody")?;
    let address = identity.written(&fixture.rng);
    let body = json!({ "addresses": [address] });
    let contact = created_id(fixture.api.send_json(Method::POST, "/v1/contacts", &body).await?)?;
    whatsapp.reports().suppress(identity.person, address.parse()?, now);
    Ok(contact)
}

async fn change_campaign(fixture: &Fixture, id: &CampaignId, action: &str) -> Result<(), BoxError> {
    let path = format!("/v1/campaigns/{id}/{action}");
    fixture.api.send(Method::POST, &path).await.and_then(check)
}

/// Retries a random recipient whose message is unconfirmed.
async fn retry_unconfirmed(fixture: &Fixture) -> Result<(), BoxError> {
    let found = random_recipient(fixture, RecipientStatus::Unconfirmed)?;
    let Some((key, attempt)) = found else { return Ok(()) };
    fixture.whatsapp.log().record_retry_request(key, attempt + 1);
    change_recipient(fixture, &key, "retry").await
}

/// Closes a random recipient who has read the message.
async fn close_read(fixture: &Fixture) -> Result<(), BoxError> {
    let found = random_recipient(fixture, RecipientStatus::Read)?;
    let Some((key, _)) = found else { return Ok(()) };
    change_recipient(fixture, &key, "close").await
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

async fn change_recipient(
    fixture: &Fixture,
    key: &CampaignContact,
    action: &str,
) -> Result<(), BoxError> {
    let path = format!("/v1/campaigns/{}/recipients/{}/{action}", key.campaign, key.contact);
    fixture.api.send(Method::POST, &path).await.and_then(check)
}

fn draw_number(rng: &SeededRng, index: u64, messaging_limit: u64) -> Number {
    Number {
        id: format!("80000000000000{index}"),
        access_token: format!("token-{index}"),
        throughput: rng.between(4, 40) as u32,
        messaging_limit: messaging_limit as u32,
    }
}

fn connection_body(number: &Number) -> Value {
    let settings = json!({ "phone_number_id": number.id, "waba_id": WABA_ID });
    json!({
        "name": "Shop",
        "provider": { "type": "whatsapp_cloud", "whatsapp_cloud": settings },
        "credentials": { "access_token": number.access_token, "app_secret": APP_SECRET },
        "quota_group": "everyone",
        "throughput_mps": number.throughput, "quota_limit": number.messaging_limit,
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

/// A refusal because of the current state is no error. Any other one means that the
/// request itself was wrong.
fn check((status, response): ApiResponse) -> Result<(), BoxError> {
    let is_perishable = |error: &Value| {
        error["field"].as_str().is_some_and(|name| PERISHABLE_FIELDS.contains(&name))
    };
    let has_expired =
        response["errors"].as_array().is_some_and(|errors| errors.iter().all(is_perishable));
    match status {
        200..300 | 409 => Ok(()),
        422 if has_expired => Ok(()),
        _ => Err(format!("the API refused a request: {status} {response}").into()),
    }
}

fn created_id((status, response): ApiResponse) -> Result<String, BoxError> {
    match response["id"].as_str() {
        Some(id) if status < 300 => Ok(id.to_owned()),
        _ => Err(format!("the API created nothing: {status} {response}").into()),
    }
}

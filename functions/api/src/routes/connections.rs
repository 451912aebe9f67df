use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carillon::channel::whatsapp_cloud::{
    CloudApiError, NumberInfo, NumberStatus, Quality, SendAbility,
};
use carillon::connection::{self, Connection, Kind, Secrets};
use carillon::ids::ConnectionId;
use carillon::plan;
use carillon::time::Timestamp;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::{Asked, Body, Id};
use crate::problem::{Answer, FieldError, Problem};

/// What a number can do when Meta is not asked. Source: Meta, "Throughput".
const STANDARD_THROUGHPUT: u32 = 80;
/// The fastest that Meta lets a number be. Source: Meta, "Throughput".
const HIGHEST_THROUGHPUT: u32 = 1000;
/// What a new portfolio may do. Source: Meta, "Messaging limits".
const FIRST_LIMIT: u64 = 250;

/// A connection to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnection {
    /// What people call it, 1 to 200 characters.
    name: String,
    /// The provider.
    #[serde(default = "whatsapp_cloud")]
    #[schema(required = false)]
    kind: Kind,
    /// Meta's id of the number: digits.
    phone_number_id: String,
    /// The WhatsApp Business Account that it belongs to: digits.
    waba_id: Option<String>,
    /// A system user's access token.
    #[schema(value_type = String, write_only)]
    access_token: SecretString,
    /// The app's secret, which webhooks are signed with.
    #[schema(value_type = String, write_only)]
    app_secret: SecretString,
    /// What Meta says when it verifies the webhook; made up when left out.
    #[schema(value_type = Option<String>, write_only)]
    verify_token: Option<SecretString>,
    /// The business portfolio, whose messaging limit all its numbers share; the
    /// account's or the number's id when left out.
    portfolio: Option<String>,
    /// Messages a second, 1 to 1,000; what Meta says when left out.
    throughput_mps: Option<u32>,
    /// How many different people in 24 hours; what Meta says when left out.
    messaging_limit: Option<Limit>,
}

const fn whatsapp_cloud() -> Kind {
    Kind::WhatsappCloud
}

/// What is to change of a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChanges {
    /// What people call it.
    name: Option<String>,
    /// A new access token.
    #[schema(value_type = Option<String>, write_only)]
    access_token: Option<SecretString>,
    /// A new app secret.
    #[schema(value_type = Option<String>, write_only)]
    app_secret: Option<SecretString>,
    /// A new verification token.
    #[schema(value_type = Option<String>, write_only)]
    verify_token: Option<SecretString>,
    /// Messages a second, 1 to 1,000.
    throughput_mps: Option<u32>,
    /// How many different people in 24 hours, for the whole portfolio.
    messaging_limit: Option<Limit>,
}

/// A number of people, or `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a number of people, or \"unlimited\"")]
pub(crate) enum Limit {
    /// At most so many.
    People(u64),
    /// Any number.
    Any(Unlimited),
}

/// The word for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unlimited {
    /// Any number.
    Unlimited,
}

impl Limit {
    fn people(self) -> Option<u64> {
        match self {
            Self::People(people) => Some(people),
            Self::Any(Unlimited::Unlimited) => None,
        }
    }
}

impl From<Option<u64>> for Limit {
    fn from(limit: Option<u64>) -> Self {
        limit.map_or(Self::Any(Unlimited::Unlimited), Self::People)
    }
}

/// Whether Meta is asked about a new number.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CheckAsked {
    /// `false` makes the connection without asking Meta about the number.
    check: Option<bool>,
}

/// A connection, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    /// Its id.
    #[schema(value_type = String)]
    id: ConnectionId,
    /// What people call it.
    name: String,
    /// The provider.
    kind: Kind,
    /// Meta's id of the number.
    phone_number_id: String,
    /// The WhatsApp Business Account.
    #[serde(skip_serializing_if = "Option::is_none")]
    waba_id: Option<String>,
    /// The business portfolio.
    portfolio: String,
    /// Messages a second, replies included.
    throughput_mps: u32,
    /// How many different people the portfolio may write to in 24 hours.
    messaging_limit: Limit,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The address for Meta's webhook settings, if ours is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

/// A connection that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeConnection {
    #[serde(flatten)]
    about: ConnectionView,
    /// The verification token for Meta's webhook settings, when it was made up
    /// here. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_token: Option<String>,
    /// What Meta says of the number; none when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<NumberView>,
}

/// All connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionList {
    /// The connections, oldest first.
    items: Vec<ConnectionView>,
}

/// What Meta says of a number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NumberView {
    /// The number as it is shown to people.
    display_phone_number: Option<String>,
    /// The name that contacts see.
    verified_name: Option<String>,
    /// How contacts take its messages: `green`, `yellow`, `red` or `unknown`.
    quality: &'static str,
    /// Whether it is in use, such as `connected`, `restricted` or `banned`.
    status: &'static str,
    /// Messages a second.
    throughput_mps: u32,
    /// The portfolio's limit, if it is told.
    messaging_limit: Option<Limit>,
    /// Whether it can send: `available`, `limited`, `blocked` or `unknown`.
    can_send: &'static str,
    /// Meta's codes of what is in the way.
    obstacles: Vec<Obstacle>,
}

/// Something in a number's way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Obstacle {
    /// Where it lies, such as `PHONE_NUMBER`, `WABA` or `BUSINESS`.
    entity: String,
    /// Meta's code.
    code: u32,
}

/// Make a connection
///
/// Meta is asked about the number first; when it can't be reached or refuses the
/// token, nothing is made. The answer may show a secret and is therefore not
/// kept for a repetition with the same `Idempotency-Key`, which is answered with
/// 409.
#[utoipa::path(post, path = "/v1/connections", operation_id = "createConnection", tag = "Connections",
    params(CheckAsked), request_body = NewConnection,
    responses((status = 201, description = "The connection.", body = MadeConnection)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<CheckAsked>,
    Body(new): Body<NewConnection>,
) -> Answer<(StatusCode, Json<MadeConnection>)> {
    let now = api.clock.now();
    check_all(new.problems())?;
    let others = connection::store::all(&api.table).await?;
    if let Some(other) = others.iter().find(|other| other.phone_number_id == new.phone_number_id) {
        let detail = format!("The connection {} has this phone_number_id already.", other.id);
        return Err(Problem::conflict(detail));
    }
    let made_up =
        new.verify_token.is_none().then(|| BASE64_URL_SAFE_NO_PAD.encode(api.ids.bytes::<24>()));
    let mut connection = new.connection(&api, made_up.as_deref(), now)?;
    let number = match asked.check {
        Some(false) => None,
        None | Some(true) => Some(ask_meta(&api, &connection).await?),
    };
    let told = number.as_ref().map(|number| number.throughput.per_second());
    connection.throughput_mps = new.throughput_mps.or(told).unwrap_or(STANDARD_THROUGHPUT);
    let shared = others.iter().any(|other| other.portfolio == connection.portfolio);
    if let Some(limit) = new.limit(number.as_ref(), shared) {
        let portfolio = &connection.portfolio;
        plan::store::set_portfolio_limit(&api.table, portfolio, limit.people()).await?;
    }
    connection::store::put(&api.table, &connection).await?;
    let about = view(&api, connection).await?;
    let number = number.map(Into::into);
    Ok((StatusCode::CREATED, Json(MadeConnection { about, verify_token: made_up, number })))
}

/// List the connections
#[utoipa::path(get, path = "/v1/connections", operation_id = "listConnections", tag = "Connections",
    responses((status = 200, description = "All connections.", body = ConnectionList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer<Json<ConnectionList>> {
    let mut items = Vec::new();
    for connection in connection::store::all(&api.table).await? {
        items.push(view(&api, connection).await?);
    }
    Ok(Json(ConnectionList { items }))
}

/// Show a connection
#[utoipa::path(get, path = "/v1/connections/{id}", operation_id = "getConnection", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id.")),
    responses((status = 200, description = "The connection.", body = ConnectionView)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Id(id): Id<ConnectionId>,
) -> Answer<Json<ConnectionView>> {
    let connection = find(&api, id).await?;
    Ok(Json(view(&api, connection).await?))
}

/// Change a connection
///
/// New secrets are taken up within a minute.
#[utoipa::path(patch, path = "/v1/connections/{id}", operation_id = "changeConnection", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id.")), request_body = ConnectionChanges,
    responses((status = 200, description = "The connection.", body = ConnectionView)))]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Id(id): Id<ConnectionId>,
    Body(changes): Body<ConnectionChanges>,
) -> Answer<Json<ConnectionView>> {
    check_all(changes.problems())?;
    let mut connection = find(&api, id).await?;
    let known =
        api.vault.open(id, &connection.secrets).map_err(|error| Problem::internal(&error))?;
    if let Some(limit) = changes.messaging_limit {
        let portfolio = &connection.portfolio;
        plan::store::set_portfolio_limit(&api.table, portfolio, limit.people()).await?;
    }
    connection.name = changes.name.map_or(connection.name, |name| name.trim().to_owned());
    connection.throughput_mps = changes.throughput_mps.unwrap_or(connection.throughput_mps);
    let secrets = Secrets {
        access_token: changes.access_token.unwrap_or(known.access_token),
        app_secret: changes.app_secret.unwrap_or(known.app_secret),
        verify_token: changes.verify_token.unwrap_or(known.verify_token),
    };
    connection.secrets = seal(&api, id, &secrets)?;
    connection::store::put(&api.table, &connection).await?;
    Ok(Json(view(&api, connection).await?))
}

/// Ask Meta about the number
///
/// Its quality, limit and throughput, and whether it can send.
#[utoipa::path(post, path = "/v1/connections/{id}/check", operation_id = "checkConnection", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id.")),
    responses((status = 200, description = "What Meta says.", body = NumberView)))]
pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    Id(id): Id<ConnectionId>,
) -> Answer<Json<NumberView>> {
    let connection = find(&api, id).await?;
    Ok(Json(ask_meta(&api, &connection).await?.into()))
}

async fn find(api: &Api, id: ConnectionId) -> Answer<Connection> {
    let found = connection::store::get(&api.table, id).await?;
    found.ok_or_else(|| Problem::not_found("connection"))
}

async fn view(api: &Api, connection: Connection) -> Answer<ConnectionView> {
    let ledger = plan::store::ledger(&api.table, &connection.portfolio).await?;
    let base = api.public_url.as_deref().map(|url| url.trim_end_matches('/'));
    Ok(ConnectionView {
        id: connection.id,
        name: connection.name,
        kind: connection.kind,
        phone_number_id: connection.phone_number_id,
        waba_id: connection.waba_id,
        portfolio: connection.portfolio,
        throughput_mps: connection.throughput_mps,
        messaging_limit: ledger.limit.into(),
        created_at: connection.created_at,
        webhook_url: base.map(|base| format!("{base}/webhooks/whatsapp")),
    })
}

async fn ask_meta(api: &Api, connection: &Connection) -> Answer<NumberInfo> {
    let cloud = api.channels.cloud_api(connection).map_err(|error| Problem::internal(&error))?;
    cloud.number_info().await.map_err(|error| {
        let reason = match &error {
            CloudApiError::Refused(refusal) => format!("is refused by Meta: {refusal}"),
            CloudApiError::Unreachable(_) | CloudApiError::Unreadable => {
                tracing::warn!(error = &error as &dyn std::error::Error, "number not checked");
                format!("can't be checked: {error}; check=false makes the connection without")
            }
        };
        Problem::field("phone_number_id", reason)
    })
}

fn seal(api: &Api, id: ConnectionId, secrets: &Secrets) -> Answer<connection::Sealed> {
    api.vault.seal(id, secrets, &api.ids).map_err(|error| Problem::internal(&error))
}

type Wrong = (&'static str, &'static str);

fn check_all(problems: Vec<Option<Wrong>>) -> Answer<()> {
    let problems: Vec<FieldError> = problems.into_iter().flatten().map(Into::into).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problem::fields(problems)) }
}

fn wrong(is_right: bool, field: &'static str, reason: &'static str) -> Option<Wrong> {
    (!is_right).then_some((field, reason))
}

fn wrong_name(name: &str) -> Option<Wrong> {
    let length = name.trim().chars().count();
    wrong((1..=200).contains(&length), "name", "must have 1 to 200 characters")
}

fn wrong_id(field: &'static str, id: &str) -> Option<Wrong> {
    let digits = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    wrong(digits, field, "must be digits only, as Meta's dashboard shows it")
}

fn wrong_secret(field: &'static str, secret: &SecretString) -> Option<Wrong> {
    let secret = secret.expose_secret();
    let right =
        (1..=4096).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
    wrong(right, field, "must be a text without spaces, copied as a whole")
}

fn wrong_portfolio(portfolio: &str) -> Option<Wrong> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let right = (1..=64).contains(&portfolio.len()) && portfolio.bytes().all(allowed);
    wrong(right, "portfolio", "must be 1 to 64 letters, digits, - and _")
}

fn wrong_throughput(throughput: u32) -> Option<Wrong> {
    let right = (1..=HIGHEST_THROUGHPUT).contains(&throughput);
    wrong(right, "throughput_mps", "must be from 1 to 1000 messages a second")
}

fn wrong_limit(limit: Limit) -> Option<Wrong> {
    wrong(limit != Limit::People(0), "messaging_limit", "must be at least 1, or \"unlimited\"")
}

impl NewConnection {
    fn problems(&self) -> Vec<Option<Wrong>> {
        vec![
            wrong_name(&self.name),
            wrong_id("phone_number_id", &self.phone_number_id),
            self.waba_id.as_deref().and_then(|id| wrong_id("waba_id", id)),
            wrong_secret("access_token", &self.access_token),
            wrong_secret("app_secret", &self.app_secret),
            self.verify_token.as_ref().and_then(|token| wrong_secret("verify_token", token)),
            self.portfolio.as_deref().and_then(wrong_portfolio),
            self.throughput_mps.and_then(wrong_throughput),
            self.messaging_limit.and_then(wrong_limit),
        ]
    }

    fn connection(&self, api: &Api, made_up: Option<&str>, now: Timestamp) -> Answer<Connection> {
        let id = ConnectionId::from_uuid(api.ids.uuid(now));
        let given = self.verify_token.as_ref().map(ExposeSecret::expose_secret);
        let secrets = Secrets {
            access_token: self.access_token.clone(),
            app_secret: self.app_secret.clone(),
            verify_token: given.or(made_up).unwrap_or_default().into(),
        };
        let portfolio = self.portfolio.as_ref().or(self.waba_id.as_ref());
        Ok(Connection {
            id,
            name: self.name.trim().to_owned(),
            kind: self.kind,
            phone_number_id: self.phone_number_id.clone(),
            waba_id: self.waba_id.clone(),
            portfolio: portfolio.unwrap_or(&self.phone_number_id).clone(),
            throughput_mps: STANDARD_THROUGHPUT,
            secrets: seal(api, id, &secrets)?,
            created_at: now,
        })
    }

    /// The portfolio's limit: as given, as Meta says, or the first step; none
    /// when another connection of the portfolio has settled it.
    fn limit(&self, number: Option<&NumberInfo>, shared: bool) -> Option<Limit> {
        let told = number.and_then(|number| number.limit).map(told_limit);
        let first = (!shared).then_some(Limit::People(FIRST_LIMIT));
        self.messaging_limit.or(told).or(first)
    }
}

fn told_limit(limit: carillon::channel::whatsapp_cloud::MessagingLimit) -> Limit {
    limit.people().map(u64::from).into()
}

impl ConnectionChanges {
    fn problems(&self) -> Vec<Option<Wrong>> {
        let secret = |field, secret: &Option<SecretString>| {
            secret.as_ref().and_then(|secret| wrong_secret(field, secret))
        };
        vec![
            self.name.as_deref().and_then(wrong_name),
            secret("access_token", &self.access_token),
            secret("app_secret", &self.app_secret),
            secret("verify_token", &self.verify_token),
            self.throughput_mps.and_then(wrong_throughput),
            self.messaging_limit.and_then(wrong_limit),
        ]
    }
}

impl From<NumberInfo> for NumberView {
    fn from(number: NumberInfo) -> Self {
        let (can_send, obstacles) = match number.health {
            Some(health) => (health.can_send, health.obstacles),
            None => (SendAbility::Unknown, Vec::new()),
        };
        Self {
            display_phone_number: number.display_phone_number,
            verified_name: number.verified_name,
            quality: quality(number.quality),
            status: status(number.status),
            throughput_mps: number.throughput.per_second(),
            messaging_limit: number.limit.map(told_limit),
            can_send: ability(can_send),
            obstacles: obstacles
                .into_iter()
                .map(|(entity, code)| Obstacle { entity, code })
                .collect(),
        }
    }
}

fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Green => "green",
        Quality::Yellow => "yellow",
        Quality::Red => "red",
        Quality::Unknown => "unknown",
    }
}

fn status(status: NumberStatus) -> &'static str {
    match status {
        NumberStatus::Connected => "connected",
        NumberStatus::Pending => "pending",
        NumberStatus::Flagged => "flagged",
        NumberStatus::Limited => "limited",
        NumberStatus::Restricted => "restricted",
        NumberStatus::Banned => "banned",
        NumberStatus::Gone => "gone",
        NumberStatus::Unknown => "unknown",
    }
}

fn ability(ability: SendAbility) -> &'static str {
    match ability {
        SendAbility::Available => "available",
        SendAbility::Limited => "limited",
        SendAbility::Blocked => "blocked",
        SendAbility::Unknown => "unknown",
    }
}

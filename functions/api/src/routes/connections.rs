use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carillon::channel::whatsapp_cloud::{CloudApiError, NumberInfo};
use carillon::connection::store::Changes;
use carillon::connection::{self, Connection, Secrets, VaultError};
use carillon::delivery::learn;
use carillon::ids::ConnectionId;
use carillon::plan;
use carillon::time::Timestamp;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::IntoParams;

use super::connection_view::{
    ConnectionChanges, ConnectionList, ConnectionView, Limit, MadeConnection, NewConnection,
    NumberView, check_all,
};
use crate::Api;
use crate::body::{Asked, Body, Id};
use crate::problem::{Answer, Problem};

/// What a number can do when Meta is not asked. Source: Meta, "Throughput".
const STANDARD_THROUGHPUT: u32 = 80;
/// What a new portfolio may do. Source: Meta, "Messaging limits".
const FIRST_LIMIT: u64 = 250;

/// Whether Meta is asked about a new number.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CheckAsked {
    /// `false` makes the connection without asking Meta about the number.
    check: Option<bool>,
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
    refuse_twin(&others, &new.phone_number_id)?;
    let made_up =
        new.verify_token.is_none().then(|| BASE64_URL_SAFE_NO_PAD.encode(api.ids.bytes::<24>()));
    let mut connection = new.connection(&api, made_up.as_deref(), now).await?;
    let number = match asked.check {
        Some(false) => None,
        None | Some(true) => Some(ask_meta(&api, &connection).await?),
    };
    let told = number.as_ref().map(|number| number.throughput.per_second());
    connection.throughput_mps = new.throughput_mps.or(told).unwrap_or(STANDARD_THROUGHPUT);
    let shared = others.iter().any(|other| other.portfolio == connection.portfolio);
    set_limit(&api, &connection, new.messaging_limit).await?;
    if new.messaging_limit.is_none() && !shared {
        let portfolio = &connection.portfolio;
        plan::store::guess_portfolio_limit(&api.table, portfolio, FIRST_LIMIT).await?;
    }
    if !connection::store::create(&api.table, &connection).await? {
        let detail = "Another connection was made with this phone_number_id at this moment.";
        return Err(Problem::conflict(detail));
    }
    if number.is_some() {
        learn(&api.table, &connection, number.as_ref(), now).await?;
    }
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
    let connection = find(&api, id).await?;
    set_limit(&api, &connection, changes.messaging_limit).await?;
    let given = (changes.access_token, changes.app_secret, changes.verify_token);
    let secrets = match new_secrets(&api, &connection, given).await? {
        Some(secrets) => Some(seal(&api, id, &secrets).await?),
        None => None,
    };
    let name = changes.name.map(|name| name.trim().to_owned());
    let changed = Changes { name, throughput_mps: changes.throughput_mps, secrets };
    if !connection::store::change(&api.table, &connection, &changed).await? {
        let detail = "Its secrets were changed at this moment. Enter the new ones again.";
        return Err(Problem::conflict(detail));
    }
    if let Some(countries) = changes.blocked_countries {
        let countries = countries.into_iter().map(Into::into).collect();
        connection::store::set_blocked_countries(&api.table, id, &countries).await?;
    }
    Ok(Json(view(&api, find(&api, id).await?).await?))
}

/// Ask Meta about the number
///
/// Its quality, limit and throughput, and whether it can send. What Meta says holds
/// from then on. By itself this is done every six hours while the number sends.
#[utoipa::path(post, path = "/v1/connections/{id}/check", operation_id = "checkConnection", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id.")),
    responses((status = 200, description = "What Meta says.", body = NumberView)))]
pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    Id(id): Id<ConnectionId>,
) -> Answer<Json<NumberView>> {
    let connection = find(&api, id).await?;
    let number = ask_meta(&api, &connection).await?;
    learn(&api.table, &connection, Some(&number), api.clock.now()).await?;
    Ok(Json(number.into()))
}

type Given = (Option<SecretString>, Option<SecretString>, Option<SecretString>);

/// The secrets as changed, if any is. With all three given the old ones need not be
/// readable: they may have been sealed elsewhere.
async fn new_secrets(api: &Api, connection: &Connection, given: Given) -> Answer<Option<Secrets>> {
    let secrets = match given {
        (None, None, None) => return Ok(None),
        (Some(access_token), Some(app_secret), Some(verify_token)) => {
            Secrets { access_token, app_secret, verify_token }
        }
        (access_token, app_secret, verify_token) => {
            let known = api.vault.open(connection.id, &connection.secrets).await;
            let known = known.map_err(|error| unreadable(&error))?;
            Secrets {
                access_token: access_token.unwrap_or(known.access_token),
                app_secret: app_secret.unwrap_or(known.app_secret),
                verify_token: verify_token.unwrap_or(known.verify_token),
            }
        }
    };
    Ok(Some(secrets))
}

fn unreadable(error: &VaultError) -> Problem {
    if error.may_pass() {
        return Problem::internal(error);
    }
    tracing::error!(error = error as &dyn std::error::Error, "secrets can't be opened");
    let rule = "The connection's secrets can't be opened here. Give access_token, app_secret and verify_token together to enter them anew.";
    Problem::conflict(rule)
}

async fn find(api: &Api, id: ConnectionId) -> Answer<Connection> {
    let found = connection::store::get(&api.table, id).await?;
    found.ok_or_else(|| Problem::not_found("connection"))
}

fn refuse_twin(others: &[Connection], phone_number_id: &str) -> Answer<()> {
    match others.iter().find(|other| other.phone_number_id == phone_number_id) {
        None => Ok(()),
        Some(other) => {
            let detail = format!("The connection {} has this phone_number_id already.", other.id);
            Err(Problem::conflict(detail))
        }
    }
}

/// Sets the limit of the connection's portfolio, where there is one to be set.
async fn set_limit(api: &Api, connection: &Connection, limit: Option<Limit>) -> Answer<()> {
    if let Some(limit) = limit {
        let portfolio = &connection.portfolio;
        plan::store::set_portfolio_limit(&api.table, portfolio, limit.people()).await?;
    }
    Ok(())
}

async fn view(api: &Api, connection: Connection) -> Answer<ConnectionView> {
    let ledger = plan::store::ledger(&api.table, &connection.portfolio).await?;
    let health = connection::store::health(&api.table, connection.id).await?;
    Ok(ConnectionView {
        id: connection.id,
        name: connection.name,
        kind: connection.kind,
        phone_number_id: connection.phone_number_id,
        waba_id: connection.waba_id,
        portfolio: connection.portfolio,
        throughput_mps: health.throughput(connection.throughput_mps),
        messaging_limit: ledger.people().into(),
        quality: health.quality,
        blocked_countries: health.blocked_countries,
        checked_at: health.checked_at,
        note: health.note,
        created_at: connection.created_at,
        webhook_url: api.webhook_url.clone(),
    })
}

async fn ask_meta(api: &Api, connection: &Connection) -> Answer<NumberInfo> {
    let cloud =
        api.channels.cloud_api(connection).await.map_err(|error| Problem::internal(&error))?;
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

async fn seal(api: &Api, id: ConnectionId, secrets: &Secrets) -> Answer<connection::Sealed> {
    let sealed = api.vault.seal(id, secrets, &api.ids).await;
    sealed.map_err(|error| Problem::internal(&error))
}

impl NewConnection {
    async fn connection(
        &self,
        api: &Api,
        made_up: Option<&str>,
        now: Timestamp,
    ) -> Answer<Connection> {
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
            secrets: seal(api, id, &secrets).await?,
            created_at: now,
        })
    }
}

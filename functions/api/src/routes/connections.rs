use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carillon::campaign::{self, Status};
use carillon::channel::{
    Credentials, FieldProblem, ProbeError, Provider, ProviderConfig, Receiver, SenderAccess,
};
use carillon::connection::store::Changes;
use carillon::connection::{self, Connection, Health, VaultError};
use carillon::delivery::record_probe;
use carillon::ids::ConnectionId;
use carillon::quota::{self, Quota};
use carillon::time::Timestamp;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::IntoParams;

use super::connection_view::{
    ConnectionChanges, ConnectionPage, ConnectionView, CreatedConnection, NewConnection, ProbeView,
    problem, refuse_all,
};
use crate::answer::Created;
use crate::body::{Asked, Body, Id, JsonBody, NoMembers, OptionalBody, PageAsked, page_of};
use crate::etag::{IfMatch, Tagged};
use crate::merge_patch::patched;
use crate::problem::{Answer, Code, Problem};
use crate::values::Time;
use crate::{Api, App};

/// The members that the provider changes.
const MOVING: [&str; 5] =
    ["effective_quota_limit", "effective_throughput_mps", "quality", "checked_at", "note"];

/// Whether the provider is probed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CheckAsked {
    /// `false` creates the connection without probing the provider.
    check: Option<bool>,
}

/// Create a connection
///
/// The provider is probed first. Where it cannot be reached or refuses the credentials,
/// nothing is created. The answer may show a secret, so it is not kept for a repetition with
/// the same `Idempotency-Key`, which is answered with 409.
#[utoipa::path(post, path = "/v1/connections", operation_id = "createConnection", tag = "Connections",
    security(("api_key" = ["settings"])),
    params(CheckAsked), request_body = NewConnection,
    responses((status = 201, description = "The connection.", body = CreatedConnection)))]
pub(crate) async fn create(
    State(api): App,
    Asked(asked): Asked<CheckAsked>,
    Body(new): Body<NewConnection>,
) -> Answer<Created<CreatedConnection>> {
    let now = api.clock.now();
    let provider = provider(&api, &new.provider.r#type)?;
    let config = configure(provider, &new)?;
    let others = connection::store::all(&api.table).await?;
    refuse_twin(&others, &config)?;
    let (credentials, generated_credentials) = generate(&api, provider, &new);
    let sender = SenderAccess { config, credentials };
    let probe = if asked.check.unwrap_or(true) {
        Some(provider.probe(&sender).await.map_err(|error| not_probed(&error))?)
    } else {
        None
    };
    // The other functions can only read the key.
    api.table.ensure_address_key().await?;
    let connection = build(&api, provider, &new, sender, now).await?;
    if let Err(problem) = store(&api, provider, &connection, &others, new.quota_limit).await {
        api.vault.forget(connection.id).await.map_err(Problem::internal)?;
        return Err(problem);
    }
    if probe.is_some() {
        record_probe(&api.table, &connection, probe.as_ref(), now).await?;
    }
    let connection = view(&api, connection).await?;
    let probe = probe.map(Into::into);
    let path = format!("/v1/connections/{}", connection.id);
    Ok(Created(path, CreatedConnection { connection, generated_credentials, probe }))
}

/// List the connections
#[utoipa::path(get, path = "/v1/connections", operation_id = "listConnections", tag = "Connections",
    security(("api_key" = ["read"])), params(PageAsked),
    responses((status = 200, description = "A page of connections.", body = ConnectionPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<ConnectionPage>> {
    let all = connection::store::all(&api.table).await?;
    let cursors = api.cursors().await?;
    let (page, next_cursor) = page_of(&cursors, all, &asked, |connection| connection.id)?;
    let mut items = Vec::with_capacity(page.len());
    for connection in page {
        items.push(view(&api, connection).await?);
    }
    Ok(Json(ConnectionPage { items, next_cursor }))
}

/// Show a connection
#[utoipa::path(get, path = "/v1/connections/{id}", operation_id = "getConnection", tag = "Connections",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The connection's id.")),
    responses((status = 200, description = "The connection.", body = ConnectionView)))]
pub(crate) async fn get(
    State(api): App,
    Id(id): Id<ConnectionId>,
) -> Answer<Tagged<ConnectionView>> {
    Ok(Tagged(view(&api, find(&api, id).await?).await?))
}

/// Update a connection
///
/// A JSON Merge Patch; what `GET` answers can be sent back. New credentials take effect within
/// a minute.
#[utoipa::path(patch, path = "/v1/connections/{id}", operation_id = "updateConnection", tag = "Connections",
    security(("api_key" = ["settings"])),
    params(("id" = String, Path, description = "The connection's id.")), request_body = ConnectionChanges,
    responses((status = 200, description = "The connection.", body = ConnectionView)))]
pub(crate) async fn update(
    State(api): App,
    Id(id): Id<ConnectionId>,
    if_match: IfMatch,
    JsonBody(patch): JsonBody,
) -> Answer<Tagged<ConnectionView>> {
    // Where somebody else changes it at this moment, the patch is made anew of what they made.
    loop {
        let connection = find(&api, id).await?;
        let before = view(&api, connection.clone()).await?;
        if_match.check(&before)?;
        let changes: ConnectionChanges = patched(&before, patch.clone(), &MOVING)?;
        if change(&api, &connection, &before, changes).await? {
            return Ok(Tagged(view(&api, find(&api, id).await?).await?));
        }
    }
}

/// Makes the changes; `false` where the connection has changed since it was read.
async fn change(
    api: &Api,
    connection: &Connection,
    before: &ConnectionView,
    changes: ConnectionChanges,
) -> Answer<bool> {
    let id = connection.id;
    let provider = provider(api, &connection.provider.provider)?;
    refuse_all(changes.problems(provider.capabilities()))?;
    let credentials: Credentials = changes.credentials.into_iter().collect();
    let credentials = if credentials.is_empty() {
        None
    } else {
        let merged = merge(api, provider, connection, credentials).await?;
        Some(seal(api, id, &merged).await?)
    };
    let has_credentials = credentials.is_some();
    let name = Some(changes.name.trim().to_owned()).filter(|name| *name != before.name);
    let throughput_mps = changes.throughput_mps;
    let throughput_mps = (throughput_mps != before.throughput_mps).then_some(throughput_mps);
    let changed = Changes { name, throughput_mps, credentials };
    if !connection::store::change(&api.table, connection, &changed).await? {
        // They were made from the ones that were read.
        if has_credentials && find(api, id).await?.credentials != connection.credentials {
            let detail = "Its credentials were changed at this moment. Enter the new ones again.";
            return Err(Problem::new(Code::ChangedMeanwhile, detail));
        }
        return Ok(false);
    }
    if let Some(group) = &connection.quota_group
        && changes.quota_limit != before.quota_limit
    {
        quota::store::set_limit(&api.table, group, changes.quota_limit).await?;
    }
    if changes.blocked_countries != before.blocked_countries {
        let countries = &changes.blocked_countries;
        connection::store::set_blocked_countries(&api.table, id, countries).await?;
    }
    Ok(true)
}

/// Delete a connection
///
/// Its credentials are deleted with it. A connection with campaigns that may still send is
/// not deleted.
#[utoipa::path(delete, path = "/v1/connections/{id}", operation_id = "deleteConnection", tag = "Connections",
    security(("api_key" = ["settings"])),
    params(("id" = String, Path, description = "The connection's id.")),
    responses((status = 204, description = "It is deleted.")))]
pub(crate) async fn delete(
    State(api): App,
    Id(id): Id<ConnectionId>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let connection = find(&api, id).await?;
    if_match.check(&view(&api, connection.clone()).await?)?;
    for status in [Status::Active, Status::Scheduled, Status::Paused, Status::Halted] {
        let campaigns = campaign::store::all(&api.table, status).await?;
        if let Some(campaign) = campaigns.iter().find(|one| one.settings.connection_id == id) {
            let id = campaign.id;
            let detail = format!("The campaign {id} of this connection is {status}.");
            return Err(Problem::new(Code::ConnectionInUse, detail));
        }
    }
    // The credentials first: a deletion that failed halfway can be repeated.
    api.vault.forget(id).await.map_err(Problem::internal)?;
    connection::store::delete(&api.table, &connection).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Probe a connection
///
/// Its quality, its limits, and whether it can send. What the provider reports takes effect.
/// While the connection sends, it is probed every six hours.
#[utoipa::path(post, path = "/v1/connections/{id}/check", operation_id = "checkConnection", tag = "Connections",
    security(("api_key" = ["settings"])),
    params(("id" = String, Path, description = "The connection's id.")), request_body = NoMembers,
    responses((status = 200, description = "What the provider reports.", body = ProbeView)))]
pub(crate) async fn check(
    State(api): App,
    Id(id): Id<ConnectionId>,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Json<ProbeView>> {
    let route = api.routes.open(find(&api, id).await?, Health::default()).await?;
    let probe = route.probe().await.map_err(|error| not_probed(&error))?;
    record_probe(&api.table, &route.connection, Some(&probe), api.clock.now()).await?;
    Ok(Json(probe.into()))
}

fn provider<'a>(api: &'a Api, name: &str) -> Answer<&'a dyn Provider> {
    let providers = api.routes.providers();
    providers.get(name).map(|provider| &**provider).ok_or_else(|| {
        let known: Vec<_> = providers.all().map(|provider| provider.name()).collect();
        Problem::field("provider.type", format!("must be one of {}", known.join(", ")))
    })
}

fn configure(provider: &dyn Provider, new: &NewConnection) -> Answer<ProviderConfig> {
    let problems = new.problems(provider.capabilities());
    let config = new
        .provider
        .settings()
        .map_err(|problem| vec![problem])
        .and_then(|settings| provider.configure(settings).map_err(under_provider));
    match config {
        Ok(config) => refuse_all(problems).map(|()| config),
        Err(more) => Err(Problem::fields(problems.into_iter().flatten().chain(more))),
    }
}

fn under_provider(problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let under = |one: FieldProblem| problem(&format!("provider.{}", one.field), &one.reason);
    problems.into_iter().map(under).collect()
}

/// The credentials of a new connection, and those among them that were generated.
fn generate(
    api: &Api,
    provider: &dyn Provider,
    new: &NewConnection,
) -> (Credentials, BTreeMap<String, String>) {
    let mut credentials: Credentials = new.credentials.clone().into_iter().collect();
    let mut generated = BTreeMap::new();
    for field in provider.capabilities().credentials.iter().filter(|field| field.generated) {
        if credentials.get(field.name).is_none() {
            let secret = BASE64_URL_SAFE_NO_PAD.encode(api.ids.bytes::<24>());
            credentials.set(field.name, SecretString::from(secret.as_str()));
            generated.insert(field.name.to_owned(), secret);
        }
    }
    (credentials, generated)
}

async fn build(
    api: &Api,
    provider: &dyn Provider,
    new: &NewConnection,
    SenderAccess { config, credentials }: SenderAccess,
    now: Timestamp,
) -> Answer<Connection> {
    let id = ConnectionId::from_uuid(api.ids.uuid(now));
    let group = new.quota_group.as_ref().or(config.account_id.as_ref());
    let group = group.unwrap_or(&config.sender_id).clone();
    Ok(Connection {
        id,
        name: new.name.trim().to_owned(),
        provider: config,
        quota_group: provider.capabilities().quota.map(|_| group),
        throughput_mps: new.throughput_mps,
        credentials: seal(api, id, &credentials).await?,
        created_at: now,
    })
}

/// Stores a connection. First sets the limit of its quota group, or assumes the provider's
/// initial one for a new group.
async fn store(
    api: &Api,
    provider: &dyn Provider,
    connection: &Connection,
    others: &[Connection],
    limit: Option<u64>,
) -> Answer<()> {
    if let (Some(group), Some(rule)) = (&connection.quota_group, provider.capabilities().quota) {
        let is_shared = others.iter().any(|other| other.quota_group.as_ref() == Some(group));
        match limit {
            Some(limit) => quota::store::set_limit(&api.table, group, Some(limit)).await?,
            None if !is_shared => {
                quota::store::assume_limit(&api.table, group, rule.initial_limit).await?;
            }
            None => {}
        }
    }
    if connection::store::create(&api.table, connection).await? {
        return Ok(());
    }
    let detail = "Another connection with this sender was created at this moment.";
    Err(Problem::new(Code::SenderTaken, detail))
}

/// The credentials of a connection after changes. Where all are given, the old ones need not
/// be readable: they may have been sealed with another key.
async fn merge(
    api: &Api,
    provider: &dyn Provider,
    connection: &Connection,
    changes: Credentials,
) -> Answer<Credentials> {
    let fields = provider.capabilities().credentials;
    if fields.iter().all(|field| changes.get(field.name).is_some()) {
        return Ok(changes);
    }
    let opened = api.vault.open(connection.id, &connection.credentials).await;
    Ok(opened.map_err(unreadable)?.merged(changes))
}

fn unreadable(error: VaultError) -> Problem {
    if error.is_transient() {
        return Problem::internal(error);
    }
    tracing::error!(error = &error as &dyn std::error::Error, "credentials cannot be opened");
    let detail = "The connection's credentials cannot be decrypted here.";
    Problem::new(Code::CredentialsUnreadable, detail)
}

async fn find(api: &Api, id: ConnectionId) -> Answer<Connection> {
    let found = connection::store::get(&api.table, id).await?;
    found.ok_or_else(|| Problem::not_found("connection"))
}

fn refuse_twin(others: &[Connection], config: &ProviderConfig) -> Answer<()> {
    let same = |other: &&Connection| {
        other.provider.provider == config.provider && other.provider.sender_id == config.sender_id
    };
    let Some(other) = others.iter().find(same) else { return Ok(()) };
    let detail = format!("The connection {} has this sender already.", other.id);
    let current = serde_json::json!({ "id": other.id });
    Err(Problem::new(Code::SenderTaken, detail).with_current(&current))
}

pub(super) async fn view(api: &Api, connection: Connection) -> Answer<ConnectionView> {
    let health = connection::store::health(&api.table, connection.id).await?;
    let provider = api.routes.providers().get(&connection.provider.provider);
    let default_mps = provider.map_or(1, |one| one.capabilities().throughput.default_mps);
    let path = provider.and_then(|one| one.receiver()).map(Receiver::path);
    let base = api.webhooks_url.as_ref();
    let webhook_url = base.zip(path).map(|(base, path)| format!("{base}/{path}"));
    let quota = match &connection.quota_group {
        Some(group) => Some(quota::store::get(&api.table, group).await?),
        None => None,
    };
    Ok(ConnectionView {
        provider: (&connection.provider).into(),
        simulated: provider.is_some_and(|one| one.is_simulated()),
        effective_throughput_mps: connection.throughput(&health, default_mps),
        throughput_mps: connection.throughput_mps,
        id: connection.id,
        name: connection.name,
        quota_group: connection.quota_group,
        quota_limit: quota.as_ref().and_then(|quota| quota.limit),
        effective_quota_limit: quota.as_ref().and_then(Quota::effective_limit),
        quality: health.quality,
        blocked_countries: health.blocked_countries,
        checked_at: health.checked_at.map(Time),
        note: health.note,
        created_at: Time(connection.created_at),
        webhook_url,
    })
}

fn not_probed(error: &ProbeError) -> Problem {
    let reason = match error {
        ProbeError::Refused(refusal) => format!("is refused by the provider: {refusal}"),
        ProbeError::Unreachable(_) => {
            tracing::warn!(error = error as &dyn std::error::Error, "not probed");
            format!("cannot be checked: {error}; check=false creates the connection without")
        }
    };
    Problem::field("provider", reason)
}

async fn seal(
    api: &Api,
    id: ConnectionId,
    credentials: &Credentials,
) -> Answer<connection::Sealed> {
    api.vault.seal(id, credentials, &api.ids).await.map_err(Problem::internal)
}

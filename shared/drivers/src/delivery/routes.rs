use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use carillon_channel::{
    Capabilities, MediaError, MediaFile, MediaFiles, Outbound, Outcome, Probe, ProbeError,
    Provider, Providers, SenderAccess,
};
use carillon_foundations::ids::ConnectionId;
use carillon_nouns::batch::Batch;
use carillon_nouns::connection::{self, Connection, Health, Slice, Vault, VaultError};
use carillon_nouns::quota::{self, ChargeRule};
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::lock;
use super::pacer::Pace;

/// How long a route is cached, so that a rotated token is used without a new deployment.
const CACHE_TTL: SignedDuration = SignedDuration::from_secs(60);

/// A connection and the way to its provider.
#[derive(Debug, Clone)]
pub struct Route {
    /// The connection.
    pub connection: Arc<Connection>,
    /// What the provider reported of it.
    pub health: Arc<Health>,
    /// The provider.
    pub provider: Arc<dyn Provider>,
    access: Arc<SenderAccess>,
}

/// The routes of all connections, cached for a minute.
pub struct Routes {
    table: Table,
    vault: Arc<Vault>,
    providers: Providers,
    known: Mutex<HashMap<ConnectionId, (Timestamp, Route)>>,
}

/// Why there is no route to a provider.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// There is no such connection.
    #[error("no such connection")]
    UnknownConnection,
    /// This version does not have the connection's provider.
    #[error("the provider {0} is not part of this version")]
    UnknownProvider(String),
    /// The credentials cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RouteError {
    /// Whether a later attempt may succeed without a change of configuration.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::UnknownConnection | Self::UnknownProvider(_) => false,
            Self::Vault(error) => error.is_transient(),
            Self::Store(error) => !error.is_refusal(),
        }
    }
}

impl Route {
    /// Its throughput in messages a second.
    pub fn throughput(&self) -> u32 {
        let default = self.capabilities().throughput.default_mps;
        self.connection.throughput(&self.health, default)
    }

    /// The pace of a batch. Its slice has an equal share of the lane's rate, by the number of
    /// slices that the lane had when the batch was made, or more if it has more now: so the
    /// slices never exceed the lane's rate together.
    pub fn pace(&self, batch: &Batch) -> Pace {
        let Batch { connection, lane, slice, .. } = *batch;
        let slice = Slice { of: slice.of.max(self.health.slices(lane)), ..slice };
        Pace { connection, lane, slice, throughput: self.throughput() }
    }

    /// What its provider can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.provider.capabilities()
    }

    /// How its messages are charged to the quota.
    pub fn charge_rule(&self) -> ChargeRule<'_> {
        ChargeRule {
            quota_group: self.connection.quota_group.as_deref(),
            service_window: self.capabilities().service_window,
        }
    }

    /// Hands one message to the provider. One call is one attempt.
    pub async fn send(&self, message: &Outbound) -> Outcome {
        self.provider.send(&self.access, message).await
    }

    /// Uploads a file and returns the provider's id of it.
    pub async fn upload(&self, file: MediaFile) -> Result<String, MediaError> {
        self.files()?.upload(&self.access, file).await
    }

    /// Downloads a file by the provider's id.
    pub async fn download(&self, id: &str) -> Result<MediaFile, MediaError> {
        self.files()?.download(&self.access, id).await
    }

    fn files(&self) -> Result<&dyn MediaFiles, MediaError> {
        let missing = || MediaError::Unavailable("the provider keeps no files".to_owned());
        self.provider.media_files().ok_or_else(missing)
    }

    /// Asks the provider for the health and the limits of the connection.
    pub async fn probe(&self) -> Result<Probe, ProbeError> {
        self.provider.probe(&self.access).await
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Routes {
    /// The routes to `providers`, for the connections of `table`.
    pub fn new(table: Table, vault: Arc<Vault>, providers: Providers) -> Self {
        Self { table, vault, providers, known: Mutex::default() }
    }

    /// The providers.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The route of a connection.
    pub async fn route(&self, id: ConnectionId, now: Timestamp) -> Result<Route, RouteError> {
        let known = lock(&self.known).get(&id).cloned();
        if let Some((_, route)) = known.filter(|(then, _)| now < *then + CACHE_TTL) {
            return Ok(route);
        }
        let connection = connection::store::get(&self.table, id).await?;
        let health = connection::store::health(&self.table, id).await?;
        let route = self.open(connection.ok_or(RouteError::UnknownConnection)?, health).await?;
        lock(&self.known).insert(id, (now, route.clone()));
        Ok(route)
    }

    /// The route of a connection, and why the connection cannot send, if the provider says so.
    /// Where the last probe is hours old, the provider is probed now; if it does not answer,
    /// the earlier result stays.
    pub async fn checked_route(
        &self,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<(Route, Option<&'static str>), RouteError> {
        let route = self.route(id, now).await?;
        if !route.health.is_stale(now) {
            return Ok((route, None));
        }
        let probe = route.probe().await.inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            tracing::warn!(connection = %id, error, "the connection was not probed");
        });
        let probe = probe.ok();
        record_probe(&self.table, &route.connection, probe.as_ref(), now).await?;
        lock(&self.known).remove(&id);
        Ok((self.route(id, now).await?, probe.and_then(|probe| probe.obstacle)))
    }

    /// The route of a connection as it was read.
    pub async fn open(&self, connection: Connection, health: Health) -> Result<Route, RouteError> {
        let name = &connection.provider.provider;
        let provider = self.providers.get(name).cloned();
        let provider = provider.ok_or_else(|| RouteError::UnknownProvider(name.clone()))?;
        let credentials = self.vault.open(connection.id, &connection.credentials).await?;
        let access = SenderAccess { config: connection.provider.clone(), credentials };
        Ok(Route {
            connection: Arc::new(connection),
            health: Arc::new(health),
            provider,
            access: Arc::new(access),
        })
    }
}

/// Records the result of a probe: the health of the connection and the limit of its quota
/// group.
pub async fn record_probe(
    table: &Table,
    connection: &Connection,
    probe: Option<&Probe>,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection::store::record_probe(table, connection.id, probe, now).await?;
    let limit = probe.and_then(|probe| probe.quota);
    if let (Some(limit), Some(group)) = (limit, &connection.quota_group) {
        let contacts = limit.contacts().map(u64::from);
        quota::store::record_limit(table, group, contacts, now).await?;
    }
    Ok(())
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::channel::whatsapp_cloud::{CloudApi, GRAPH_VERSION, NumberInfo, Throughput};
use crate::channel::{Channel, HttpClient};
use crate::connection::{self, Connection, Health, Kind, Vault, VaultError};
use crate::ids::ConnectionId;
use crate::plan;
use crate::table::{StoreError, Table};

/// How long a connection's credentials are kept in memory, so that a rotated
/// token is taken up without a new deployment.
const KEEP: SignedDuration = SignedDuration::from_secs(60);

/// A connection and the way to its provider.
#[derive(Clone)]
pub struct Route {
    /// The connection.
    pub connection: Arc<Connection>,
    /// What the provider says of it.
    pub health: Arc<Health>,
    /// The provider.
    pub channel: Arc<dyn Channel>,
}

impl Route {
    /// How many messages a second may be sent, replies included.
    pub fn throughput(&self) -> u32 {
        self.health.throughput(self.connection.throughput_mps)
    }
}

/// Finds the way to a connection's provider, and remembers it for a minute.
pub struct Channels {
    table: Table,
    vault: Arc<Vault>,
    http: HttpClient,
    graph_url: String,
    stand_in: Option<StandIn>,
    known: Mutex<HashMap<ConnectionId, (Timestamp, Route)>>,
}

/// What stands in for the providers of connections.
type StandIn = Box<dyn Fn(&Connection) -> Arc<dyn Channel> + Send + Sync>;

/// Why there is no way to a provider.
#[derive(Debug, thiserror::Error)]
pub enum ChannelsError {
    /// There is no such connection.
    #[error("no such connection")]
    Unknown,
    /// Its secrets can't be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChannelsError {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Vault(error) => error.may_pass(),
            Self::Store(_) => true,
        }
    }
}

impl Channels {
    /// Channels over `table`, whose Cloud API lies at `graph_url`.
    pub fn new(table: Table, vault: Arc<Vault>, http: HttpClient, graph_url: &str) -> Self {
        let (graph_url, known) = (graph_url.to_owned(), Mutex::default());
        Self { table, vault, http, graph_url, stand_in: None, known }
    }

    /// The same with something that stands in for every provider: for a
    /// simulation, which has no network.
    #[must_use]
    pub fn through(
        self,
        stand_in: impl Fn(&Connection) -> Arc<dyn Channel> + Send + Sync + 'static,
    ) -> Self {
        Self { stand_in: Some(Box::new(stand_in)), ..self }
    }

    /// The way to a connection's provider.
    pub async fn route(&self, id: ConnectionId, now: Timestamp) -> Result<Route, ChannelsError> {
        if let Some(route) = self.remembered(id, now) {
            return Ok(route);
        }
        let found = connection::store::get(&self.table, id).await?;
        let health = connection::store::health(&self.table, id).await?;
        let route = self.open(found.ok_or(ChannelsError::Unknown)?, health).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, (now, route.clone()));
        Ok(route)
    }

    /// The Cloud API client of a connection, to ask about the number itself.
    pub async fn cloud_api(&self, connection: &Connection) -> Result<CloudApi, VaultError> {
        let secrets = self.vault.open(connection.id, &connection.secrets).await?;
        Ok(CloudApi::new(
            &self.http,
            &self.graph_url,
            GRAPH_VERSION,
            &connection.phone_number_id,
            secrets.access_token,
        ))
    }

    /// The way to a connection's provider; if the provider was not asked about the
    /// number for hours, it is now. When it doesn't answer, what was known holds.
    /// Also why nothing may be sent, if the provider says so.
    pub async fn checked_route(
        &self,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<(Route, Option<&'static str>), ChannelsError> {
        let route = self.route(id, now).await?;
        if !route.health.is_stale(now) || self.stand_in.is_some() {
            return Ok((route, None));
        }
        let info = match self.cloud_api(&route.connection).await?.number_info().await {
            Ok(info) => Some(info),
            Err(error) => {
                tracing::warn!(connection = %id, error = &error as &dyn std::error::Error, "the number was not checked");
                None
            }
        };
        learn(&self.table, &route.connection, info.as_ref(), now).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let obstacle = info.as_ref().and_then(NumberInfo::obstacle);
        Ok((self.route(id, now).await?, obstacle))
    }

    async fn open(&self, connection: Connection, health: Health) -> Result<Route, VaultError> {
        let channel: Arc<dyn Channel> = match (&self.stand_in, connection.kind) {
            (Some(stand_in), _) => stand_in(&connection),
            (None, Kind::WhatsappCloud) => Arc::new(self.cloud_api(&connection).await?),
        };
        Ok(Route { connection: Arc::new(connection), health: Arc::new(health), channel })
    }

    fn remembered(&self, id: ConnectionId, now: Timestamp) -> Option<Route> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).filter(|(then, _)| now < *then + KEEP).map(|(_, route)| route.clone())
    }
}

/// Remembers what the provider said of a number at `now`: its quality, its speed
/// and its portfolio's limit.
pub async fn learn(
    table: &Table,
    connection: &Connection,
    info: Option<&NumberInfo>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let told = info.map(|info| {
        let per_second = match info.throughput {
            Throughput::Unknown => None,
            known @ (Throughput::Standard | Throughput::High) => Some(known.per_second()),
        };
        (info.quality.as_str(), per_second)
    });
    connection::store::note_check(table, connection.id, told, now).await?;
    if let Some(limit) = info.and_then(|info| info.limit) {
        let people = limit.people().map(u64::from);
        plan::store::tell_portfolio_limit(table, &connection.portfolio, people, now).await?;
    }
    Ok(())
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channels").finish_non_exhaustive()
    }
}

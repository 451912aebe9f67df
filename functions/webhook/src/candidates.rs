//! The connections whose secrets may have signed a request.

use std::collections::HashMap;
use std::sync::Arc;

use carillon::channel::event::{Event, EventBody};
use carillon::channel::{Candidate, Provider};
use carillon::connection::{self, Connection, Vault, VaultError};
use carillon::ids::ConnectionId;
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use jiff::SignedDuration;
use tokio::sync::Mutex;

/// How long the connections are cached.
const CACHE_TTL: SignedDuration = SignedDuration::from_secs(60);
/// After a mismatch they are read again, but not more often than this.
const MIN_REREAD_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Why the candidates are not known. A later attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidatesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The connections of one provider, with their credentials opened.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    candidates: Vec<Candidate>,
    connections: Vec<Connection>,
}

type Cache = HashMap<String, (Timestamp, Arc<Opened>)>;

/// The connections by provider, cached.
#[derive(Debug)]
pub(crate) struct Candidates {
    table: Table,
    vault: Vault,
    cache: Mutex<Cache>,
}

/// The connections whose secret signed a request.
#[derive(Debug)]
pub(crate) struct Signers {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) connections: Vec<Connection>,
}

impl Signers {
    fn of(provider: &Arc<dyn Provider>, opened: &Opened, ids: &[ConnectionId]) -> Self {
        let signed = |one: &&Connection| ids.contains(&one.id);
        let connections = opened.connections.iter().filter(signed).cloned().collect();
        Self { provider: provider.clone(), connections }
    }

    /// The connection of a sender among them.
    pub(crate) fn connection_of(&self, sender: &str) -> Option<ConnectionId> {
        let found = self.connections.iter().find(|one| one.provider.sender_id == sender);
        found.map(|connection| connection.id)
    }

    /// Whether an event concerns one of them. A status without a sender is matched by its
    /// message (see `record_status`).
    pub(crate) fn sign_for(&self, event: &Event) -> bool {
        let mut senders = self.connections.iter().map(|connection| &connection.provider);
        match (&event.body, &event.sender_id) {
            (EventBody::Unknown { .. }, _) | (EventBody::Status(_), None) => true,
            (EventBody::Account(_), _) | (_, None) => {
                senders.any(|one| one.account_id.is_some() && one.account_id == event.account_id)
            }
            (_, Some(sender)) => senders.any(|one| one.sender_id == *sender),
        }
    }
}

impl Candidates {
    pub(crate) fn new(table: Table, vault: Vault) -> Self {
        Self { table, vault, cache: Mutex::default() }
    }

    /// The answer to a question about a provider's candidates. Where there is none the
    /// connections are read again: a new one may give it.
    pub(crate) async fn ask<T>(
        &self,
        provider: &str,
        now: Timestamp,
        question: impl Fn(&[Candidate]) -> Option<T>,
    ) -> Result<Option<T>, CandidatesError> {
        let found = question(&self.opened(provider, now, CACHE_TTL).await?.candidates);
        if found.is_some() {
            return Ok(found);
        }
        Ok(question(&self.opened(provider, now, MIN_REREAD_INTERVAL).await?.candidates))
    }

    /// The connections of a provider that `who_signed` names, if it names any.
    pub(crate) async fn signers(
        &self,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
        who_signed: impl Fn(&[Candidate]) -> Option<Vec<ConnectionId>>,
    ) -> Result<Option<Signers>, CandidatesError> {
        let Some(ids) = self.ask(provider.name(), now, who_signed).await? else { return Ok(None) };
        let opened = self.opened(provider.name(), now, CACHE_TTL).await?;
        Ok(Some(Signers::of(provider, &opened, &ids)))
    }

    /// The signers of these events. Where an event concerns none of them the connections are
    /// read again, whatever the age of the cache: a newer one may share the secret.
    pub(crate) async fn renew(
        &self,
        signers: Signers,
        events: &[Event],
        now: Timestamp,
        who_signed: impl Fn(&[Candidate]) -> Option<Vec<ConnectionId>>,
    ) -> Result<Signers, CandidatesError> {
        if events.iter().all(|event| signers.sign_for(event)) {
            return Ok(signers);
        }
        let opened = self.opened(signers.provider.name(), now, SignedDuration::ZERO).await?;
        let ids = who_signed(&opened.candidates).unwrap_or_default();
        Ok(Signers::of(&signers.provider, &opened, &ids))
    }

    async fn opened(
        &self,
        provider: &str,
        now: Timestamp,
        max_age: SignedDuration,
    ) -> Result<Arc<Opened>, CandidatesError> {
        let mut cache = self.cache.lock().await;
        if let Some((then, opened)) = cache.get(provider)
            && now < *then + max_age
        {
            return Ok(opened.clone());
        }
        let opened = Arc::new(self.open(provider).await?);
        cache.insert(provider.to_owned(), (now, opened.clone()));
        Ok(opened)
    }

    async fn open(&self, provider: &str) -> Result<Opened, CandidatesError> {
        let mut opened = Opened::default();
        let all = connection::store::all(&self.table).await?.into_iter();
        for connection in all.filter(|one| one.provider.provider == provider) {
            match self.vault.open(connection.id, &connection.credentials).await {
                Ok(credentials) => {
                    opened.candidates.push(Candidate { connection: connection.id, credentials });
                    opened.connections.push(connection);
                }
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(connection = %connection.id, error, "credentials");
                }
            }
        }
        Ok(opened)
    }
}

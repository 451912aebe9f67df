//! The connections whose secrets may have signed a request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use carillon::channel::event::{Event, EventBody, UnknownCause};
use carillon::channel::{Candidate, Credentials, Provider};
use carillon::connection::{self, Connection, Vault};
use carillon::ids::ConnectionId;
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use futures::stream::{self, StreamExt};
use jiff::SignedDuration;
use tokio::sync::Mutex;

/// How long the connections are cached.
const CACHE_TTL: SignedDuration = SignedDuration::from_secs(60);
/// After a mismatch they are read again, but not more often than this.
const MIN_REREAD_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// How many secrets are read at the same time.
const IN_FLIGHT: usize = 16;
/// How long reading a secret may take: the other connections' events wait for it.
const READ_WITHIN: Duration = Duration::from_secs(4);

/// Why it is not known who signed a request. A later attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidatesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no secret fits, and a connection's secret cannot be read")]
    SecretUnreadable,
}

/// The connections of one provider, with their credentials opened.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    candidates: Vec<Candidate>,
    connections: Vec<Connection>,
    unreadable: Vec<Unread>,
}

/// A connection whose secret could not be read, and when that was tried.
#[derive(Debug, Clone)]
struct Unread {
    connection: Connection,
    tried_at: Timestamp,
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
    /// Connections whose secret cannot be read: they may have signed it too.
    unreadable: Vec<Connection>,
}

/// Whom an event concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// A connection whose secret signed the request.
    Signer,
    /// A connection whose secret cannot be read.
    SecretUnreadable,
    /// Neither.
    Stranger,
}

impl Signers {
    fn of(provider: &Arc<dyn Provider>, opened: &Opened, ids: &[ConnectionId]) -> Self {
        let signed = |one: &&Connection| ids.contains(&one.id);
        let connections = opened.connections.iter().filter(signed).cloned().collect();
        let unreadable = opened.unreadable.iter().map(|one| one.connection.clone()).collect();
        Self { provider: provider.clone(), connections, unreadable }
    }

    /// The connection of a sender among them.
    pub(crate) fn connection_of(&self, sender: &str) -> Option<ConnectionId> {
        let found = self.connections.iter().find(|one| one.provider.sender_id == sender);
        found.map(|connection| connection.id)
    }

    /// Whether a connection is one of those whose secret cannot be read.
    pub(crate) fn may_be(&self, connection: ConnectionId) -> bool {
        self.unreadable.iter().any(|one| one.id == connection)
    }

    /// Whom an event concerns. An event of an account that a signer shares with a connection
    /// whose secret cannot be read is the signer's.
    pub(crate) fn concern(&self, event: &Event) -> Concern {
        if concerns(event, &self.connections) {
            Concern::Signer
        } else if concerns(event, &self.unreadable) {
            Concern::SecretUnreadable
        } else {
            Concern::Stranger
        }
    }
}

/// Whether an event concerns one of the connections. A status without a sender is matched by
/// its message (see `record_status`). What cannot be read and names nobody is the signer's.
fn concerns(event: &Event, connections: &[Connection]) -> bool {
    let mut senders = connections.iter().map(|connection| &connection.provider);
    match (&event.body, &event.sender_id, &event.account_id) {
        (EventBody::Unknown { cause: UnknownCause::Unused, .. }, ..)
        | (EventBody::Unknown { cause: UnknownCause::Unreadable, .. }, None, None)
        | (EventBody::Status(_), None, _) => true,
        (EventBody::Account(_), ..) | (_, None, _) => {
            senders.any(|one| one.account_id.is_some() && one.account_id == event.account_id)
        }
        (_, Some(sender), _) => senders.any(|one| one.sender_id == *sender),
    }
}

impl Candidates {
    pub(crate) fn new(table: Table, vault: Vault) -> Self {
        Self { table, vault, cache: Mutex::default() }
    }

    /// The answer to a question about a provider's candidates. Where there is none the
    /// connections are read again: a new one may give it.
    ///
    /// # Errors
    /// There is no answer, and a connection whose secret cannot be read may have given it.
    pub(crate) async fn ask<T>(
        &self,
        provider: &str,
        now: Timestamp,
        question: impl Fn(&[Candidate]) -> Option<T>,
    ) -> Result<Option<T>, CandidatesError> {
        let answered = self.answered(provider, now, question).await?;
        Ok(answered.map(|(answer, _)| answer))
    }

    /// An answer, and the connections that gave it.
    async fn answered<T>(
        &self,
        provider: &str,
        now: Timestamp,
        question: impl Fn(&[Candidate]) -> Option<T>,
    ) -> Result<Option<(T, Arc<Opened>)>, CandidatesError> {
        let opened = self.opened(provider, now, CACHE_TTL).await?;
        if let Some(answer) = question(&opened.candidates) {
            return Ok(Some((answer, opened)));
        }
        let opened = self.opened(provider, now, MIN_REREAD_INTERVAL).await?;
        match question(&opened.candidates) {
            Some(answer) => Ok(Some((answer, opened))),
            None if opened.unreadable.is_empty() => Ok(None),
            None => Err(CandidatesError::SecretUnreadable),
        }
    }

    /// The connections of a provider that `who_signed` names, if it names any.
    ///
    /// # Errors
    /// As of [`Candidates::ask`].
    pub(crate) async fn signers(
        &self,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
        who_signed: impl Fn(&[Candidate]) -> Option<Vec<ConnectionId>>,
    ) -> Result<Option<Signers>, CandidatesError> {
        let answered = self.answered(provider.name(), now, who_signed).await?;
        Ok(answered.map(|(ids, opened)| Signers::of(provider, &opened, &ids)))
    }

    /// The signers of these events. Where an event concerns none of them the connections are
    /// read again, whatever the age of the cache: a newer one may share the secret, and a
    /// secret that could not be read may be readable.
    pub(crate) async fn renew(
        &self,
        signers: Signers,
        events: &[Event],
        now: Timestamp,
        who_signed: impl Fn(&[Candidate]) -> Option<Vec<ConnectionId>>,
    ) -> Result<Signers, StoreError> {
        if events.iter().all(|event| signers.concern(event) == Concern::Signer) {
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
    ) -> Result<Arc<Opened>, StoreError> {
        let mut cache = self.cache.lock().await;
        let known = cache.get(provider).cloned();
        if let Some((then, opened)) = &known
            && now < *then + max_age
        {
            return Ok(opened.clone());
        }
        let known = known.map(|(_, opened)| opened).unwrap_or_default();
        let opened = Arc::new(self.open(provider, now, &known).await?);
        cache.insert(provider.to_owned(), (now, opened.clone()));
        Ok(opened)
    }

    /// Reads the connections of a provider. One whose secret cannot be read, for whatever
    /// reason, does not affect the others.
    async fn open(
        &self,
        provider: &str,
        now: Timestamp,
        known: &Opened,
    ) -> Result<Opened, StoreError> {
        let mut all = connection::store::all(&self.table).await?;
        all.retain(|one| one.provider.provider == provider);
        let opening = all.into_iter().map(|connection| async move {
            let secret = match known.recently_unread(&connection, now) {
                Some(unread) => Err(unread),
                None => self.read_secret(&connection).await.ok_or(now),
            };
            (connection, secret)
        });
        let read: Vec<_> = stream::iter(opening).buffered(IN_FLIGHT).collect().await;
        let mut opened = Opened::default();
        for (connection, secret) in read {
            match secret {
                Ok(credentials) => {
                    opened.candidates.push(Candidate { connection: connection.id, credentials });
                    opened.connections.push(connection);
                }
                Err(tried_at) => opened.unreadable.push(Unread { connection, tried_at }),
            }
        }
        Ok(opened)
    }

    async fn read_secret(&self, connection: &Connection) -> Option<Credentials> {
        let reading = self.vault.open(connection.id, &connection.credentials);
        let id = connection.id;
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(credentials)) => Some(credentials),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(connection = %id, error, "a secret cannot be read");
                None
            }
            Err(_) => {
                tracing::error!(connection = %id, "a secret cannot be read in time");
                None
            }
        }
    }
}

impl Opened {
    /// When the secret of a connection could not be read, if that was just tried: a secret
    /// that cannot be read is not asked for with every request.
    fn recently_unread(&self, connection: &Connection, now: Timestamp) -> Option<Timestamp> {
        let same = |one: &&Unread| {
            one.connection.id == connection.id
                && one.connection.credentials == connection.credentials
        };
        let tried_at = self.unreadable.iter().find(same)?.tried_at;
        (now < tried_at + MIN_REREAD_INTERVAL).then_some(tried_at)
    }
}

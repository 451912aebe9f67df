//! What the events of one request of a provider share. A request may report a thousand failures
//! of one campaign: the campaign is read once, and what one failure has stopped is not stopped
//! again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon_foundations::country::Country;
use carillon_foundations::ids::{CampaignId, ConnectionId};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::connection::{self, Account, Connection};
use carillon_table::{StoreError, Table};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

use super::halt::Scope;
use super::lock;

/// What the events of one request share. It may be as old as the request.
#[derive(Debug, Default)]
pub struct Shared {
    campaigns: AsyncMutex<HashMap<CampaignId, Option<Arc<Sent>>>>,
    stopped: AsyncMutex<Vec<Stop>>,
    requeues: Mutex<HashMap<CampaignId, Arc<Requeue>>>,
}

/// A campaign, and the connection over which it was sent; none where that does not exist any more.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) campaign: Campaign,
    pub(super) connection: Option<Connection>,
}

/// What a failure stops beyond its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The campaigns of a scope.
    Campaigns(Scope),
    /// The messages of an account to a country.
    Country(Account, Country),
    /// A connection, for a while.
    Connection(ConnectionId, Duration),
}

/// The requeues of a campaign: one is done for all who wait for it to begin.
#[derive(Debug, Default)]
struct Requeue {
    asked: AtomicU64,
    last: AsyncMutex<Requeued>,
}

/// The last requeue.
#[derive(Debug, Default)]
struct Requeued {
    /// For how many it was.
    asked: u64,
    /// Whether the campaign went on.
    goes_on: bool,
}

impl Shared {
    /// The campaign of a message, as this request met it first.
    pub(super) async fn campaign(
        &self,
        table: &Table,
        id: CampaignId,
    ) -> Result<Option<Arc<Sent>>, StoreError> {
        let mut known = self.campaigns.lock().await;
        if let Some(found) = known.get(&id) {
            return Ok(found.clone());
        }
        let found = match campaign::store::get(table, id).await? {
            Some(campaign) => {
                let connection = campaign.settings.connection_id;
                let connection = connection::store::get(table, connection).await?;
                Some(Arc::new(Sent { campaign, connection }))
            }
            None => None,
        };
        known.insert(id, found.clone());
        Ok(found)
    }

    /// What was stopped already. As long as it is held, nobody else stops the same.
    pub(super) async fn stopped(&self) -> AsyncMutexGuard<'_, Vec<Stop>> {
        self.stopped.lock().await
    }

    /// As [`campaign::store::requeue`].
    pub(super) async fn requeue(&self, table: &Table, id: CampaignId) -> Result<bool, StoreError> {
        let requeue = lock(&self.requeues).entry(id).or_default().clone();
        let number = requeue.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last = requeue.last.lock().await;
        // One that began after the recipient was stored counts it.
        if last.asked < number {
            let asked = requeue.asked.load(Ordering::Relaxed);
            let goes_on = campaign::store::requeue(table, id).await?;
            *last = Requeued { asked, goes_on };
        }
        Ok(last.goes_on)
    }
}

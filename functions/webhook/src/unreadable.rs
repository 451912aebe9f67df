//! Events that can never be stored as what they are.

use carillon::channel::event::Event;
use carillon::delivery::Shared;
use carillon::telemetry::{Metric, measure};
use carillon::unreadable::{self, Unreadable, Why};

use crate::Webhook;
use crate::candidates::Signers;
use crate::error::EventError;

impl Webhook {
    /// Stores one event as what it is or, where that can never be, as unreadable. Idempotent.
    pub(crate) async fn store_one(
        &self,
        mut event: Event,
        signers: &Signers,
        shared: &Shared,
    ) -> Result<(), EventError> {
        let raw = std::mem::take(&mut event.raw);
        match self.apply(event, &raw, (signers, shared)).await {
            Err(EventError::Unreadable(why)) => self.keep(signers.provider.name(), &raw, why).await,
            outcome => outcome,
        }
    }

    async fn keep(&self, provider: &str, raw: &str, why: Why) -> Result<(), EventError> {
        let now = self.clock.now();
        let unreadable = Unreadable::of(provider, raw, why, now, self.retention);
        if unreadable::store::add(&self.table, &unreadable).await.map_err(EventError::Store)? {
            let (hash, why) = (&unreadable.hash, why.as_str());
            tracing::warn!(provider, hash, why, "an event is kept as unreadable");
            measure(&[(Metric::EventsUnreadable, 1)], now);
        }
        Ok(())
    }
}

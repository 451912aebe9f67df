//! The uploaded files of a run's messages: the provider's ids for them, and what becomes of a
//! message whose file cannot be sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use carillon_channel::Content;
use carillon_foundations::ids::MediaId;
use carillon_nouns::batch::CloseReason;
use carillon_nouns::campaign::HaltCode;
use carillon_nouns::recipient::{self, SkipReason, WaitsFor};
use carillon_table::StoreError;
use jiff::SignedDuration;

use super::due::Due;
use super::error::DeliveryError;
use super::halt::{Cause, Scope, halt};
use super::media::{LookedUp, MediaFault, provider_media_id};
use super::run::{Run, RunStop};
use super::sender::Sender;

/// When a recipient is tried again whose own file was not available.
const RETRIED_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl Run<'_> {
    /// The content with the provider's ids of its uploaded files; `None` where one cannot be
    /// sent, or not now.
    pub(super) async fn with_media(
        &self,
        due: &Due,
        content: Content,
    ) -> Result<Option<Content>, DeliveryError> {
        let ids = content.media_ids();
        if ids.is_empty() {
            return Ok(Some(content));
        }
        let mut found = BTreeMap::new();
        for id in ids {
            let Some(looked_up) = self.look_up(id).await? else { return Ok(None) };
            match looked_up {
                Ok(provider_id) => drop(found.insert(id, provider_id)),
                Err(fault) => {
                    self.leave_without_media(due, id, &fault).await?;
                    return Ok(None);
                }
            }
        }
        // A file may have taken minutes.
        Ok((!self.is_over()).then(|| content.with_media(&found)))
    }

    /// The provider's id of a file, or why there is none; `None` where the run is over.
    async fn look_up(&self, id: MediaId) -> Result<Option<LookedUp>, DeliveryError> {
        // One at a time: messages in flight send the same files.
        let mut known = self.media.lock().await;
        if let Some(known) = known.get(&id) {
            return Ok(Some(known.clone()));
        }
        if self.is_over() {
            return Ok(None);
        }
        let Sender { table, routes, clock, .. } = self.sender;
        let connection = self.route.connection.id;
        let looked_up = match provider_media_id(table, routes, id, connection, clock.now()).await {
            Err(MediaFault::Store(error)) => return Err(error.into()),
            looked_up => looked_up.map_err(Arc::new),
        };
        known.insert(id, looked_up.clone());
        Ok(Some(looked_up))
    }

    /// Whether the run must not claim any more.
    pub(super) fn is_over(&self) -> bool {
        let Sender { clock, closing, .. } = self.sender;
        if clock.now() >= self.until || closing.is_cancelled() {
            self.stop(RunStop::OutOfTime);
        }
        self.is_stopped()
    }

    /// What becomes of a recipient whose message names a file that cannot be sent. Where the
    /// campaign's message names it, of the campaign.
    async fn leave_without_media(
        &self,
        due: &Due,
        id: MediaId,
        fault: &MediaFault,
    ) -> Result<(), StoreError> {
        let (table, now) = (&self.sender.table, self.sender.clock.now());
        let (campaign, reason) = (&self.leased.campaign, fault.to_string());
        let is_campaigns = campaign.settings.message.media_ids().contains(&id);
        if let MediaFault::ConnectionBroken(_) = fault {
            self.stop(RunStop::Closed(CloseReason::Halted));
            let cause = Cause::new(HaltCode::ConnectionUnusable, reason);
            return halt(table, &Scope::Connection(self.route.connection.id), &cause, now).await;
        }
        match (is_campaigns, fault.is_final()) {
            (true, true) => {
                self.stop(RunStop::Closed(CloseReason::Halted));
                let cause = Cause::new(HaltCode::FileUnusable, reason);
                halt(table, &Scope::Campaign(campaign.id), &cause, now).await
            }
            (true, false) => {
                tracing::warn!(media = %id, reason, "a file of a campaign is not available");
                self.stop(RunStop::Closed(CloseReason::MediaUnavailable));
                Ok(())
            }
            (false, true) => self.skip(due, SkipReason::MissingMedia, Some(&reason)).await,
            (false, false) => {
                let (attempt, until) = (due.recipient.attempt, now + RETRIED_AFTER);
                let waits = WaitsFor::Retry;
                recipient::store::defer(table, &due.key, attempt, until, waits).await.map(drop)
            }
        }
    }
}

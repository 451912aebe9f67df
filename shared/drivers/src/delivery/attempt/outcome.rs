//! The answer to an attempt, settled.

use std::sync::atomic::Ordering;
use std::time::Duration;

use carillon_channel::event::StatusEvent;
use carillon_channel::{Acceptance, Accepted, Correlation, Outcome, Refusal};
use carillon_foundations::country::Country;
use carillon_nouns::batch::CloseReason;
use carillon_nouns::connection;
use carillon_nouns::contact::person;
use carillon_nouns::quota::QuotaCharge;
use carillon_nouns::recipient::{self, Callback, Decision};
use carillon_table::StoreError;

use super::claimed::Claimed;
use crate::delivery::correlation::{MessageRef, store_pointer};
use crate::delivery::error::DeliveryError;
use crate::delivery::pacer::Paused;
use crate::delivery::policy::StopAction;
use crate::delivery::refusals::ReportedBy;
use crate::delivery::run::{Reservation, Run, RunStop};
use crate::delivery::sender::Sender;
use crate::delivery::settle::{RefusalSource, Refused, settle};
use crate::delivery::shared::Shared;
use crate::delivery::status::record_for;

/// How often a run may exceed the throughput before it is halved.
const MAX_EXCEEDED: u32 = 3;
/// The longest part of a provider's id of a message that is stored with its recipient, in bytes.
const MAX_MESSAGE_ID: usize = 1_024;
/// Retries of the write that settles an attempt.
const MAX_SETTLE_RETRIES: u32 = 5;

impl Run<'_> {
    /// Settles a claimed attempt by the provider's answer.
    pub(super) async fn settle(
        &self,
        claimed: &Claimed<'_>,
        outcome: Outcome,
    ) -> Result<Reservation, DeliveryError> {
        match outcome {
            Outcome::Accepted(accepted) => {
                self.sender.successes.note(self.leased.campaign.id, ReportedBy::Answer);
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
                self.link_addresses(claimed, &accepted).await;
                self.settle_accepted(&claimed.held.attempt, &accepted).await?;
                self.refund_renewed(claimed.held.charged.charge);
                Ok(Reservation::Used)
            }
            Outcome::Refused(refusal) => self.settle_refused(claimed, &refusal).await,
        }
    }

    async fn settle_accepted(
        &self,
        attempt: &Callback,
        accepted: &Accepted,
    ) -> Result<(), DeliveryError> {
        let Sender { table, ids, clock, .. } = self.sender;
        let early = match self.route.capabilities().correlation {
            Correlation::Callback => Some(Vec::new()),
            Correlation::MessageId => self.point_to(attempt, accepted).await,
        };
        let note = match accepted.state {
            _ if early.is_none() => Some("no_pointer"),
            Acceptance::Accepted => None,
            Acceptance::Held => Some("held_for_quality_assessment"),
            Acceptance::Paused => Some("paused"),
        };
        let id = &accepted.message_id[..accepted.message_id.floor_char_boundary(MAX_MESSAGE_ID)];
        let (key, number) = (&attempt.recipient, attempt.attempt);
        let settle = || recipient::store::settle_accepted(table, key, number, id, note);
        self.with_retries(settle).await?;
        let shared = Shared::default();
        for event in early.unwrap_or_default() {
            let known = (&self.sender.successes, &shared);
            record_for(table, ids, known, attempt, &event, clock.now()).await?;
        }
        Ok(())
    }

    /// Stores the pointer from the provider's id of a message to its attempt, and returns the
    /// statuses that were earlier. `None` where it cannot be stored: the message was accepted
    /// all the same, but none of its statuses will find it.
    async fn point_to(&self, attempt: &Callback, accepted: &Accepted) -> Option<Vec<StatusEvent>> {
        let Sender { table, clock, .. } = self.sender;
        let message = MessageRef {
            provider: self.route.provider.name(),
            sender_id: &self.route.connection.provider.sender_id,
            message_id: &accepted.message_id,
        };
        let stored = self.with_retries(|| store_pointer(table, message, attempt, clock.now()));
        let log = |error: &StoreError| {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "the statuses of a message will not be found");
        };
        stored.await.inspect_err(log).ok()
    }

    /// Links the addresses that the answer names, as of the claim. A failure is logged and does not affect the
    /// message: its webhooks name them again.
    async fn link_addresses(&self, claimed: &Claimed<'_>, accepted: &Accepted) {
        let known = &claimed.prepared.due.contact.profile.addresses;
        let mut new = accepted.aliases.clone();
        new.retain(|address| !known.contains(address));
        let (table, held) = (&self.sender.table, &claimed.held);
        let attach = || person::attach(table, held.contact, &new, held.charged.at);
        if let Err(error) = self.with_retries(attach).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an address of a contact was not linked");
        }
    }

    async fn settle_refused(
        &self,
        claimed: &Claimed<'_>,
        refusal: &Refusal,
    ) -> Result<Reservation, DeliveryError> {
        let Sender { table, ids, clock, .. } = self.sender;
        let now = clock.now();
        let refused = Refused {
            refusal,
            contact: claimed.held.contact,
            country: claimed.prepared.outbound.to.country(),
            campaign: Some(&self.leased.campaign),
            connection: Some(&self.route.connection),
            at: now,
        };
        let source = RefusalSource::Answer {
            attempt: &claimed.held.attempt,
            batch: self.leased.batch.name.batch_number(),
            charged: claimed.held.charged,
            recipient: &claimed.prepared.due.recipient,
            successes: &self.sender.successes,
        };
        let settled = self.with_retries(|| settle(table, ids, &refused, source, now)).await?;
        let count = match settled.decision {
            Decision::Unconfirmed { .. } => &self.counts.unconfirmed,
            Decision::Retry { .. } | Decision::Fail { .. } | Decision::Skip { .. } => {
                &self.counts.refused
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.stop_for(settled.stop, claimed).await?;
        if settled.used_reservation {
            self.refund_renewed(claimed.held.charged.charge);
            return Ok(Reservation::Used);
        }
        Ok(Reservation::Unused)
    }

    /// Stops what a refusal stops in this run.
    async fn stop_for(&self, stop: StopAction, claimed: &Claimed<'_>) -> Result<(), StoreError> {
        match stop {
            StopAction::Nothing
            | StopAction::CampaignIfRepeated
            | StopAction::TemplateIfRepeated => {}
            StopAction::Pause(pause) => {
                self.pause(pause).await?;
            }
            StopAction::SlowDown(pause) => {
                // Messages in flight are refused at the same time.
                if let Paused::Anew(_) = self.pause(pause).await? {
                    self.learn_throughput().await?;
                }
            }
            StopAction::Country => {
                let country = claimed.prepared.outbound.to.country();
                if country != Country::UNKNOWN {
                    self.block(country);
                }
            }
            StopAction::Campaign
            | StopAction::Template
            | StopAction::Connection
            | StopAction::Account => {
                self.stop(RunStop::Closed(CloseReason::Halted));
            }
        }
        Ok(())
    }

    /// Pauses the connection here, and in the processes of its other lanes.
    async fn pause(&self, pause: Duration) -> Result<Paused, StoreError> {
        let Sender { table, clock, .. } = self.sender;
        let paused = self.pacer.pause(pause, clock.now());
        if let Paused::Anew(throttling) | Paused::Longer(throttling) = paused {
            let id = self.route.connection.id;
            connection::store::record_throttling(table, id, throttling).await?;
        }
        Ok(paused)
    }

    /// Halves the connection's throughput once its provider has refused messages of a run for
    /// their rate several times: it takes fewer than it reports.
    async fn learn_throughput(&self) -> Result<(), StoreError> {
        if self.exceeded.fetch_add(1, Ordering::Relaxed) + 1 != MAX_EXCEEDED {
            return Ok(());
        }
        let (id, lower) = (self.route.connection.id, (self.route.throughput() / 2).max(1));
        tracing::warn!(connection = %id, throughput = lower, "the provider throttles: the throughput is halved");
        connection::store::learn_throughput(&self.sender.table, id, lower).await
    }

    /// Refunds the reservation of the batch where the contact had one already, or needs none.
    pub(super) fn refund_renewed(&self, charge: QuotaCharge) {
        match charge {
            QuotaCharge::New { .. } => {}
            QuotaCharge::Renew { bucket, .. } => self.refund(bucket),
            QuotaCharge::Exempt => self.refund(self.leased.batch.bucket),
        }
    }

    /// Retries a write that records an answer: the answer is the only copy.
    pub(super) async fn with_retries<T, F>(&self, write: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            match write().await {
                Err(StoreError::Unavailable { .. }) if tries < MAX_SETTLE_RETRIES => {
                    self.sender.clock.sleep(Duration::from_millis(100 << tries)).await;
                }
                outcome => return outcome,
            }
            tries += 1;
        }
    }
}

//! The turn of an attempt: its lane's next one, as long as the campaign goes on.

use std::sync::Arc;

use carillon_nouns::batch::CloseReason;
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::connection;
use carillon_table::StoreError;
use jiff::SignedDuration;

use crate::delivery::error::DeliveryError;
use crate::delivery::run::{Run, RunStop};
use crate::delivery::sender::Sender;

/// How long the messages of a run share a read of their campaign.
const READ_FOR: SignedDuration = SignedDuration::from_millis(250);

impl Run<'_> {
    /// Learns every few seconds how the connection was throttled in other processes.
    pub(super) async fn learn_throttling(&self) -> Result<(), StoreError> {
        let Sender { table, clock, .. } = self.sender;
        if self.pacer.is_to_ask(clock.now()) {
            let health = connection::store::health(table, self.route.connection.id).await?;
            self.pacer.adopt(health.throttling);
        }
        Ok(())
    }

    /// Waits for the lane's next turn; `false` where it is too late for this run, or where
    /// the process ends.
    pub(super) async fn wait_for_turn(&self) -> bool {
        let Sender { clock, closing, .. } = self.sender;
        let now = clock.now();
        let wait = self.pacer.claim_turn(now);
        if now + wait >= self.until {
            self.stop(RunStop::Closed(CloseReason::Throttled));
            return false;
        }
        tokio::select! {
            () = clock.sleep(wait) => true,
            () = closing.cancelled() => {
                self.stop(RunStop::OutOfTime);
                false
            }
        }
    }

    /// Looks at the campaign before each message, so that a pause, a cancellation or the end of
    /// the day takes effect within a moment and the messages in flight.
    pub(super) async fn may_go_on(&self) -> Result<bool, DeliveryError> {
        let Sender { clock, closing, .. } = self.sender;
        if self.is_stopped() {
            return Ok(false);
        }
        if clock.now() >= self.until || closing.is_cancelled() {
            self.stop(RunStop::OutOfTime);
            return Ok(false);
        }
        let reason = match self.campaign_now().await?.as_deref() {
            Some(campaign) => self.leased.batch.close_reason_at(campaign, clock.now()),
            None => Some(CloseReason::CampaignMissing),
        };
        if let Some(reason) = reason {
            self.stop(RunStop::Closed(reason));
        }
        Ok(reason.is_none())
    }

    /// The campaign, as it was at most [`READ_FOR`] ago: the messages of a run share the reads.
    async fn campaign_now(&self) -> Result<Option<Arc<Campaign>>, StoreError> {
        let Sender { table, clock, .. } = self.sender;
        // One at a time: the others take what it reads.
        let mut shared = self.campaign_read.lock().await;
        let now = clock.now();
        if let Some((at, campaign)) = &*shared
            && (*at..*at + READ_FOR).contains(&now)
        {
            return Ok(campaign.clone());
        }
        let campaign = campaign::store::get(table, self.leased.campaign.id).await?.map(Arc::new);
        *shared = Some((now, campaign.clone()));
        Ok(campaign)
    }
}

use carillon_foundations::ids::{IdSource, MediaId};
use carillon_foundations::time::Clock;
use carillon_nouns::batch::{self, Batch, BatchRef, Lease};
use carillon_nouns::campaign::Campaign;
use carillon_nouns::recipient::{self, CancelReason, Recipient, Status};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::WIND_DOWN;
use super::error::DeliveryError;
use super::media::renew_media;
use super::pacer::Pacers;
use super::queue::SendQueue;
use super::refusals::Successes;
use super::routes::Routes;

/// Sends batches.
#[derive(Debug)]
pub struct Sender {
    /// The table.
    pub table: Table,
    /// The queue on which the rest of a batch is enqueued again.
    pub queue: SendQueue,
    /// The routes to the providers.
    pub routes: Routes,
    /// The pacers of the lanes.
    pub pacers: Pacers,
    /// The messages that got through.
    pub successes: Successes,
    /// The clock.
    pub clock: Clock,
    /// The source of run ids.
    pub ids: IdSource,
    /// Cancelled when the process ends: every run then hands back the rest of its batch.
    pub closing: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The batch is done.
    Done,
    /// The time ran out; the rest of the batch is enqueued again.
    HandedBack,
    /// The batch was done already, or another run has leased it.
    NotLeased,
}

/// A batch that this run has leased, with its campaign.
#[derive(Debug)]
pub(super) struct Leased {
    /// The lease.
    pub(super) lease: Lease,
    /// The batch.
    pub(super) batch: Batch,
    /// Its campaign.
    pub(super) campaign: Campaign,
}

impl Sender {
    /// Renews the uploads of a file that end soon.
    pub async fn renew_media(
        &self,
        media: MediaId,
        deadline: Timestamp,
    ) -> Result<(), DeliveryError> {
        let until = deadline - WIND_DOWN;
        Ok(renew_media(&self.table, &self.routes, media, &self.clock, until).await?)
    }

    /// Reads the recipients of a batch: settles claims of earlier runs (the lease is ours), and
    /// returns how many reservations of the batch were used.
    pub(super) async fn reservations_used(&self, leased: &Leased) -> Result<u32, StoreError> {
        let Leased { batch, campaign, .. } = leased;
        let mut used = 0;
        // A first run has nothing to settle, unless the campaign has ended since.
        if batch.runs <= 1 && !campaign.status.is_final() {
            return Ok(used);
        }
        let (of, mut unread) = (campaign.recipients(), batch.unread());
        while let Some(page) = batch::store::read_on(&self.table, of, &mut unread).await? {
            for recipient in page {
                used += self.settle_earlier_run(campaign, &batch.name, &recipient).await?;
            }
        }
        Ok(used)
    }

    /// Settles a recipient that an earlier run of the batch did not settle, and returns how
    /// many reservations of the batch it used.
    async fn settle_earlier_run(
        &self,
        campaign: &Campaign,
        batch: &BatchRef,
        recipient: &Recipient,
    ) -> Result<u32, StoreError> {
        let (table, number) = (&self.table, batch.batch_number());
        let key = campaign.recipients().key(recipient.contact);
        let claimed_here = recipient.batch == Some(number);
        if claimed_here && recipient.status == Status::Pending && campaign.status.is_final() {
            let reason = CancelReason::CampaignOver;
            recipient::store::cancel(table, &key, recipient.attempt, reason).await?;
        }
        if claimed_here && recipient.status == Status::Sending {
            let now = self.clock.now();
            recipient::store::settle_lost(table, &key, recipient.attempt, now).await?;
        }
        Ok(recipient.reservations_used(number))
    }
}

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::ready;
use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::retry::Decision;
use super::{Channels, ChannelsError, Pacer, Pacers, QueueError, Route, SendQueue};
use crate::campaign::{self, Campaign, Move, Status as CampaignStatus};
use crate::ids::{IdSource, RunId};
use crate::plan::store::Closing;
use crate::plan::{self, Batch, BatchRef, Cursor, Lease};
use crate::recipient::{self, Recipient, Status};
use crate::table::{StoreError, Table};
use crate::time::Clock;

/// How many recipients are read at a time.
const PAGE: u32 = 250;
/// How long before its time runs out a run hands the rest back: longer than the
/// longest request to a provider.
const WIND_DOWN: SignedDuration = SignedDuration::from_secs(35);
/// The most messages on their way at once in one lane.
const MOST_IN_FLIGHT: f64 = 64.0;

/// Sends batches.
#[derive(Debug)]
pub struct Sender {
    /// The table.
    pub table: Table,
    /// The queue on which the rest of a batch is handed back.
    pub queue: SendQueue,
    /// The ways to the providers.
    pub channels: Channels,
    /// The beats of the lanes.
    pub pacers: Pacers,
    /// The clock.
    pub clock: Clock,
    /// Names the runs.
    pub ids: IdSource,
    /// Cancelled when the process is to end: every run hands its rest back.
    pub closing: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The batch is done.
    Done,
    /// Its time ran out; the rest is on the queue again.
    HandedBack,
    /// The batch is done already, or someone else is sending it.
    NotOurs,
}

/// Why a run failed. What it had claimed and not settled becomes `unconfirmed`.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no way to the provider.
    #[error(transparent)]
    Channels(#[from] ChannelsError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// One run over one batch.
pub(super) struct Run<'a> {
    pub(super) sender: &'a Sender,
    pub(super) batch: Batch,
    pub(super) campaign: Campaign,
    pub(super) route: Route,
    pub(super) pacer: Arc<Pacer>,
    pub(super) tag: String,
    pub(super) until: Timestamp,
    /// Places left.
    pub(super) budget: AtomicU32,
    /// How many requests in a row the provider called wrong.
    pub(super) strikes: AtomicU32,
    /// Why the run has to stop; set once.
    pub(super) stopped: OnceLock<Halt>,
}

/// Why a run stops before the end of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// No time left: someone else goes on.
    OutOfTime,
    /// The batch must not go on; the planner decides anew about the rest.
    Closed(String),
}

impl Sender {
    /// Sends a batch until it is done or `deadline` is near.
    pub async fn run(&self, name: &BatchRef, deadline: Timestamp) -> Result<RunEnd, DeliveryError> {
        let now = self.clock.now();
        let run = RunId::from_uuid(self.ids.uuid(now));
        let lease = Lease { run, until: deadline };
        let Some(batch) = plan::store::lease(&self.table, name, lease, now).await? else {
            return Ok(RunEnd::NotOurs);
        };
        match self.prepare(batch, deadline, now).await? {
            Ok(run) => run.carry_out().await,
            Err((batch, why)) => self.close(&batch, 0, Some(why)).await,
        }
    }

    async fn prepare(
        &self,
        mut batch: Batch,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Result<Run<'_>, (Batch, String)>, DeliveryError> {
        let Some(campaign) = campaign::store::get(&self.table, batch.name.campaign).await? else {
            return Ok(Err((batch, "the campaign is gone".to_owned())));
        };
        if let Some(why) = closed_for(&campaign, &batch, now) {
            return Ok(Err((batch, why)));
        }
        let route = match self.channels.route(batch.connection, now).await {
            Ok(route) => route,
            Err(ChannelsError::Store(error)) => return Err(error.into()),
            Err(broken @ (ChannelsError::Unknown | ChannelsError::Vault(_))) => {
                let why = broken.to_string();
                self.halt(&campaign, &why).await?;
                return Ok(Err((batch, why)));
            }
        };
        plan::store::carry_over(&self.table, &mut batch, now).await?;
        let throughput = route.connection.throughput_mps;
        Ok(Ok(Run {
            sender: self,
            pacer: self.pacers.of(batch.connection, batch.lane, throughput),
            tag: batch.name.tag(),
            until: deadline - WIND_DOWN,
            budget: AtomicU32::new(batch.size),
            strikes: AtomicU32::new(0),
            stopped: OnceLock::new(),
            batch,
            campaign,
            route,
        }))
    }

    async fn close(
        &self,
        batch: &Batch,
        used: u32,
        cut_short: Option<String>,
    ) -> Result<RunEnd, DeliveryError> {
        let closing = Closing { used, cut_short };
        plan::store::close(&self.table, batch, &closing, self.clock.now()).await?;
        Ok(RunEnd::Done)
    }

    /// Stops a campaign for a reason, unless it is stopped already.
    pub(super) async fn halt(&self, campaign: &Campaign, why: &str) -> Result<(), DeliveryError> {
        use campaign::store::{ChangeError, change_status};
        tracing::warn!(campaign = %campaign.id, why, "campaign halted");
        let now = self.clock.now();
        match change_status(&self.table, campaign.id, Move::Halt, Some(why), now).await {
            Ok(_) | Err(ChangeError::Refused(_) | ChangeError::Unknown) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error.into()),
        }
    }
}

/// Why a batch may not be sent now, if it may not.
pub(super) fn closed_for(campaign: &Campaign, batch: &Batch, now: Timestamp) -> Option<String> {
    if campaign.status != CampaignStatus::Active {
        return Some(format!("the campaign is {}", campaign.status));
    }
    if campaign.today(now) != batch.name.date {
        return Some("the day it was planned for is over".to_owned());
    }
    if campaign.settings.scheduled_end.is_some_and(|end| end <= now) {
        return Some("the campaign's scheduled end has come".to_owned());
    }
    let window = campaign.settings.send_window.as_ref()?;
    window.opens(now, &campaign.zone()).map(|_| "the send window is closed".to_owned())
}

impl Run<'_> {
    async fn carry_out(self) -> Result<RunEnd, DeliveryError> {
        let mut after = self.batch.after.clone();
        while self.stopped.get().is_none() && self.budget.load(Ordering::Relaxed) > 0 {
            let (page, next) = self.page(after.as_ref()).await?;
            let Some(next) = next else { break };
            self.send_page(page).await?;
            after = Some(next);
        }
        self.finish().await
    }

    async fn page(
        &self,
        after: Option<&Cursor>,
    ) -> Result<(Vec<Recipient>, Option<Cursor>), StoreError> {
        let (campaign, until) = (&self.campaign, Some(&self.batch.until));
        let table = &self.sender.table;
        recipient::store::walk(table, campaign.id, campaign.shards, after, until, PAGE).await
    }

    async fn finish(self) -> Result<RunEnd, DeliveryError> {
        let used = self.batch.size - self.budget.load(Ordering::Relaxed).min(self.batch.size);
        match self.stopped.get() {
            None => self.sender.close(&self.batch, used, None).await,
            Some(Halt::Closed(why)) => {
                self.sender.close(&self.batch, used, Some(why.clone())).await
            }
            Some(Halt::OutOfTime) => self.hand_back().await,
        }
    }

    async fn hand_back(&self) -> Result<RunEnd, DeliveryError> {
        let Sender { table, queue, clock, .. } = self.sender;
        plan::store::break_lease(table, &self.batch.name).await?;
        if let Some(times) =
            plan::store::note_enqueued(table, &self.batch.name, clock.now()).await?
        {
            queue.send(&self.batch, times).await?;
        }
        Ok(RunEnd::HandedBack)
    }

    /// Sends the recipients of a page that are due, at the lane's beat.
    async fn send_page(&self, page: Vec<Recipient>) -> Result<(), DeliveryError> {
        let rate = self.batch.lane.rate(self.route.connection.throughput_mps);
        let in_flight = rate.ceil().clamp(1.0, MOST_IN_FLIGHT) as usize;
        let mut due = Vec::with_capacity(page.len());
        for recipient in page {
            if self.is_ours_to_send(&recipient).await? {
                due.push(recipient);
            }
        }
        let mut sends = stream::iter(due)
            .take_while(|_| ready(self.stopped.get().is_none() && self.take_place()))
            .map(|recipient| self.deliver(recipient).boxed())
            .buffer_unordered(in_flight);
        while let Some(used) = sends.next().await {
            if !used? {
                self.return_place();
            }
        }
        Ok(())
    }

    /// Sorts a recipient of the range: what an earlier run of this batch left
    /// behind is settled and counted, what is due is sent.
    async fn is_ours_to_send(&self, recipient: &Recipient) -> Result<bool, DeliveryError> {
        let claimed_here = recipient.batch.as_deref() == Some(&self.tag);
        match recipient.status {
            Status::Pending => return Ok(recipient.is_due(self.sender.clock.now())),
            Status::Sending if claimed_here => self.give_up_claim(recipient).await?,
            Status::Sending
            | Status::Unconfirmed
            | Status::Sent
            | Status::Failed
            | Status::Delivered
            | Status::Read
            | Status::Replied
            | Status::Closed
            | Status::Skipped
            | Status::Cancelled => {}
        }
        if claimed_here && recipient.status != Status::Skipped {
            self.take_place();
        }
        Ok(false)
    }

    /// A claim that an earlier run did not settle: the lease is ours, so that run
    /// is over, and whether the message went out is not known.
    async fn give_up_claim(&self, recipient: &Recipient) -> Result<(), DeliveryError> {
        let decision = Decision::Unconfirmed {
            reason: "the sender stopped before the answer came".to_owned(),
        };
        self.settle(recipient, &decision, None).await
    }

    fn take_place(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn return_place(&self) {
        self.budget.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stop(&self, why: Halt) {
        // The first reason stands.
        let _ = self.stopped.set(why);
    }
}

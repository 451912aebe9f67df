use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::ready;
use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::retry::{Decision, Stop, decide};
use super::{Channels, ChannelsError, PAIR_SECONDS, Pacer, Pacers, QueueError, Route, SendQueue};
use crate::campaign::{self, Campaign, Move, Status as CampaignStatus};
use crate::channel::{Acceptance, Accepted, Outbound, Outcome, Refusal};
use crate::contact;
use crate::ids::{IdSource, RunId};
use crate::plan::store::Closing;
use crate::plan::{self, Batch, BatchRef, Cursor, Lease};
use crate::recipient::store::{Claim, Place};
use crate::recipient::{self, Callback, Recipient, Status};
use crate::table::{StoreError, Table};
use crate::time::Clock;

/// How many recipients are read at a time.
const PAGE: u32 = 250;
/// How long before its time runs out a run hands the rest back: longer than the
/// longest request to a provider.
const WIND_DOWN: SignedDuration = SignedDuration::from_secs(35);
/// After how many requests in a row that the provider called wrong the campaign
/// halts, instead of burning its recipients.
const MOST_STRIKES: u32 = 5;
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
struct Run<'a> {
    sender: &'a Sender,
    batch: Batch,
    campaign: Campaign,
    route: Route,
    pacer: Arc<Pacer>,
    tag: String,
    until: Timestamp,
    /// Places left.
    budget: AtomicU32,
    /// How many requests in a row the provider called wrong.
    strikes: AtomicU32,
    /// Why the run has to stop; set once.
    stopped: OnceLock<Halt>,
}

/// Why a run stops before the end of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Halt {
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
    async fn halt(&self, campaign: &Campaign, why: &str) -> Result<(), DeliveryError> {
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
fn closed_for(campaign: &Campaign, batch: &Batch, now: Timestamp) -> Option<String> {
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

    fn stop(&self, why: Halt) {
        // The first reason stands.
        let _ = self.stopped.set(why);
    }

    /// Delivers to one recipient; `true` when a place was used.
    async fn deliver(&self, recipient: Recipient) -> Result<bool, DeliveryError> {
        self.pacer.turn().await;
        if !self.may_go_on().await? {
            return Ok(false);
        }
        let place = self.place(&recipient);
        let Some(outbound) = self.outbound(&recipient, &place).await? else {
            return Ok(false);
        };
        if !self.claim(&recipient, &place).await? {
            return Ok(false);
        }
        let outcome = self.route.channel.send(&outbound).await;
        self.settle_outcome(&recipient, &place, outcome).await
    }

    /// Asks the table before each message, so that a pause, a cancellation or the
    /// end of the day takes effect within the messages on their way.
    async fn may_go_on(&self) -> Result<bool, DeliveryError> {
        let now = self.sender.clock.now();
        if self.stopped.get().is_some() {
            return Ok(false);
        }
        if now >= self.until || self.sender.closing.is_cancelled() {
            self.stop(Halt::OutOfTime);
            return Ok(false);
        }
        let campaign = campaign::store::get(&self.sender.table, self.campaign.id).await?;
        let why = match campaign {
            Some(campaign) => closed_for(&campaign, &self.batch, now),
            None => Some("the campaign is gone".to_owned()),
        };
        match why {
            Some(why) => {
                self.stop(Halt::Closed(why));
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// The message for one recipient. A variable without a value leaves it out.
    async fn outbound(
        &self,
        recipient: &Recipient,
        place: &Place,
    ) -> Result<Option<Outbound>, DeliveryError> {
        let content = match self.campaign.settings.message.render(&recipient.columns) {
            Ok(content) => content,
            Err(missing) => {
                self.leave_out(recipient, place, &missing.to_string()).await?;
                return Ok(None);
            }
        };
        let callback = Callback {
            campaign: place.campaign,
            shard: place.shard,
            attempt: recipient.attempt,
            contact: place.contact.clone(),
        };
        let callback = callback.to_string();
        Ok(Some(Outbound { to: place.contact.clone(), content, callback, reply_to: None }))
    }

    async fn claim(&self, recipient: &Recipient, place: &Place) -> Result<bool, DeliveryError> {
        let Sender { table, clock, .. } = self.sender;
        let mut tries = 0;
        loop {
            let now = clock.now();
            let attempt = recipient.attempt;
            match recipient::store::claim(table, place, attempt, &self.tag, now, PAIR_SECONDS)
                .await?
            {
                Claim::Won => return Ok(true),
                Claim::Barred(why) => {
                    self.leave_out(recipient, place, why.as_str()).await?;
                    return Ok(false);
                }
                Claim::TooSoon if tries < 2 => {
                    clock.sleep(std::time::Duration::from_secs(PAIR_SECONDS.unsigned_abs())).await;
                }
                Claim::Busy if tries < 5 => {
                    clock.sleep(std::time::Duration::from_millis(20 << tries)).await;
                }
                // Lost: someone else has it. The others stay pending, and the next
                // pass of the walk comes by.
                Claim::Lost | Claim::TooSoon | Claim::Busy => return Ok(false),
            }
            tries += 1;
        }
    }

    async fn leave_out(
        &self,
        recipient: &Recipient,
        place: &Place,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (table, attempt) = (&self.sender.table, recipient.attempt);
        recipient::store::leave_out(table, place, attempt, Status::Skipped, reason).await.map(drop)
    }

    async fn settle_outcome(
        &self,
        recipient: &Recipient,
        place: &Place,
        outcome: Outcome,
    ) -> Result<bool, DeliveryError> {
        match outcome {
            Outcome::Accepted(accepted) => {
                self.strikes.store(0, Ordering::Relaxed);
                self.settle_accepted(recipient, place, &accepted).await?;
                Ok(true)
            }
            Outcome::Refused(refusal) => self.settle_refused(recipient, &refusal).await,
        }
    }

    async fn settle_accepted(
        &self,
        recipient: &Recipient,
        place: &Place,
        accepted: &Accepted,
    ) -> Result<(), DeliveryError> {
        let note = match accepted.state {
            Acceptance::Accepted => None,
            Acceptance::Held => Some("held_for_quality_assessment"),
            Acceptance::Paused => Some("paused"),
        };
        let (table, id) = (&self.sender.table, &accepted.message_id);
        let settle =
            || recipient::store::settle_accepted(table, place, recipient.attempt, id, note);
        Ok(self.insist(settle).await?)
    }

    async fn settle_refused(
        &self,
        recipient: &Recipient,
        refusal: &Refusal,
    ) -> Result<bool, DeliveryError> {
        let jitter = f64::from(self.sender.ids.bytes::<1>()[0]) / 255.0;
        let now = self.sender.clock.now();
        let (decision, stop) = decide(refusal, recipient.attempt, now, jitter);
        self.settle(recipient, &decision, refusal.code).await?;
        self.follow_up(recipient, &decision).await?;
        match stop {
            Stop::Nothing => {}
            Stop::Lane(pause) => self.pacer.hold(pause),
            Stop::Campaign => self.halt(refusal).await?,
            Stop::CampaignIfRepeated => {
                if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_STRIKES {
                    self.halt(refusal).await?;
                }
            }
        }
        Ok(matches!(decision, Decision::Unconfirmed { .. }))
    }

    /// What a decision means beyond the recipient: an opt-out holds for the
    /// contact; who is to be tried again must have a campaign to be tried in.
    async fn follow_up(
        &self,
        recipient: &Recipient,
        decision: &Decision,
    ) -> Result<(), DeliveryError> {
        let Sender { table, clock, .. } = self.sender;
        match decision {
            Decision::Skip { .. } => {
                let (contact, now) = (&recipient.contact, clock.now());
                contact::store::record_preference(table, contact, true, now).await?;
            }
            Decision::Retry { .. } => {
                let campaign = campaign::store::get(table, self.campaign.id).await?;
                if campaign.is_none_or(|campaign| campaign.status.is_final()) {
                    let (place, attempt) = (self.place(recipient), recipient.attempt + 1);
                    recipient::store::leave_out_late(table, &place, attempt).await?;
                }
            }
            Decision::Fail { .. } | Decision::Unconfirmed { .. } => {}
        }
        Ok(())
    }

    async fn halt(&self, refusal: &Refusal) -> Result<(), DeliveryError> {
        let why = refusal.to_string();
        self.stop(Halt::Closed(why.clone()));
        self.sender.halt(&self.campaign, &why).await
    }

    async fn settle(
        &self,
        recipient: &Recipient,
        decision: &Decision,
        code: Option<u32>,
    ) -> Result<(), DeliveryError> {
        let (table, now) = (&self.sender.table, self.sender.clock.now());
        let (place, attempt) = (self.place(recipient), recipient.attempt);
        let settle =
            || recipient::store::settle_refused(table, &place, attempt, decision, code, now);
        self.insist(settle).await?;
        Ok(())
    }

    /// Writes an answer down, several times if need be: it is the only copy.
    async fn insist<T, F>(&self, write: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            match write().await {
                Err(StoreError::Unavailable { .. }) if tries < 5 => {
                    self.sender.clock.sleep(std::time::Duration::from_millis(100 << tries)).await;
                }
                outcome => return outcome,
            }
            tries += 1;
        }
    }

    fn place(&self, recipient: &Recipient) -> Place {
        Place::of(self.campaign.id, &recipient.contact, self.campaign.shards)
    }
}

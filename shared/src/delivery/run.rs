use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::FutureExt;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::halt::{Scope, halt};
use super::{Channels, ChannelsError, Pacer, Pacers, QueueError, Route, SendQueue};
use crate::campaign::{self, Campaign, Status as CampaignStatus};
use crate::contact::{self, Profile};
use crate::ids::{IdSource, RunId};
use crate::plan::store::Closing;
use crate::plan::{self, Batch, BatchRef, Cursor, Lease};
use crate::recipient::store::Place;
use crate::recipient::{self, Recipient, Status};
use crate::table::{StoreError, Table};
use crate::telemetry::{Metric, measure};
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
    /// The right to send it.
    pub(super) lease: Lease,
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
    /// Places of the ledger to give back, by bucket: of people who hold one
    /// already, or need none.
    pub(super) spared: Mutex<BTreeMap<i64, u32>>,
    /// Countries that are left out.
    pub(super) blocked: Mutex<BTreeSet<String>>,
    /// What came of the messages.
    pub(super) outcomes: Outcomes,
    /// Why the run has to stop; set once.
    pub(super) stopped: OnceLock<Halt>,
}

/// What came of a run's messages.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) sent: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unconfirmed: AtomicU64,
}

impl Outcomes {
    /// Writes them down, for the log and the dashboard.
    fn tell(&self, batch: &BatchRef, now: Timestamp) {
        let [sent, refused, unconfirmed] = [&self.sent, &self.refused, &self.unconfirmed]
            .map(|count| count.load(Ordering::Relaxed));
        tracing::info!(%batch, sent, refused, unconfirmed, "sent from a batch");
        let values = [
            (Metric::MessagesSent, sent),
            (Metric::MessagesRefused, refused),
            (Metric::MessagesUnconfirmed, unconfirmed),
        ];
        measure(&values, now);
    }
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
        let outcome = self.carry_out(batch, lease, now).await;
        if outcome.is_err() {
            // Whoever comes next need not wait for the lease to run out.
            plan::store::break_lease(&self.table, name, Some(run)).await?;
        }
        outcome
    }

    async fn carry_out(
        &self,
        batch: Batch,
        lease: Lease,
        now: Timestamp,
    ) -> Result<RunEnd, DeliveryError> {
        let Some(campaign) = campaign::store::get(&self.table, batch.name.campaign).await? else {
            let why = "the campaign is gone".to_owned();
            return self.close(&batch, lease, 0, Some(why)).await;
        };
        match self.prepare(batch, campaign, lease, now).await? {
            Ok(run) => run.carry_out().await,
            Err((batch, campaign, why)) => self.close_early(&batch, &campaign, lease, why).await,
        }
    }

    async fn prepare(
        &self,
        mut batch: Batch,
        campaign: Campaign,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Result<Run<'_>, (Batch, Campaign, String)>, DeliveryError> {
        if let Some(why) = closed_for(&campaign, &batch, now) {
            return Ok(Err((batch, campaign, why)));
        }
        let route = match self.channels.checked_route(batch.connection, now).await {
            Ok((route, None)) => route,
            Ok((_, Some(why))) => {
                halt(&self.table, &Scope::Number(batch.connection), why, now).await?;
                return Ok(Err((batch, campaign, why.to_owned())));
            }
            Err(passing) if passing.may_pass() => return Err(passing.into()),
            Err(broken) => {
                let why = broken.to_string();
                halt(&self.table, &Scope::Number(batch.connection), &why, now).await?;
                return Ok(Err((batch, campaign, why)));
            }
        };
        let used = self.account_for(&batch, &campaign).await?.min(batch.size);
        // What earlier runs used was used in an older bucket, and stays there.
        plan::store::carry_over(&self.table, &mut batch, used, now).await?;
        let throughput = route.throughput();
        Ok(Ok(Run {
            sender: self,
            pacer: self.pacers.of(batch.connection, batch.lane, throughput, now),
            tag: batch.name.tag(),
            until: lease.until - WIND_DOWN,
            budget: AtomicU32::new(batch.size - used),
            strikes: AtomicU32::new(0),
            spared: Mutex::default(),
            blocked: Mutex::new(route.health.blocked_countries.clone()),
            outcomes: Outcomes::default(),
            stopped: OnceLock::new(),
            lease,
            batch,
            campaign,
            route,
        }))
    }

    async fn close(
        &self,
        batch: &Batch,
        lease: Lease,
        used: u32,
        cut_short: Option<String>,
    ) -> Result<RunEnd, DeliveryError> {
        let closing = Closing { used, cut_short };
        plan::store::close(&self.table, batch, lease.run, &closing, self.clock.now()).await?;
        Ok(RunEnd::Done)
    }

    /// Closes a batch before the end of its range. What earlier runs used of it is
    /// counted, and what they left behind is settled.
    async fn close_early(
        &self,
        batch: &Batch,
        campaign: &Campaign,
        lease: Lease,
        why: String,
    ) -> Result<RunEnd, DeliveryError> {
        let used = self.account_for(batch, campaign).await?;
        self.close(batch, lease, used.min(batch.size), Some(why)).await
    }

    /// Walks a batch's range: settles claims that no run will settle any more (the
    /// lease is ours), and gives how many of its places were used.
    async fn account_for(&self, batch: &Batch, campaign: &Campaign) -> Result<u32, DeliveryError> {
        let mut used = 0;
        // The first run finds nothing, unless the campaign ended meanwhile.
        if batch.runs <= 1 && !campaign.status.is_final() {
            return Ok(used);
        }
        let tag = batch.name.tag();
        // Who was erased meanwhile lies at the end of their shard.
        let (erased, end) = recipient::store::erased_after(&batch.until);
        for (start, until) in [(batch.after.clone(), &batch.until), (Some(erased), &end)] {
            let mut after = start;
            loop {
                let (page, next) = recipient::store::walk(
                    &self.table,
                    campaign.id,
                    campaign.shards,
                    after.as_ref(),
                    Some(until),
                    PAGE,
                )
                .await?;
                for recipient in page {
                    used += self.settle_left_behind(campaign, &tag, &recipient).await?;
                }
                let Some(next) = next else { break };
                after = Some(next);
            }
        }
        Ok(used)
    }

    /// Settles a recipient whom an earlier run of the batch left behind, if it did;
    /// gives how many of the batch's places were used on it.
    async fn settle_left_behind(
        &self,
        campaign: &Campaign,
        batch: &str,
        recipient: &Recipient,
    ) -> Result<u32, StoreError> {
        let place = Place::of(campaign.id, &recipient.contact, campaign.shards);
        let attempt = recipient.attempt;
        let claimed_here = recipient.batch.as_deref() == Some(batch);
        if claimed_here && recipient.status == Status::Pending && campaign.status.is_final() {
            // A retry whose campaign ended before it was looked at again.
            recipient::store::leave_out_late(&self.table, &place, attempt).await?;
        }
        if claimed_here && recipient.status == Status::Sending {
            let now = self.clock.now();
            recipient::store::settle_lost(&self.table, &place, attempt, now).await?;
        }
        Ok(recipient.places_of(batch))
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
        let sent = self.send_all().await;
        self.outcomes.tell(&self.batch.name, self.sender.clock.now());
        sent?;
        self.finish().await
    }

    /// Sends to those of the range who are due, at the lane's beat. One is begun when
    /// there is a place for them; the next are read while messages are on their way.
    async fn send_all(&self) -> Result<(), DeliveryError> {
        let rate = self.batch.lane.rate(self.route.throughput());
        let most_flying = rate.ceil().clamp(1.0, MOST_IN_FLIGHT) as usize;
        let mut people = self.people().boxed().fuse();
        let mut flying = FuturesUnordered::new();
        // After an error no more are begun, but those on their way are awaited:
        // dropping them would lose their answers.
        let mut failed = Ok(());
        loop {
            if self.stopped.get().is_some() {
                // Nor is what is being read needed any more.
                people = stream::empty().boxed().fuse();
            }
            let begins = flying.len() < most_flying && self.budget.load(Ordering::Relaxed) > 0;
            tokio::select! {
                // In this order, so that a simulation can be repeated.
                biased;
                Some(next) = people.next(), if begins && !people.is_done() => match next {
                    Ok((recipient, profile)) => {
                        self.budget.fetch_sub(1, Ordering::Relaxed);
                        flying.push(self.deliver(recipient, profile).boxed());
                    }
                    Err(error) => failed = self.fail(error.into()),
                },
                Some(used) = flying.next(), if !flying.is_empty() => match used {
                    Ok(true) => {}
                    Ok(false) => drop(self.budget.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => failed = self.fail(error),
                },
                else => return failed,
            }
        }
    }

    /// Begins no more; the run ends with this error.
    fn fail(&self, error: DeliveryError) -> Result<(), DeliveryError> {
        self.stop(Halt::OutOfTime);
        Err(error)
    }

    /// The recipients of the range who are due, with what is known of them.
    fn people(&self) -> impl Stream<Item = Result<(Recipient, Profile), StoreError>> {
        let start = Some(self.batch.after.clone());
        let pages = stream::try_unfold(start, async |after| {
            let Some(after) = after else { return Ok(None) };
            let (page, next) = self.page(after.as_ref()).await?;
            let people = self.with_profiles(page).await?;
            Ok(Some((stream::iter(people).map(Ok), next.map(Some))))
        });
        pages.try_flatten()
    }

    async fn page(
        &self,
        after: Option<&Cursor>,
    ) -> Result<(Vec<Recipient>, Option<Cursor>), StoreError> {
        let (campaign, until) = (&self.campaign, Some(&self.batch.until));
        let table = &self.sender.table;
        recipient::store::walk(table, campaign.id, campaign.shards, after, until, PAGE).await
    }

    /// Those of a page who are due, with what is known of them.
    async fn with_profiles(
        &self,
        page: Vec<Recipient>,
    ) -> Result<Vec<(Recipient, Profile)>, StoreError> {
        let now = self.sender.clock.now();
        let due: Vec<_> = page.into_iter().filter(|one| one.is_due(now)).collect();
        let mut profiles = HashMap::with_capacity(due.len());
        for some in due.chunks(100) {
            let contacts: Vec<_> = some.iter().map(|one| one.contact.clone()).collect();
            profiles.extend(contact::store::many(&self.sender.table, &contacts).await?);
        }
        let with_profile = |recipient: Recipient| {
            let profile = profiles.remove(&recipient.contact).unwrap_or_default();
            (recipient, profile)
        };
        Ok(due.into_iter().map(with_profile).collect())
    }

    async fn finish(self) -> Result<RunEnd, DeliveryError> {
        let spared = std::mem::take(&mut *self.spared());
        let (table, portfolio) = (&self.sender.table, &self.batch.portfolio);
        plan::store::give_back(table, portfolio, self.lease.run, &spared).await?;
        let cut_short = match self.stopped.get() {
            None => None,
            Some(Halt::Closed(why)) => Some(why.clone()),
            Some(Halt::OutOfTime) => return self.hand_back().await,
        };
        let used = self.batch.size - self.budget.load(Ordering::Relaxed).min(self.batch.size);
        // An earlier run that was thought dead may have gone on beside this one.
        let found = self.sender.account_for(&self.batch, &self.campaign).await?;
        let used = used.max(found).min(self.batch.size);
        self.sender.close(&self.batch, self.lease, used, cut_short).await
    }

    async fn hand_back(&self) -> Result<RunEnd, DeliveryError> {
        let Sender { table, queue, clock, .. } = self.sender;
        plan::store::break_lease(table, &self.batch.name, Some(self.lease.run)).await?;
        if let Some(times) =
            plan::store::note_enqueued(table, &self.batch.name, clock.now()).await?
        {
            queue.send(&self.batch, times).await?;
        }
        Ok(RunEnd::HandedBack)
    }

    pub(super) fn spared(&self) -> MutexGuard<'_, BTreeMap<i64, u32>> {
        self.spared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn blocked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self, why: Halt) {
        // The first reason stands.
        let _ = self.stopped.set(why);
    }
}

//! One run over one batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use carillon_foundations::country::Country;
use carillon_foundations::ids::MediaId;
use carillon_foundations::telemetry::{Metric, measure};
use carillon_nouns::batch::{self, BatchRef, CloseReason};
use carillon_nouns::campaign::Campaign;
use carillon_nouns::contact::{self, Contact, Profile};
use carillon_nouns::quota;
use carillon_nouns::recipient::Recipient;
use carillon_table::StoreError;
use futures::FutureExt;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::claim::Held;
use super::due::Due;
use super::enqueue::enqueue;
use super::error::DeliveryError;
use super::lock;
use super::media::LookedUp;
use super::pacer::Pacer;
use super::routes::Route;
use super::sender::{Leased, RunEnd, Sender};
use super::store::{self, BatchEnd};
use super::twins;
use super::{LONGEST_SEND, WIND_DOWN};

/// The maximum number of messages in flight in one slice of a lane.
const MAX_IN_FLIGHT: f64 = 64.0;

/// One run over one batch.
pub(super) struct Run<'a> {
    pub(super) sender: &'a Sender,
    pub(super) leased: Leased,
    pub(super) route: Route,
    pub(super) pacer: Arc<Pacer>,
    /// Until when recipients are claimed.
    pub(super) until: Timestamp,
    /// Until when a request to the provider is begun.
    pub(super) send_until: Timestamp,
    /// How many reservations are left.
    pub(super) budget: AtomicU32,
    /// How many claims in a row the table has not answered.
    pub(super) failures: AtomicU32,
    /// Claims that may have been won, by recipient.
    pub(super) in_doubt: Mutex<Vec<Vec<Held>>>,
    /// Whether a recipient is left to the next run of the batch.
    pub(super) is_incomplete: AtomicBool,
    /// The campaign, and when it was read last.
    pub(super) campaign_read: AsyncMutex<Option<CampaignRead>>,
    /// How often the connection's throughput was exceeded.
    pub(super) exceeded: AtomicU32,
    /// The category of the campaign's template.
    pub(super) category: OnceCell<Option<String>>,
    /// Reservations to refund, by bucket: of contacts that had one already, or need none.
    refunds: Mutex<BTreeMap<i64, u32>>,
    /// The blocked countries.
    blocked: Mutex<BTreeSet<Country>>,
    /// The provider's ids of the uploaded files that the run sends.
    pub(super) media: AsyncMutex<HashMap<MediaId, LookedUp>>,
    pub(super) counts: Counts,
    /// Why the run stops; set once.
    stop: OnceLock<RunStop>,
}

/// When a campaign was read, and the campaign, if there is one.
type CampaignRead = (Timestamp, Option<Arc<Campaign>>);

/// What an attempt did with its reservation of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reservation {
    /// It used it.
    Used,
    /// It did not.
    Unused,
}

/// The outcomes of a run's messages.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unconfirmed: AtomicU64,
}

impl Counts {
    /// Writes them to the log and the metrics.
    fn report(&self, batch: &BatchRef, now: Timestamp) {
        let [sent, refused, unconfirmed] = [&self.sent, &self.refused, &self.unconfirmed]
            .map(|count| count.load(Ordering::Relaxed));
        tracing::info!(%batch, sent, refused, unconfirmed, "messages of a batch");
        let values = [
            (Metric::MessagesSent, sent),
            (Metric::MessagesRefused, refused),
            (Metric::MessagesUnconfirmed, unconfirmed),
        ];
        measure(&values, now);
    }
}

/// Why a run stops before the end of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunStop {
    /// The deadline is near, or the process ends: another run goes on.
    OutOfTime,
    /// The batch must not go on: the planner decides about the rest.
    Closed(CloseReason),
}

impl<'a> Run<'a> {
    /// A run over a leased batch, of which earlier runs `used` some reservations.
    pub(super) fn new(sender: &'a Sender, leased: Leased, route: Route, used: u32) -> Self {
        let batch = &leased.batch;
        let pace = route.pace(batch);
        Self {
            pacer: sender.pacers.of(pace, sender.clock.now()),
            until: leased.lease.until - WIND_DOWN,
            send_until: leased.lease.until - LONGEST_SEND,
            budget: AtomicU32::new(batch.size - used),
            failures: AtomicU32::new(0),
            in_doubt: Mutex::default(),
            is_incomplete: AtomicBool::new(false),
            campaign_read: AsyncMutex::default(),
            exceeded: AtomicU32::new(0),
            category: OnceCell::new(),
            refunds: Mutex::default(),
            blocked: Mutex::new(route.health.blocked_countries.clone()),
            media: AsyncMutex::default(),
            counts: Counts::default(),
            stop: OnceLock::new(),
            sender,
            leased,
            route,
        }
    }

    pub(super) async fn run(self) -> Result<RunEnd, DeliveryError> {
        let sent = self.send_all().await;
        self.counts.report(&self.leased.batch.name, self.sender.clock.now());
        // Also where the run has failed: the next one would take these claims for lost.
        let given_back = self.give_back_unanswered().await;
        sent?;
        given_back?;
        self.finish().await
    }

    /// Sends to the due recipients of the batch at the rate of its slice. The next ones are
    /// read while messages are in flight.
    async fn send_all(&self) -> Result<(), DeliveryError> {
        let rate = self.route.pace(&self.leased.batch).rate();
        let max_in_flight = rate.ceil().clamp(1.0, MAX_IN_FLIGHT) as usize;
        let mut due = self.due().boxed().fuse();
        let mut in_flight = FuturesUnordered::new();
        // After an error no more are started, but those in flight are awaited: dropping them
        // would lose their answers.
        let mut failed = Ok(());
        loop {
            if self.is_stopped() {
                // Nor is the page needed that is being read.
                due = stream::empty().boxed().fuse();
            }
            let starts = in_flight.len() < max_in_flight && self.budget.load(Ordering::Relaxed) > 0;
            tokio::select! {
                // In this order, so that a simulation can be repeated.
                biased;
                Some(next) = due.next(), if starts && !due.is_done() => match next {
                    Ok(due) => {
                        self.budget.fetch_sub(1, Ordering::Relaxed);
                        in_flight.push(self.deliver(due).boxed());
                    }
                    Err(error) => failed = self.fail(error.into()),
                },
                Some(outcome) = in_flight.next(), if !in_flight.is_empty() => match outcome {
                    Ok(Reservation::Used) => {}
                    Ok(Reservation::Unused) => drop(self.budget.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => failed = self.fail(error),
                },
                else => return failed,
            }
        }
    }

    /// Starts no more; the run ends with this error.
    fn fail(&self, error: DeliveryError) -> Result<(), DeliveryError> {
        self.stop(RunStop::OutOfTime);
        Err(error)
    }

    /// The due recipients of the batch with their contacts.
    fn due(&self) -> impl Stream<Item = Result<Due, StoreError>> {
        let pages = stream::try_unfold(self.leased.batch.unread(), async |mut unread| {
            let (table, of) = (&self.sender.table, self.leased.campaign.recipients());
            let page = batch::store::read_on(table, of, &mut unread).await?;
            let Some(page) = page else { return Ok(None) };
            let due = self.with_contacts(page).await?;
            Ok(Some((stream::iter(due).map(Ok), unread)))
        });
        pages.try_flatten()
    }

    /// The due recipients of a page with their contacts. A likely twin waits for the other.
    async fn with_contacts(&self, page: Vec<Recipient>) -> Result<Vec<Due>, StoreError> {
        let now = self.sender.clock.now();
        let due: Vec<_> = page.into_iter().filter(|one| one.is_due(now)).collect();
        let mut contacts = HashMap::with_capacity(due.len());
        for some in due.chunks(100) {
            let ids: Vec<_> = some.iter().map(|one| one.contact).collect();
            contacts.extend(contact::store::many(&self.sender.table, &ids).await?);
        }
        let with_contact = |recipient: Recipient| {
            let unknown = || Contact { id: recipient.contact, profile: Profile::default() };
            Due {
                key: self.leased.campaign.recipients().key(recipient.contact),
                contact: contacts.remove(&recipient.contact).unwrap_or_else(unknown),
                recipient,
            }
        };
        let due = due.into_iter().map(with_contact).collect();
        let recipients = self.leased.campaign.recipients();
        twins::without_waiting(&self.sender.table, recipients, due, now).await
    }

    async fn finish(self) -> Result<RunEnd, DeliveryError> {
        let refunds = std::mem::take(&mut *lock(&self.refunds));
        let Sender { table, queue, clock, .. } = self.sender;
        let Leased { lease, batch, .. } = &self.leased;
        if let Some(group) = &batch.quota_group {
            quota::store::refund(table, group, lease.run, &refunds).await?;
        }
        let early = match self.stop.get() {
            None => None,
            Some(RunStop::Closed(reason)) => Some(*reason),
            Some(RunStop::OutOfTime) => {
                batch::store::break_lease(table, &batch.name, Some(lease.run)).await?;
                enqueue(table, queue, batch, clock.now()).await?;
                return Ok(RunEnd::HandedBack);
            }
        };
        let used = batch.size - self.budget.load(Ordering::Relaxed).min(batch.size);
        // An earlier run that was thought dead may have gone on beside this one.
        let found = self.sender.reservations_used(&self.leased).await?;
        let end = BatchEnd { used: used.max(found).min(batch.size), early };
        store::close(table, batch, lease.run, &end, clock.now()).await?;
        Ok(RunEnd::Done)
    }

    /// Refunds one reservation of a bucket when the run ends.
    pub(super) fn refund(&self, bucket: i64) {
        *lock(&self.refunds).entry(bucket).or_default() += 1;
    }

    pub(super) fn is_blocked(&self, country: Country) -> bool {
        lock(&self.blocked).contains(&country)
    }

    pub(super) fn block(&self, country: Country) {
        lock(&self.blocked).insert(country);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.get().is_some()
    }

    pub(super) fn stop(&self, reason: RunStop) {
        // The first reason stands.
        let _ = self.stop.set(reason);
    }
}

//! One attempt at one recipient, in stages: due, prepared, claimed, sent, settled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carillon_channel::event::StatusEvent;
use carillon_channel::{
    Acceptance, Accepted, Content, Correlation, FieldProblem, Outbound, Outcome, Refusal,
};
use carillon_foundations::country::Country;
use carillon_nouns::batch::CloseReason;
use carillon_nouns::campaign::{self, Campaign, HaltCode};
use carillon_nouns::connection;
use carillon_nouns::contact::store::{ClaimOf, Reservation as ContactReservation};
use carillon_nouns::contact::{self, Contact, person};
use carillon_nouns::quota::QuotaCharge;
use carillon_nouns::recipient::{
    self, Callback, CancelReason, Decision, SkipReason, SpentReservation, Status, WaitsFor,
};
use carillon_nouns::template;
use carillon_table::StoreError;
use jiff::SignedDuration;

use super::claim::{Claim, ContactClaim, Held, claim};
use super::claim_interval;
use super::correlation::{MessageRef, store_pointer};
use super::due::Due;
use super::error::DeliveryError;
use super::halt::{Cause, Scope, halt};
use super::pacer::Paused;
use super::policy::StopAction;
use super::refusals::ReportedBy;
use super::run::{Reservation, Run, RunStop};
use super::sender::Sender;
use super::settle::{Charged, RefusalSource, Refused, settle};
use super::shared::Shared;
use super::status::record_for;

/// The greatest age of a claim at which its message is still sent.
const MAX_CLAIM_AGE: SignedDuration = SignedDuration::from_mins(1);
/// How long the messages of a run share a read of their campaign.
const READ_FOR: SignedDuration = SignedDuration::from_millis(250);
/// Retries of a claim that came too soon after another one.
const MAX_TOO_SOON: u32 = 2;
/// How often a run may exceed the throughput before it is halved.
const MAX_EXCEEDED: u32 = 3;
/// The number of campaigns that a contact keeps before those that ended are forgotten.
const MAX_SENT_CAMPAIGNS: usize = 32;
/// How long a recipient that could not be claimed is left.
const LEFT_FOR: Duration = Duration::from_secs(30);
/// The longest part of a provider's id of a message that is stored with its recipient, in bytes.
const MAX_MESSAGE_ID: usize = 1_024;
/// Retries of a claim that met another write.
const MAX_BUSY: u32 = 5;
/// Retries of the write that settles an attempt.
const MAX_SETTLE_RETRIES: u32 = 5;

/// A due recipient with its message.
struct Prepared<'a> {
    due: &'a Due,
    attempt: Callback,
    outbound: Outbound,
}

/// A recipient that this run has claimed, and must send to.
pub(super) struct Claimed<'a> {
    prepared: Prepared<'a>,
    held: Held,
}

/// An attempt with the provider's answer.
struct Sent<'a> {
    claimed: Claimed<'a>,
    outcome: Outcome,
}

/// What became of a claimed attempt.
enum Sending<'a> {
    /// It was handed to the provider.
    Done(Sent<'a>),
    /// It was too late to send it.
    TooLate(Claimed<'a>),
}

/// A problem of a rendered message, with the columns that cause it.
fn describe(message: &Content, problem: &FieldProblem) -> String {
    let columns: Vec<_> =
        message.columns_at(&problem.field).iter().map(|name| format!("{{{name}}}")).collect();
    match columns.as_slice() {
        [] => problem.to_string(),
        columns => format!("{} in {}: {}", columns.join(", "), problem.field, problem.reason),
    }
}

impl Run<'_> {
    /// Delivers to one recipient.
    pub(super) async fn deliver(&self, due: Due) -> Result<Reservation, DeliveryError> {
        let claimed = match self.claim_patiently(&due).await? {
            Ok(claimed) => claimed,
            Err(reservation) => return Ok(reservation),
        };
        match self.send(claimed).await {
            Sending::Done(sent) => self.settle(sent).await,
            Sending::TooLate(claimed) => self.give_back(&claimed.held).await,
        }
    }

    /// Claims a recipient at the lane's next turn; `None` where it may not be sent to, or not
    /// now. Claims that were not answered are added to `unanswered`.
    pub(super) async fn try_to_claim<'a>(
        &self,
        due: &'a Due,
        unanswered: &mut Vec<Held>,
    ) -> Result<Option<Claimed<'a>>, DeliveryError> {
        self.learn_throttling().await?;
        if !self.wait_for_turn().await || !self.may_go_on().await? {
            return Ok(None);
        }
        self.forget_ended_campaigns(&due.contact).await?;
        let Some(prepared) = self.prepare(due).await? else { return Ok(None) };
        self.claim(prepared, unanswered).await
    }

    /// Learns every few seconds how the connection was throttled in other processes.
    async fn learn_throttling(&self) -> Result<(), StoreError> {
        let Sender { table, clock, .. } = self.sender;
        if self.pacer.is_to_ask(clock.now()) {
            let health = connection::store::health(table, self.route.connection.id).await?;
            self.pacer.adopt(health.throttling);
        }
        Ok(())
    }

    /// Waits for the lane's next turn; `false` where it is too late for this run, or where
    /// the process ends.
    async fn wait_for_turn(&self) -> bool {
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
    async fn may_go_on(&self) -> Result<bool, DeliveryError> {
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

    /// Keeps the contact's set of campaigns small.
    async fn forget_ended_campaigns(&self, contact: &Contact) -> Result<(), StoreError> {
        let sent = &contact.profile.sent_campaigns;
        if sent.len() < MAX_SENT_CAMPAIGNS {
            return Ok(());
        }
        let table = &self.sender.table;
        let mut ended = Vec::new();
        for id in sent {
            let campaign = campaign::store::get(table, *id).await?;
            if campaign.is_none_or(|campaign| campaign.status.is_final()) {
                ended.push(*id);
            }
        }
        if ended.is_empty() {
            return Ok(());
        }
        contact::store::forget_campaigns(table, contact.id, ended).await
    }

    /// Renders the message. A recipient that cannot get it is skipped.
    async fn prepare<'a>(&self, due: &'a Due) -> Result<Option<Prepared<'a>>, DeliveryError> {
        let profile = &due.contact.profile;
        let Some(address) = profile.address_in(self.route.capabilities().addresses) else {
            let reason = profile.suppression().map_or(SkipReason::UnsupportedAddress, Into::into);
            self.skip(due, reason, None).await?;
            return Ok(None);
        };
        if self.is_blocked(address.country()) {
            self.skip(due, SkipReason::CountryBlocked, None).await?;
            return Ok(None);
        }
        let content = match self.leased.campaign.settings.message.render(&due.recipient.columns) {
            Ok(content) => content,
            Err(missing) => {
                let detail = missing.to_string();
                self.skip(due, SkipReason::MissingVariable, Some(&detail)).await?;
                return Ok(None);
            }
        };
        if let Err(problems) = self.route.provider.validate(&content) {
            self.leave_invalid(due, &problems).await?;
            return Ok(None);
        }
        let Some(content) = self.with_media(due, content).await? else { return Ok(None) };
        let attempt = Callback { recipient: due.key, attempt: due.recipient.attempt };
        let (to, callback) = (address.clone(), attempt.to_string());
        let outbound = Outbound { to, content, callback, reply_to: None };
        Ok(Some(Prepared { due, attempt, outbound }))
    }

    /// What becomes of a recipient whose rendered message the provider would refuse: it is
    /// skipped, unless the campaign's message is not valid for anybody.
    async fn leave_invalid(&self, due: &Due, problems: &[FieldProblem]) -> Result<(), StoreError> {
        let message = &self.leased.campaign.settings.message;
        let detail = problems.first().map(|problem| describe(message, problem)).unwrap_or_default();
        if message.check(|content| self.route.provider.validate(content)).is_ok() {
            return self.skip(due, SkipReason::InvalidMessage, Some(&detail)).await;
        }
        self.stop(RunStop::Closed(CloseReason::Halted));
        let Sender { table, clock, .. } = self.sender;
        let cause = Cause::new(HaltCode::MessageRefused, detail);
        halt(table, &Scope::Campaign(self.leased.campaign.id), &cause, clock.now()).await
    }

    /// Claims the recipient; `None` where it may not be sent to, or not now.
    async fn claim<'a>(
        &self,
        prepared: Prepared<'a>,
        unanswered: &mut Vec<Held>,
    ) -> Result<Option<Claimed<'a>>, DeliveryError> {
        let Sender { table, clock, .. } = self.sender;
        let due = prepared.due;
        let by = (self.leased.batch.name.batch_number(), self.leased.lease.run);
        let mut contact = due.contact.clone();
        let mut charge = self.charge(&contact);
        let category = self.category().await?;
        for tries in 0..=MAX_BUSY {
            // The waits between two tries may take a while.
            if self.is_over() {
                return Ok(None);
            }
            if due.recipient.attempt > 1 {
                // A merge since the contact was read may have made the retry a duplicate.
                contact = contact::store::current(table, due.key.contact).await?;
            }
            if self.is_duplicate_retry(due, &contact).await? {
                self.skip(due, SkipReason::DuplicatePerson, None).await?;
                return Ok(None);
            }
            let request = self.contact_claim(&prepared, &contact, category, charge);
            let charged = Charged { charge, at: request.now };
            let held = Held { attempt: prepared.attempt.clone(), contact: contact.id, charged };
            let claimed = match claim(table, &prepared.attempt, by, &request).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    unanswered.push(held);
                    return Err(error.into());
                }
            };
            match claimed {
                Claim::Won => {
                    unanswered.clear();
                    return Ok(Some(Claimed { prepared, held }));
                }
                Claim::WonBefore(at) => {
                    let found = unanswered.iter().position(|held| held.is_of(at));
                    let held = found.map(|index| unanswered.swap_remove(index));
                    unanswered.clear();
                    return Ok(held.map(|held| Claimed { prepared, held }));
                }
                Claim::Merged(survivor) => {
                    contact = contact::store::current(table, survivor).await?;
                    charge = self.charge(&contact);
                    continue;
                }
                Claim::TooSoon if tries < MAX_TOO_SOON => {
                    clock.sleep(request.interval.unsigned_abs()).await;
                }
                Claim::Busy => clock.sleep(Duration::from_millis(20 << tries)).await,
                lost => {
                    self.leave(due, lost).await?;
                    return Ok(None);
                }
            }
            // Another run sent to the contact: its reservation may have changed.
            if charge != QuotaCharge::Exempt || self.leased.batch.quota_group.is_some() {
                charge = QuotaCharge::New;
            }
        }
        self.leave(due, Claim::Busy).await?;
        Ok(None)
    }

    /// The category of the campaign's template, if it is known.
    async fn category(&self) -> Result<Option<&str>, StoreError> {
        let read = || async {
            let Some(template) = &self.leased.campaign.settings.template else { return Ok(None) };
            let found = template::store::get(&self.sender.table, template).await?;
            Ok(found.map(|found| found.category))
        };
        Ok(self.category.get_or_try_init(read).await?.as_deref())
    }

    fn contact_claim<'a>(
        &'a self,
        prepared: &'a Prepared<'_>,
        contact: &'a Contact,
        category: Option<&str>,
        charge: QuotaCharge,
    ) -> ContactClaim<'a> {
        let (due, batch) = (prepared.due, &self.leased.batch);
        let message = match due.recipient.attempt {
            1 => ClaimOf::First(due.key.campaign),
            _ => ClaimOf::Retry,
        };
        ContactClaim {
            contact: contact.id,
            recipient: Some(due.key.contact),
            seen_merged: (due.recipient.attempt > 1).then_some(&contact.profile.merged),
            message,
            to: &prepared.outbound.to,
            is_marketing: self.route.provider.is_marketing(&prepared.outbound.content, category),
            now: self.sender.clock.now(),
            interval: claim_interval(self.route.capabilities()),
            charge,
            reservation: ContactReservation {
                quota_group: batch.quota_group.as_deref(),
                bucket: batch.bucket,
            },
        }
    }

    /// What becomes of a recipient that was not claimed. One that waits for something stays
    /// pending: a later batch goes before the walk with it.
    pub(super) async fn leave(&self, due: &Due, lost: Claim) -> Result<(), StoreError> {
        let attempt = due.recipient.attempt;
        match lost {
            Claim::Suppressed(reason) => self.skip(due, reason.into(), None).await,
            Claim::DuplicatePerson => self.skip(due, SkipReason::DuplicatePerson, None).await,
            Claim::Held(until) => {
                let table = &self.sender.table;
                let hold = WaitsFor::MarketingHold;
                recipient::store::defer(table, &due.key, attempt, until, hold).await.map(drop)
            }
            Claim::Moved | Claim::Merged(_) | Claim::TooSoon | Claim::Busy => {
                let again = self.sender.clock.now() + LEFT_FOR;
                recipient::store::go_before_walk(&self.sender.table, &due.key, attempt, again).await
            }
            Claim::Won | Claim::WonBefore(_) | Claim::Lost => Ok(()),
        }
    }

    /// Whether a retry is for a person whom the campaign has sent to, or will retry, under
    /// another id: two recipients that were merged after their first attempts.
    async fn is_duplicate_retry(&self, due: &Due, contact: &Contact) -> Result<bool, StoreError> {
        if due.recipient.attempt == 1 {
            return Ok(false);
        }
        let recipients = self.leased.campaign.recipients();
        let ids = contact.profile.merged.iter().copied().chain([contact.id]);
        for other in ids.filter(|id| *id != due.key.contact) {
            let key = recipients.key(other);
            let Some(twin) = recipient::store::get(&self.sender.table, &key).await? else {
                continue;
            };
            let goes_first =
                twin.status == Status::Pending && twin.attempt > 1 && other < due.key.contact;
            if goes_first || twin.may_have_reached() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn charge(&self, contact: &Contact) -> QuotaCharge {
        let (connection, rule) = (self.route.connection.id, self.route.charge_rule());
        contact.profile.charge(connection, rule, self.sender.clock.now())
    }

    /// Hands the message to the provider at the lane's next turn, unless its claim is too old
    /// by then, or the request might outlast the run: the process may have been frozen.
    async fn send<'a>(&self, claimed: Claimed<'a>) -> Sending<'a> {
        let clock = &self.sender.clock;
        clock.sleep(self.pacer.send_turn(clock.now())).await;
        let now = clock.now();
        if now > claimed.held.charged.at + MAX_CLAIM_AGE || now > self.send_until {
            return Sending::TooLate(claimed);
        }
        let outcome = self.route.send(&claimed.prepared.outbound).await;
        Sending::Done(Sent { claimed, outcome })
    }

    /// Gives a claim back whose message was not sent: the recipient is pending again, and the
    /// attempt does not count. The person's pair interval goes on from the claim.
    pub(super) async fn give_back(&self, held: &Held) -> Result<Reservation, DeliveryError> {
        let table = &self.sender.table;
        let &Held { ref attempt, contact, charged: Charged { charge, at } } = held;
        let key = &attempt.recipient;
        let undone = contact::store::undo_charge(table, contact, charge, at).await;
        let is_undone = undone.unwrap_or(false);
        let batch = self.leased.batch.name.batch_number();
        let spent = SpentReservation { attempt: attempt.attempt, batch };
        let spent = (!is_undone).then_some(spent);
        let give_back = || recipient::store::give_back(table, key, attempt.attempt, at, spent);
        self.with_retries(give_back).await?;
        tracing::warn!(batch = %self.leased.batch.name, "a claim was given back: it was too late to send");
        // Another run may have walked past the recipient meanwhile.
        if !campaign::store::requeue(table, key.campaign).await? {
            let reason = CancelReason::CampaignOver;
            recipient::store::cancel(table, key, attempt.attempt + 1, reason).await?;
        }
        if is_undone {
            return Ok(Reservation::Unused);
        }
        self.refund_renewed(charge);
        Ok(Reservation::Used)
    }

    async fn settle(&self, sent: Sent<'_>) -> Result<Reservation, DeliveryError> {
        let Sent { claimed, outcome } = sent;
        match outcome {
            Outcome::Accepted(accepted) => {
                self.sender.successes.note(self.leased.campaign.id, ReportedBy::Answer);
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
                self.link_addresses(&claimed, &accepted).await;
                self.settle_accepted(&claimed.held.attempt, &accepted).await?;
                self.refund_renewed(claimed.held.charged.charge);
                Ok(Reservation::Used)
            }
            Outcome::Refused(refusal) => self.settle_refused(&claimed, &refusal).await,
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
    fn refund_renewed(&self, charge: QuotaCharge) {
        match charge {
            QuotaCharge::New => {}
            QuotaCharge::Renew { bucket, .. } => self.refund(bucket),
            QuotaCharge::Exempt => self.refund(self.leased.batch.bucket),
        }
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

    pub(super) async fn skip(
        &self,
        due: &Due,
        reason: SkipReason,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        let (table, attempt) = (&self.sender.table, due.recipient.attempt);
        recipient::store::skip(table, &due.key, attempt, reason, detail).await.map(drop)
    }

    /// Retries a write that records an answer: the answer is the only copy.
    async fn with_retries<T, F>(&self, write: impl Fn() -> F) -> Result<T, StoreError>
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

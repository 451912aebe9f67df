//! What follows from a refusal, wherever it was reported: one rule for the answer to a send,
//! a webhook and a test send.

use carillon_channel::event::Choice;
use carillon_channel::{Refusal, Verdict};
use carillon_foundations::country::Country;
use carillon_foundations::ids::{ContactId, IdSource};
use carillon_nouns::campaign::{self, Campaign};
use carillon_nouns::connection::{self, Connection, Throttling};
use carillon_nouns::contact;
use carillon_nouns::media;
use carillon_nouns::quota::{self, QuotaCharge};
use carillon_nouns::recipient::{
    self, BatchNumber, Callback, CancelReason, Decision, Recipient, RecipientKey, Settlement,
    SpentReservation, Status, Tried,
};
use carillon_table::{StoreError, Table};
use jiff::Timestamp;

use super::halt::{Cause, Scope, halt};
use super::policy::{StopAction, decide};
use super::refusals::{ReportedBy, Successes, Suspect};
use super::shared::{Shared, Stop};

/// A refused message.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The refusal.
    pub refusal: &'a Refusal,
    /// The contact that it was sent to.
    pub contact: ContactId,
    /// The contact's country.
    pub country: Country,
    /// The campaign; none where it does not exist any more.
    pub campaign: Option<&'a Campaign>,
    /// The connection; none where it does not exist any more.
    pub connection: Option<&'a Connection>,
    /// When it was refused.
    pub at: Timestamp,
}

/// Where a refusal was reported.
#[derive(Debug, Clone, Copy)]
pub enum RefusalSource<'a> {
    /// In the answer to the send of a claimed attempt.
    Answer {
        /// The attempt.
        attempt: &'a Callback,
        /// The batch of the attempt.
        batch: BatchNumber,
        /// How it was charged.
        charged: Charged,
        /// The recipient, as it was before the claim.
        recipient: &'a Recipient,
        /// The messages that got through.
        successes: &'a Successes,
    },
    /// In a webhook, after the provider had accepted the attempt.
    Webhook {
        /// The attempt.
        attempt: &'a Callback,
        /// The recipient, as it was found now.
        recipient: Option<&'a Recipient>,
        /// The messages that got through.
        successes: &'a Successes,
        /// What the failures of one request share.
        shared: &'a Shared,
    },
    /// In the answer to a test send, which has no recipient.
    TestSend {
        /// How it was charged.
        charged: Charged,
        /// The bucket of its reservation.
        bucket: i64,
    },
}

/// The charge of a claimed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// The charge.
    pub charge: QuotaCharge,
    /// When the attempt was claimed.
    pub at: Timestamp,
}

/// The result of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What became of the message.
    pub decision: Decision,
    /// Whether the attempt used its reservation all the same.
    pub used_reservation: bool,
    /// What stops beyond the message: already done, except [`StopAction::Pause`] and
    /// [`StopAction::SlowDown`], which are the sender's.
    pub stop: StopAction,
}

/// Settles a refused message: undoes its charge, settles its recipient, records an opt-out,
/// and stops what must stop. Idempotent.
pub async fn settle(
    table: &Table,
    ids: &IdSource,
    refused: &Refused<'_>,
    source: RefusalSource<'_>,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let jitter = f64::from(ids.bytes::<1>()[0]) / 255.0;
    let max_retries = refused.campaign.map_or(0, |campaign| campaign.settings.max_retries);
    let (decision, stop) = decide(&refused.own_fault(), &source.tried(), max_retries, now, jitter);
    let settling = Settling { table, refused, source, stop, now };
    let decision = settling.unless_erased(decision);
    let used_reservation = is_unknown(&decision) || !settling.undo_charge().await?;
    // Nobody repeats an answer that is settled: what concerns the contact goes first.
    settling.record_for_contact(&decision).await?;
    let mut is_new = true;
    if let Some(attempt) = source.attempt() {
        let spent = settling.spent(&decision, used_reservation);
        let (code, at) = (refused.refusal.code, refused.at);
        let settlement = Settlement { decision: decision.clone(), code, at, spent };
        let (key, number) = (&attempt.recipient, attempt.attempt);
        is_new = recipient::store::settle(table, key, number, &settlement).await?;
    }
    if matches!(decision, Decision::Retry { .. }) || source.was_retried() {
        settling.follow_up().await?;
    }
    let stop = if is_new { settling.stop_beyond().await? } else { stop };
    Ok(Settled { decision, used_reservation, stop })
}

impl Refused<'_> {
    /// The refusal; where a file is broken that the recipient's own columns may name, a fault
    /// of that message, perhaps of others too.
    fn own_fault(&self) -> Refusal {
        let is_own =
            self.campaign.is_some_and(|one| one.settings.message.media_may_be_recipients());
        match self.refusal.verdict {
            Verdict::MediaBroken if is_own => {
                Refusal { verdict: Verdict::RequestRejected, ..self.refusal.clone() }
            }
            _ => self.refusal.clone(),
        }
    }
}

impl<'a> RefusalSource<'a> {
    fn attempt(self) -> Option<&'a Callback> {
        match self {
            Self::Answer { attempt, .. } | Self::Webhook { attempt, .. } => Some(attempt),
            Self::TestSend { .. } => None,
        }
    }

    /// The recipient, if the attempt is its current one.
    fn recipient(self) -> Option<&'a Recipient> {
        let (attempt, recipient) = match self {
            Self::Answer { attempt, recipient, .. } => (attempt, recipient),
            Self::Webhook { attempt, recipient, .. } => (attempt, recipient?),
            Self::TestSend { .. } => return None,
        };
        Some(recipient).filter(|one| one.attempt == attempt.attempt)
    }

    fn tried(self) -> Tried {
        let number = self.attempt().map_or(1, |attempt| attempt.attempt);
        self.recipient().map_or(Tried::attempt(number), Recipient::tried)
    }

    /// Whether it is reported again of an attempt that was settled as a failure: the recipient
    /// waits for the next one.
    fn was_retried(self) -> bool {
        let Self::Webhook { attempt, recipient: Some(found), .. } = self else { return false };
        found.status == Status::Pending && found.attempt == attempt.attempt + 1
    }

    /// What the failures of one request share.
    fn shared(self) -> Option<&'a Shared> {
        match self {
            Self::Webhook { shared, .. } => Some(shared),
            Self::Answer { .. } | Self::TestSend { .. } => None,
        }
    }

    /// How the refusal was reported, and what got through otherwise; none of a test send.
    fn reported(self) -> Option<(ReportedBy, &'a Successes)> {
        match self {
            Self::Answer { successes, .. } => Some((ReportedBy::Answer, successes)),
            Self::Webhook { successes, .. } => Some((ReportedBy::Webhook, successes)),
            Self::TestSend { .. } => None,
        }
    }
}

fn is_unknown(decision: &Decision) -> bool {
    matches!(decision, Decision::Unconfirmed { .. })
}

/// A refused message that is being settled.
struct Settling<'a> {
    table: &'a Table,
    refused: &'a Refused<'a>,
    source: RefusalSource<'a>,
    stop: StopAction,
    now: Timestamp,
}

impl Settling<'_> {
    /// The decision; an erased person is not retried.
    fn unless_erased(&self, decision: Decision) -> Decision {
        let RefusalSource::Webhook { recipient: Some(found), .. } = self.source else {
            return decision;
        };
        match decision {
            Decision::Retry { reason, .. } if found.is_erased() => Decision::Fail { reason },
            decision => decision,
        }
    }

    /// Undoes the charge of a message that was not sent. `false` where its reservation stays
    /// used: one too many is better than one too few.
    async fn undo_charge(&self) -> Result<bool, StoreError> {
        let Self { table, refused, .. } = *self;
        match self.source {
            RefusalSource::Answer { charged: Charged { charge, at }, .. } => {
                let undone = contact::store::undo_charge(table, refused.contact, charge, at).await;
                Ok(undone.unwrap_or(false))
            }
            // The provider had accepted the message: it counts.
            RefusalSource::Webhook { .. } => Ok(false),
            RefusalSource::TestSend { charged: Charged { charge, at }, bucket } => {
                if !contact::store::undo_charge(table, refused.contact, charge, at).await? {
                    return Ok(false);
                }
                let group = refused.connection.and_then(|one| one.quota_group.as_ref());
                if let (Some(group), QuotaCharge::New { .. }) = (group, charge) {
                    quota::store::refund_one(table, group, bucket).await?;
                }
                Ok(true)
            }
        }
    }

    /// The reservation that the attempt used although it ends here.
    fn spent(&self, decision: &Decision, used_reservation: bool) -> Option<SpentReservation> {
        match self.source {
            RefusalSource::Answer { attempt, batch, .. } => {
                // An unconfirmed attempt keeps its reservation by its status.
                let spends = used_reservation && !is_unknown(decision);
                spends.then_some(SpentReservation { attempt: attempt.attempt, batch })
            }
            RefusalSource::Webhook { .. } => self.source.recipient()?.spends(),
            RefusalSource::TestSend { .. } => None,
        }
    }

    /// Records an opt-out, and a hold of marketing messages: they are the contact's. Of the
    /// campaign's files that the provider could not get its ids are forgotten.
    async fn record_for_contact(&self, decision: &Decision) -> Result<(), StoreError> {
        let Self { table, refused, .. } = *self;
        if let (StopAction::Campaign, Some(campaign), Some(connection)) =
            (self.stop, refused.campaign, refused.connection)
        {
            for id in campaign.settings.message.media_ids() {
                media::store::forget_upload(table, id, connection.id, self.now).await?;
            }
        }
        if let Verdict::MarketingHeld { period } = refused.refusal.verdict {
            let until = refused.at + period;
            contact::store::hold_marketing(table, refused.contact, until).await?;
        }
        if let Decision::Skip { .. } = decision {
            let (contact, at) = (refused.contact, refused.at);
            contact::store::record_preference(table, contact, Choice::Stop, at).await?;
        }
        Ok(())
    }

    /// A retry needs a campaign that will meet it. Repeated where the settlement is a
    /// repetition: the first one may have ended here.
    async fn follow_up(&self) -> Result<(), StoreError> {
        let Some(attempt) = self.source.attempt() else { return Ok(()) };
        let Callback { recipient: key, attempt } = attempt;
        if self.is_met_again(key).await? {
            return Ok(());
        }
        let reason = CancelReason::CampaignOver;
        recipient::store::cancel(self.table, key, attempt + 1, reason).await.map(drop)
    }

    /// Whether the campaign will meet a recipient that is pending again. It must know of it: a
    /// pass may have met the recipient before, also where the answer comes from a run that
    /// froze, and another one has closed its batch.
    async fn is_met_again(&self, key: &RecipientKey) -> Result<bool, StoreError> {
        match self.source {
            RefusalSource::Answer { .. } => {
                campaign::store::requeue(self.table, key.campaign).await
            }
            RefusalSource::Webhook { shared, .. } => shared.requeue(self.table, key.campaign).await,
            RefusalSource::TestSend { .. } => Ok(true),
        }
    }

    /// Stops what a refusal stops beyond its message, and returns what that is.
    async fn stop_beyond(&self) -> Result<StopAction, StoreError> {
        let (action, is_sure) = match self.stop {
            StopAction::CampaignIfRepeated => (StopAction::Campaign, false),
            StopAction::TemplateIfRepeated => (StopAction::Template, false),
            action => (action, true),
        };
        let stop = self.stop_of(action);
        let mut stopped = match (&stop, self.source.shared()) {
            (Some(_), Some(shared)) => Some(shared.stopped().await),
            _ => None,
        };
        let is_known = |stop: &Stop| stopped.as_ref().is_some_and(|known| known.contains(stop));
        if stop.as_ref().is_some_and(is_known) {
            return Ok(action);
        }
        let suspect = self.suspect();
        if !is_sure {
            let Some(suspect) = &suspect else { return Ok(StopAction::Nothing) };
            if !suspect.count(self.table, self.now).await? {
                return Ok(StopAction::Nothing);
            }
        }
        if let Some(stop) = stop {
            self.carry_out(&stop).await?;
            if let Some(known) = &mut stopped {
                known.push(stop);
            }
        }
        if let (false, Some(suspect)) = (is_sure, suspect) {
            suspect.forget(self.table).await?;
        }
        Ok(action)
    }

    /// The refusal, where it may be everybody's; none of a test send.
    fn suspect(&self) -> Option<Suspect<'_>> {
        let (reported_by, successes) = self.source.reported()?;
        let Refused { campaign, contact, refusal, .. } = *self.refused;
        let campaign = campaign?.id;
        Some(Suspect { campaign, code: refusal.code, contact, reported_by, successes })
    }

    /// What is stopped beyond the message; none where nothing is, or somebody else does it.
    fn stop_of(&self, action: StopAction) -> Option<Stop> {
        let Refused { country, campaign, connection, .. } = *self.refused;
        let connection = connection?;
        let scope = match (action, campaign, self.source) {
            // The sender that sends on the connection pauses it by itself.
            (StopAction::Pause(_) | StopAction::SlowDown(_), _, RefusalSource::Answer { .. }) => {
                return None;
            }
            (StopAction::Pause(pause) | StopAction::SlowDown(pause), ..) => {
                return Some(Stop::Connection(connection.id, pause));
            }
            // The template of a test send goes on: the values of the test may be what is wrong.
            (
                StopAction::Nothing
                | StopAction::CampaignIfRepeated
                | StopAction::TemplateIfRepeated,
                ..,
            )
            | (StopAction::Template | StopAction::Campaign, _, RefusalSource::TestSend { .. })
            | (StopAction::Template | StopAction::Campaign, None, _) => return None,
            (StopAction::Country, ..) => {
                let is_known = country != Country::UNKNOWN;
                return is_known.then(|| Stop::Country(connection.account(), country));
            }
            (StopAction::Campaign, Some(campaign), _) => Scope::Campaign(campaign.id),
            (StopAction::Template, Some(campaign), _) => Scope::of_template(campaign, connection),
            (StopAction::Connection, ..) => Scope::Connection(connection.id),
            (StopAction::Account, ..) => Scope::Account(connection.account()),
        };
        Some(Stop::Campaigns(scope))
    }

    async fn carry_out(&self, stop: &Stop) -> Result<(), StoreError> {
        let Self { table, now, .. } = *self;
        match stop {
            Stop::Campaigns(scope) => {
                halt(table, scope, &Cause::of_refusal(self.refused.refusal, scope), now).await
            }
            Stop::Country(account, country) => {
                connection::store::block_country(table, account, *country).await
            }
            Stop::Connection(id, pause) => {
                let held = connection::store::health(table, *id).await?.throttling;
                let throttling = Throttling::again(held, *pause, now);
                if !throttling.is_longer_than(held) {
                    return Ok(());
                }
                connection::store::record_throttling(table, *id, throttling).await
            }
        }
    }
}

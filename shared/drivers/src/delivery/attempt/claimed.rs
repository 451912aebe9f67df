//! The claim of an attempt, and what becomes of a recipient that was not claimed.

use std::time::Duration;

use carillon_nouns::campaign;
use carillon_nouns::contact::store::{ClaimOf, Reservation as ContactReservation};
use carillon_nouns::contact::{self, Contact};
use carillon_nouns::quota::QuotaCharge;
use carillon_nouns::recipient::store::skip_as_duplicate;
use carillon_nouns::recipient::{
    self, CancelReason, Position, RecipientKey, SkipReason, SpentReservation, Status, WaitsFor,
};
use carillon_nouns::template;
use carillon_table::StoreError;

use super::prepared::Prepared;
use crate::delivery::claim::{Claim, ContactClaim, Held, claim};
use crate::delivery::claim_interval;
use crate::delivery::due::Due;
use crate::delivery::error::DeliveryError;
use crate::delivery::run::{Reservation, Run};
use crate::delivery::sender::Sender;
use crate::delivery::settle::Charged;

/// Retries of a claim that came too soon after another one.
const MAX_TOO_SOON: u32 = 2;
/// Retries of a claim that met another write.
const MAX_BUSY: u32 = 5;
/// The number of campaigns that a contact keeps before those that ended are forgotten.
const MAX_SENT_CAMPAIGNS: usize = 32;
/// How long a recipient that could not be claimed is left.
const LEFT_FOR: Duration = Duration::from_secs(30);

/// A recipient that this run has claimed, and must send to.
pub(in crate::delivery) struct Claimed<'a> {
    pub(super) prepared: Prepared<'a>,
    pub(super) held: Held,
}

impl Run<'_> {
    /// Claims a recipient at the lane's next turn; `None` where it may not be sent to, or not
    /// now. Claims that were not answered are added to `unanswered`.
    pub(in crate::delivery) async fn try_to_claim<'a>(
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
        let category = self.category().await?;
        for tries in 0..=MAX_BUSY {
            // The waits between two tries may take a while.
            if self.is_over() {
                return Ok(None);
            }
            if tries > 0 || due.recipient.attempt > 1 {
                // Another run may have sent to the contact since it was read, and a merge may
                // have made a retry a duplicate.
                contact = contact::store::current(table, due.key.contact).await?;
            }
            if let Some((twin, position)) = self.retried_twin(due, &contact).await? {
                let (key, attempt, twin) = (&due.key, due.recipient.attempt, (&twin, position));
                if skip_as_duplicate(table, key, attempt, twin).await? {
                    return Ok(None);
                }
                clock.sleep(Duration::from_millis(20 << tries)).await;
                continue;
            }
            let charge = self.charge(&contact);
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
                Claim::Merged(_) => {}
                Claim::TooSoon if tries < MAX_TOO_SOON => {
                    clock.sleep(request.interval.unsigned_abs()).await;
                }
                Claim::Busy => clock.sleep(Duration::from_millis(20 << tries)).await,
                lost => {
                    self.leave(due, lost).await?;
                    return Ok(None);
                }
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

    fn charge(&self, contact: &Contact) -> QuotaCharge {
        let (connection, rule) = (self.route.connection.id, self.route.charge_rule());
        contact.profile.charge(connection, rule, self.sender.clock.now())
    }

    /// The recipient under another id of a person whom a campaign has sent to, or will retry,
    /// before the one that is due: the two were merged after their first attempts.
    async fn retried_twin(
        &self,
        due: &Due,
        contact: &Contact,
    ) -> Result<Option<(RecipientKey, Position)>, StoreError> {
        if due.recipient.attempt == 1 {
            return Ok(None);
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
                return Ok(Some((key, twin.position())));
            }
        }
        Ok(None)
    }

    /// What becomes of a recipient that was not claimed. One that waits for something stays
    /// pending: a later batch goes before the walk with it.
    pub(in crate::delivery) async fn leave(
        &self,
        due: &Due,
        lost: Claim,
    ) -> Result<(), StoreError> {
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

    pub(in crate::delivery) async fn skip(
        &self,
        due: &Due,
        reason: SkipReason,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        let (table, attempt) = (&self.sender.table, due.recipient.attempt);
        recipient::store::skip(table, &due.key, attempt, reason, detail).await.map(drop)
    }

    /// Gives a claim back whose message was not sent: the recipient is pending again, and the
    /// attempt does not count. The person's pair interval goes on from the claim.
    pub(in crate::delivery) async fn give_back(
        &self,
        held: &Held,
    ) -> Result<Reservation, DeliveryError> {
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
}

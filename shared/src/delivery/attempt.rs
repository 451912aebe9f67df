//! One attempt at one recipient: may it go on, claim, send, settle.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::halt::{Scope, halt};
use super::retry::{Decision, Stop, decide};
use super::run::{Halt, Run, closed_for};
use super::{DeliveryError, PAIR_SECONDS, Sender};
use crate::channel::{Acceptance, Accepted, Outbound, Outcome, Refusal};
use crate::contact::{ContactKey, Counting, Profile};
use crate::recipient::store::{Claim, Claiming, Ending, Place};
use crate::recipient::{self, Callback, Recipient, Status};
use crate::table::StoreError;
use crate::{campaign, connection, contact};

/// After how many requests in a row that the provider called wrong the campaign
/// halts, instead of burning its recipients.
const MOST_STRIKES: u32 = 5;

/// A claim that was won.
struct Claimed {
    counting: Counting,
    at: Timestamp,
}

impl Run<'_> {
    /// Delivers to one recipient; `true` when a place was used.
    pub(super) async fn deliver(
        &self,
        recipient: Recipient,
        profile: Profile,
    ) -> Result<bool, DeliveryError> {
        if !self.wait_for_turn().await || !self.may_go_on().await? {
            return Ok(false);
        }
        let place = self.place(&recipient);
        if self.is_blocked(&recipient.contact) {
            self.leave_out(&recipient, &place, "country_blocked").await?;
            return Ok(false);
        }
        let Some(outbound) = self.outbound(&recipient, &place).await? else {
            return Ok(false);
        };
        let Some(claimed) = self.claim(&recipient, &place, &profile).await? else {
            return Ok(false);
        };
        let Sender { clock, .. } = self.sender;
        clock.sleep(self.pacer.send_turn(clock.now())).await;
        match self.route.channel.send(&outbound).await {
            Outcome::Accepted(accepted) => {
                self.strikes.store(0, Ordering::Relaxed);
                self.outcomes.sent.fetch_add(1, Ordering::Relaxed);
                self.learn_keys(&recipient, &profile, &accepted).await;
                self.settle_accepted(&recipient, &place, &accepted).await?;
                self.spare(&claimed);
                Ok(true)
            }
            Outcome::Refused(refusal) => self.settle_refused(&recipient, &claimed, &refusal).await,
        }
    }

    /// A place of the batch was used on someone who holds one already, or needs
    /// none: then one can be given back.
    fn spare(&self, claimed: &Claimed) {
        let bucket = match claimed.counting {
            Counting::New => return,
            Counting::Again { bucket, .. } => bucket,
            Counting::Free => self.batch.bucket,
        };
        *self.spared().entry(bucket).or_default() += 1;
    }

    /// Undoes the counting of a message that surely did not go out; `false` when
    /// its place stays taken: better one too many than one too few.
    async fn uncount(&self, recipient: &Recipient, claimed: &Claimed) -> bool {
        let (table, contact) = (&self.sender.table, &recipient.contact);
        let undone = contact::store::uncount(table, contact, claimed.counting, claimed.at).await;
        undone.unwrap_or(false)
    }

    /// Remembers the other keys of the contact that the provider told. What goes
    /// wrong with it is told and costs the message nothing: its webhooks tell again.
    async fn learn_keys(&self, recipient: &Recipient, profile: &Profile, accepted: &Accepted) {
        let bsuid = accepted.bsuid.clone().map(ContactKey::Bsuid);
        let phone = accepted.wa_id.clone().map(ContactKey::Phone);
        let known = |key: &ContactKey| *key == recipient.contact || profile.same_as.contains(key);
        for key in bsuid.into_iter().chain(phone).filter(|key| !known(key)) {
            let linked = contact::store::link(&self.sender.table, &recipient.contact, &key).await;
            if let Err(error) = linked {
                tracing::warn!(error = &error as &dyn std::error::Error, "two keys of a contact");
            }
        }
    }

    /// Waits for the lane's next turn; `false` when it comes too late for this run,
    /// or the process is to end.
    async fn wait_for_turn(&self) -> bool {
        let Sender { clock, closing, .. } = self.sender;
        let now = clock.now();
        let wait = self.pacer.claim_turn(now);
        if now + wait >= self.until {
            self.stop(Halt::Closed("the number has to wait: the provider throttles it".to_owned()));
            return false;
        }
        tokio::select! {
            () = clock.sleep(wait) => true,
            () = closing.cancelled() => {
                self.stop(Halt::OutOfTime);
                false
            }
        }
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

    /// Whether the account may not send to the contact's country.
    fn is_blocked(&self, contact: &ContactKey) -> bool {
        let blocked = self.blocked();
        !blocked.is_empty()
            && contact.iso_country().is_some_and(|country| blocked.contains(&country))
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

    /// Claims the recipient; `None` when it may not be sent to, or not now.
    async fn claim(
        &self,
        recipient: &Recipient,
        place: &Place,
        profile: &Profile,
    ) -> Result<Option<Claimed>, DeliveryError> {
        let Sender { table, clock, .. } = self.sender;
        let portfolio = &self.batch.portfolio;
        let mut counting = profile.counting(portfolio, clock.now());
        let mut tries = 0;
        loop {
            let now = clock.now();
            let claiming = Claiming {
                attempt: recipient.attempt,
                batch: &self.tag,
                now,
                counting,
                portfolio,
                bucket: self.batch.bucket,
            };
            match recipient::store::claim(table, place, &claiming).await? {
                Claim::Won => return Ok(Some(Claimed { counting, at: now })),
                Claim::Barred(why) => {
                    self.leave_out(recipient, place, why.as_str()).await?;
                    return Ok(None);
                }
                Claim::TooSoon if tries < 2 => {
                    clock.sleep(std::time::Duration::from_secs(PAIR_SECONDS.unsigned_abs())).await;
                }
                Claim::Busy if tries < 5 => {
                    clock.sleep(std::time::Duration::from_millis(20 << tries)).await;
                }
                // Lost: someone else has it. The others stay pending, and the next
                // pass of the walk comes by.
                Claim::Lost | Claim::TooSoon | Claim::Busy => return Ok(None),
            }
            // Someone sent to them meanwhile: what they hold may have changed.
            counting = Counting::New;
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

    /// Settles a message that the provider did not take, or may not have; `true`
    /// when a place was used all the same.
    async fn settle_refused(
        &self,
        recipient: &Recipient,
        claimed: &Claimed,
        refusal: &Refusal,
    ) -> Result<bool, DeliveryError> {
        let jitter = f64::from(self.sender.ids.bytes::<1>()[0]) / 255.0;
        let now = self.sender.clock.now();
        let max_retries = self.campaign.settings.max_retries;
        let (decision, stop) = decide(refusal, recipient.attempt, max_retries, now, jitter);
        let lost = matches!(decision, Decision::Unconfirmed { .. });
        let outcomes = &self.outcomes;
        let outcome = if lost { &outcomes.unconfirmed } else { &outcomes.refused };
        outcome.fetch_add(1, Ordering::Relaxed);
        let used = lost || !self.uncount(recipient, claimed).await;
        let spent = (used && !lost).then(|| recipient::spent(recipient.attempt, &self.tag));
        let ending =
            Ending { decision: &decision, code: refusal.code, at: now, spent: spent.as_deref() };
        self.settle(recipient, ending).await?;
        if used {
            self.spare(claimed);
        }
        self.follow_up(recipient, &decision).await?;
        self.stop_for(stop, recipient, refusal).await?;
        Ok(used)
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

    /// Stops what a refusal says must stop beyond its own message.
    async fn stop_for(
        &self,
        stop: Stop,
        recipient: &Recipient,
        refusal: &Refusal,
    ) -> Result<(), DeliveryError> {
        let Sender { table, clock, .. } = self.sender;
        let connection = &self.route.connection;
        let scope = match stop {
            Stop::Nothing => return Ok(()),
            Stop::Lane(pause) => {
                self.pacer.hold(pause, clock.now());
                return Ok(());
            }
            Stop::Country => {
                if let Some(country) = recipient.contact.iso_country() {
                    let account = connection.account();
                    connection::store::block_country(table, &account, &country).await?;
                    self.blocked().insert(country);
                }
                return Ok(());
            }
            Stop::CampaignIfRepeated => {
                if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 < MOST_STRIKES {
                    return Ok(());
                }
                Scope::Campaign(self.campaign.id)
            }
            Stop::Template => Scope::of_template(&self.campaign, connection),
            Stop::Number => Scope::Number(connection.id),
            Stop::Account => Scope::Account(connection.account()),
        };
        let why = refusal.to_string();
        self.stop(Halt::Closed(why.clone()));
        Ok(halt(table, &scope, &why, clock.now()).await?)
    }

    async fn settle(&self, recipient: &Recipient, ending: Ending<'_>) -> Result<(), DeliveryError> {
        let table = &self.sender.table;
        let (place, attempt) = (self.place(recipient), recipient.attempt);
        let settle = || recipient::store::settle_refused(table, &place, attempt, ending);
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

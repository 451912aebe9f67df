use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::address::Address;
use carillon::campaign::Campaign;
use carillon::contact::Profile;
use carillon::ids::{CampaignId, ContactId};
use carillon::quota::Quota;
use carillon::recipient::{Recipient, Status};
use carillon::table::Key;
use carillon::time::{Date, Timestamp};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_dynamo::{Item, from_item};
use tower::BoxError;

use super::campaign_history::CampaignHistory;
use super::transition::{describe, is_claim, is_valid_transition};
use crate::campaign_contact::CampaignContact;
use crate::whatsapp::HELD;

/// The table's state according to its stream.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// All stream records, in order.
    pub(crate) records: Vec<EventRecord>,
    pub(crate) campaigns: BTreeMap<CampaignId, CampaignHistory>,
    pub(crate) recipients: BTreeMap<CampaignContact, Recipient>,
    /// The quota that all connections share.
    pub(crate) quota: Quota,
    suppressed: BTreeSet<ContactId>,
    /// The survivors of the contacts that were merged.
    merged_into: BTreeMap<ContactId, ContactId>,
    /// The contacts by the addresses that they list.
    contacts: BTreeMap<Address, ContactId>,
    /// The buckets of the contacts' reservations.
    quota_buckets: BTreeMap<ContactId, i64>,
    /// When the refusal of each attempt with [`HELD`] was stored.
    holds: BTreeMap<(CampaignContact, u32), Timestamp>,
    /// Claims for which no message was sent yet.
    claims: BTreeMap<(CampaignContact, u32), Claim>,
    first_violation: Option<String>,
}

/// A claim for which no message was sent yet.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// When, by the clock of the sender.
    pub(crate) at: Timestamp,
    /// The contact, or the survivor that it was merged into by then.
    pub(crate) contact: ContactId,
    /// The date of the batch, whose daily limit the message counts against.
    pub(crate) date: Option<Date>,
}

#[derive(Deserialize)]
struct Keys {
    pk: String,
    sk: String,
}

impl StreamState {
    /// Records a violation. Only the first one is kept.
    pub(super) fn report_violation(&mut self, violation: String) {
        self.first_violation.get_or_insert(violation);
    }

    pub(super) fn first_violation(&self) -> Option<&str> {
        self.first_violation.as_deref()
    }

    /// Applies and checks one stream record.
    pub(super) fn apply(&mut self, record: EventRecord, now: Timestamp) -> Result<(), BoxError> {
        let change = &record.change;
        let Keys { pk, sk } = from_item(change.keys.clone())?;
        match Key::parse(&pk, &sk) {
            Some(Key::Campaign(id)) => {
                if let Some(campaign) = image::<Campaign>(&change.new_image)? {
                    self.campaigns.entry(id).or_default().push(campaign, now);
                }
            }
            Some(Key::Quota(_)) => {
                if let Some(quota) = image(&change.new_image)? {
                    self.quota = quota;
                }
            }
            Some(Key::Contact(contact)) => {
                let (old, new) = (image(&change.old_image)?, image(&change.new_image)?);
                self.apply_profile(contact, old.as_ref(), new.as_ref());
            }
            Some(Key::Recipient { campaign, contact, .. }) => {
                let key = CampaignContact { campaign, contact };
                let (old, new) = (image(&change.old_image)?, image(&change.new_image)?);
                self.apply_recipient(key, old, new, now);
            }
            Some(_) | None => {}
        }
        self.records.push(record);
        Ok(())
    }

    fn apply_profile(
        &mut self,
        contact: ContactId,
        old: Option<&Profile>,
        profile: Option<&Profile>,
    ) {
        for address in old.into_iter().flat_map(|old| &old.addresses) {
            if self.contacts.get(address) == Some(&contact) {
                self.contacts.remove(address);
            }
        }
        let unmerged = profile.filter(|profile| profile.merged_into.is_none());
        for address in unmerged.into_iter().flat_map(|profile| &profile.addresses) {
            self.contacts.insert(address.clone(), contact);
        }
        match profile.and_then(|profile| profile.quota_bucket) {
            Some(bucket) => self.quota_buckets.insert(contact, bucket),
            None => self.quota_buckets.remove(&contact),
        };
        if profile.is_some_and(|profile| profile.suppression().is_some()) {
            self.suppressed.insert(contact);
        } else {
            self.suppressed.remove(&contact);
        }
        if let Some(survivor) = profile.and_then(|profile| profile.merged_into) {
            self.merged_into.insert(contact, survivor);
        }
    }

    fn apply_recipient(
        &mut self,
        key: CampaignContact,
        old: Option<Recipient>,
        new: Option<Recipient>,
        now: Timestamp,
    ) {
        match (old, new) {
            (None, Some(new)) => {
                self.recipients.insert(key, new);
            }
            (Some(old), Some(new)) => {
                self.check_update(&key, &old, &new);
                if is_held(&old, &new) {
                    self.holds.entry((key, old.attempt)).or_insert(now);
                }
                self.recipients.insert(key, new);
            }
            (Some(old), None) => {
                self.report_violation(format!("{key} was deleted while {}", describe(&old)));
            }
            (None, None) => {}
        }
    }

    fn check_update(&mut self, key: &CampaignContact, old: &Recipient, new: &Recipient) {
        if !is_valid_transition(old, new) {
            let (from, to) = (describe(old), describe(new));
            self.report_violation(format!("{key} went from {from} to {to}"));
        }
        if is_claim(old, new) {
            self.apply_claim(key, old, new);
        }
        if old.is_erased() && (!new.is_erased() || !new.columns.is_empty()) {
            self.report_violation(format!("{key} was erased and holds personal data again"));
        }
    }

    fn apply_claim(&mut self, key: &CampaignContact, old: &Recipient, new: &Recipient) {
        if old.status != Status::Pending {
            self.report_violation(format!("{key} was claimed while {}", describe(old)));
        }
        let contact = self.survivor_of(key.contact);
        if self.suppressed.contains(&contact) {
            self.report_violation(format!("{key} was claimed while suppressed"));
        }
        if let Some(twin) = self.twin_of(key, contact).filter(|_| new.attempt == 1) {
            let violation = format!("{key} was claimed after {twin}, which is the same person");
            self.report_violation(violation);
        }
        let date = new.batch.map(|batch| batch.date);
        let at = new.sent_at.unwrap_or(Timestamp::MIN);
        self.claims.insert((*key, new.attempt), Claim { at, contact, date });
    }

    /// A recipient of the same campaign and person that was claimed before.
    fn twin_of(&self, key: &CampaignContact, survivor: ContactId) -> Option<CampaignContact> {
        let was_claimed = |one: &Recipient| one.sent_at.is_some();
        let mut twins = self.recipients.iter().filter(|(other, one)| {
            other.campaign == key.campaign && other.contact != key.contact && was_claimed(one)
        });
        twins.find(|(other, _)| self.survivor_of(other.contact) == survivor).map(|(key, _)| *key)
    }

    fn survivor_of(&self, mut contact: ContactId) -> ContactId {
        while let Some(survivor) = self.merged_into.get(&contact) {
            contact = *survivor;
        }
        contact
    }

    /// Consumes the claim of an attempt when its message is sent: each claim allows
    /// one message. Returns the claim.
    pub(crate) fn consume_claim(&mut self, key: &CampaignContact, attempt: u32) -> Option<Claim> {
        let claim = self.claims.remove(&(*key, attempt));
        if claim.is_none() {
            self.report_violation(format!("{key} was sent attempt {attempt} without a claim"));
        }
        claim
    }

    /// The contact that lists an address.
    pub(crate) fn contact_at(&self, address: &Address) -> Option<ContactId> {
        self.contacts.get(address).copied()
    }

    /// The bucket of a contact's reservation.
    pub(crate) fn quota_bucket(&self, contact: ContactId) -> Option<i64> {
        self.quota_buckets.get(&contact).copied()
    }

    pub(crate) fn is_suppressed(&self, contact: ContactId) -> bool {
        self.suppressed.contains(&contact)
    }

    /// When it was stored that an attempt was refused because the person is held.
    pub(crate) fn hold_stored_at(&self, key: CampaignContact, attempt: u32) -> Option<Timestamp> {
        self.holds.get(&(key, attempt)).copied()
    }

    /// Whether a message of the campaign may go out at `now`, by clocks that differ by at most
    /// `skew`.
    pub(crate) fn may_send(&self, id: CampaignId, now: Timestamp, skew: SignedDuration) -> bool {
        self.campaigns.get(&id).is_some_and(|history| history.may_send(now, skew))
    }

    /// The campaign's latest version.
    pub(crate) fn campaign(&self, id: CampaignId) -> Option<&Campaign> {
        self.campaigns.get(&id).and_then(CampaignHistory::latest)
    }
}

/// Whether the write stores that an attempt was refused because the person is held.
fn is_held(old: &Recipient, new: &Recipient) -> bool {
    old.status == Status::Sending
        && matches!(new.status, Status::Pending | Status::Failed)
        && new.code == Some(HELD)
}

fn image<T: DeserializeOwned>(item: &Item) -> Result<Option<T>, BoxError> {
    if item.is_empty() { Ok(None) } else { Ok(Some(from_item(item.clone())?)) }
}

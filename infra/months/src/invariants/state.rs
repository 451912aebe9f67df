use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::address::Address;
use carillon::campaign::Campaign;
use carillon::contact::Profile;
use carillon::ids::CampaignId;
use carillon::recipient::{Recipient, Status};
use carillon::table::Key;
use carillon::time::{Date, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_dynamo::{Item, from_item};
use tower::BoxError;

use super::campaign_history::CampaignHistory;
use super::transition::{describe, is_claim, is_pseudonym_of, is_valid_transition};
use crate::campaign_contact::CampaignContact;

/// The table's state according to its stream.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// All stream records, in order.
    pub(crate) records: Vec<EventRecord>,
    pub(crate) campaigns: BTreeMap<CampaignId, CampaignHistory>,
    pub(crate) recipients: BTreeMap<CampaignContact, Recipient>,
    /// Recipients that were erased at some time. A later import may have added the
    /// contact again.
    pub(crate) erased: BTreeSet<CampaignContact>,
    /// Erased recipients whose pseudonym has not been written yet.
    pub(crate) without_pseudonym: Vec<(CampaignId, Recipient)>,
    suppressed: BTreeSet<Address>,
    /// Claims for which no message was sent yet.
    claims: BTreeMap<CampaignContact, Claim>,
    first_violation: Option<String>,
}

#[derive(Debug, Clone)]
struct Claim {
    attempt: u32,
    /// The date of the batch, whose daily limit the message counts against.
    date: Option<Date>,
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
            Some(Key::Contact(contact)) => {
                self.apply_profile(contact, image::<Profile>(&change.new_image)?.as_ref());
            }
            Some(Key::Recipient { campaign, contact, .. }) => {
                let key = CampaignContact { campaign, contact };
                let (old, new) = (image(&change.old_image)?, image(&change.new_image)?);
                self.apply_recipient(key, old, new);
            }
            Some(_) | None => {}
        }
        self.records.push(record);
        Ok(())
    }

    fn apply_profile(&mut self, contact: Address, profile: Option<&Profile>) {
        if profile.is_some_and(|profile| profile.suppression().is_some()) {
            self.suppressed.insert(contact);
        } else {
            self.suppressed.remove(&contact);
        }
    }

    fn apply_recipient(
        &mut self,
        key: CampaignContact,
        old: Option<Recipient>,
        new: Option<Recipient>,
    ) {
        match (old, new) {
            (None, Some(new)) => {
                if matches!(key.contact, Address::Erased(_)) {
                    self.check_pseudonym(&key, &new);
                }
                self.recipients.insert(key, new);
            }
            (Some(old), Some(new)) => {
                self.check_update(&key, &old, &new);
                self.recipients.insert(key, new);
            }
            (Some(old), None) => self.apply_deletion(key, old),
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
    }

    fn apply_claim(&mut self, key: &CampaignContact, old: &Recipient, new: &Recipient) {
        if old.status != Status::Pending {
            self.report_violation(format!("{key} was claimed while {}", describe(old)));
        }
        if self.suppressed.contains(&key.contact) {
            self.report_violation(format!("{key} was claimed while suppressed"));
        }
        let date = new.batch.map(|batch| batch.date);
        self.claims.insert(key.clone(), Claim { attempt: new.attempt, date });
    }

    /// Only erasure deletes a recipient, and never while a message is in flight.
    fn apply_deletion(&mut self, key: CampaignContact, old: Recipient) {
        if !self.suppressed.contains(&key.contact) || old.status == Status::Sending {
            self.report_violation(format!("{key} was deleted while {}", describe(&old)));
        }
        self.recipients.remove(&key);
        self.without_pseudonym.push((key.campaign, old));
        self.erased.insert(key);
    }

    /// A pseudonym takes the place of one erased recipient: it keeps the history and
    /// holds no personal data.
    fn check_pseudonym(&mut self, key: &CampaignContact, new: &Recipient) {
        let matches = |(campaign, old): &(CampaignId, Recipient)| {
            *campaign == key.campaign && is_pseudonym_of(new, old)
        };
        match self.without_pseudonym.iter().position(matches) {
            Some(index) => drop(self.without_pseudonym.swap_remove(index)),
            None => self.report_violation(format!("{key} matches no erased recipient")),
        }
        if !new.columns.is_empty() || new.message_id.is_some() {
            self.report_violation(format!("{key} still holds personal data"));
        }
    }

    /// Consumes the claim of an attempt when its message is sent: each claim allows
    /// one message. Returns the date of the claim's batch.
    pub(crate) fn consume_claim(&mut self, key: &CampaignContact, attempt: u32) -> Option<Date> {
        let claim = self.claims.remove(key).filter(|claim| claim.attempt == attempt);
        if claim.is_none() {
            self.report_violation(format!("{key} was sent attempt {attempt} without a claim"));
        }
        claim.and_then(|claim| claim.date)
    }

    /// Whether a message of the campaign may go out at `now`.
    pub(crate) fn may_send(&self, id: CampaignId, now: Timestamp) -> bool {
        self.campaigns.get(&id).is_some_and(|history| history.may_send(now))
    }

    /// The campaign's latest version.
    pub(crate) fn campaign(&self, id: CampaignId) -> Option<&Campaign> {
        self.campaigns.get(&id).and_then(CampaignHistory::latest)
    }
}

fn image<T: DeserializeOwned>(item: &Item) -> Result<Option<T>, BoxError> {
    if item.is_empty() { Ok(None) } else { Ok(Some(from_item(item.clone())?)) }
}

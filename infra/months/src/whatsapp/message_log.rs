use std::collections::{BTreeMap, BTreeSet};

use carillon::address::Address;
use carillon::ids::{CampaignId, ContactId};
use carillon::recipient::DeliveryStatus;
use carillon::time::{Date, Timestamp};
use jiff::SignedDuration;

use super::limits::ChangingLimit;
use super::person::{Identity, Person};
use crate::campaign_contact::CampaignContact;

/// The minimum interval between two messages to one contact. Source: Meta, "Pair
/// rate limits".
const PAIR_INTERVAL: SignedDuration = SignedDuration::from_secs(6);
const ONE_SECOND: SignedDuration = SignedDuration::from_secs(1);
const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);

/// A message that WhatsApp received.
#[derive(Debug, Clone)]
pub(crate) struct LoggedMessage {
    pub(crate) received_at: Timestamp,
    /// The phone number id of the number that sent it.
    pub(crate) number: String,
    pub(crate) recipient: CampaignContact,
    /// The address that it was sent to.
    pub(crate) address: Address,
    /// The person whom it reached, with the number that they had then.
    pub(crate) to: Option<Identity>,
    pub(crate) is_marketing: bool,
    pub(crate) claimed_at: Timestamp,
    /// The contact that was claimed: a person has several until they are merged.
    pub(crate) contact: ContactId,
    pub(crate) attempt: u32,
    /// The date whose daily limit it counts against.
    pub(crate) date: Option<Date>,
    /// Its sender froze within the request itself. No sender can keep limits across that
    /// freeze, so they are not checked for it.
    pub(crate) after_freeze: bool,
    pub(crate) outcome: MessageOutcome,
    /// Carillon was informed that the message was not delivered.
    pub(crate) known_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MessageOutcome {
    /// WhatsApp refused the message.
    Refused,
    /// WhatsApp accepted the message and reported no failure.
    Accepted,
    /// WhatsApp accepted the message and reported later that it failed.
    Failed,
}

/// All messages that WhatsApp received, and the limits that they must keep.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    messages: Vec<LoggedMessage>,
    /// The highest status of each attempt that the webhook function stored.
    stored_statuses: BTreeMap<(CampaignContact, u32), DeliveryStatus>,
    /// The attempts that the operator requested.
    requested_retries: BTreeSet<(CampaignContact, u32)>,
    /// When each person wrote to each number.
    inbound_messages: BTreeMap<(String, Person), Vec<Timestamp>>,
}

impl MessageLog {
    /// All messages, in order.
    pub(crate) fn messages(&self) -> &[LoggedMessage] {
        &self.messages
    }

    /// The operator requests an attempt, although the one before may have been
    /// delivered.
    pub(crate) fn record_retry_request(&mut self, key: CampaignContact, attempt: u32) {
        self.requested_retries.insert((key, attempt));
    }

    /// A person wrote to a number.
    pub(crate) fn record_inbound_message(&mut self, number: &str, from: Person, at: Timestamp) {
        self.inbound_messages.entry((number.to_owned(), from)).or_default().push(at);
    }

    /// The webhook function stored a status of an attempt.
    pub(crate) fn record_status(
        &mut self,
        key: CampaignContact,
        attempt: u32,
        status: DeliveryStatus,
    ) {
        let highest = self.stored_statuses.entry((key, attempt)).or_insert(status);
        *highest = (*highest).max(status);
    }

    /// The highest status of an attempt that the webhook function stored.
    pub(crate) fn stored_status(
        &self,
        key: &CampaignContact,
        attempt: u32,
    ) -> Option<DeliveryStatus> {
        self.stored_statuses.get(&(*key, attempt)).copied()
    }

    pub(crate) fn record_acceptance(&mut self, message: usize) {
        if let Some(message) = self.messages.get_mut(message) {
            message.outcome = MessageOutcome::Accepted;
        }
    }

    /// The response to Carillon says that the message was not accepted.
    pub(crate) fn record_definite_refusal(&mut self, message: usize) {
        if let Some(message) = self.messages.get_mut(message) {
            message.known_failed = true;
        }
    }

    /// Whether a message is its recipient's latest one and did not fail.
    pub(crate) fn is_latest(&self, message: usize) -> bool {
        let Some(found) = self.messages.get(message) else { return false };
        let mut later = self.messages[message + 1..].iter();
        found.outcome == MessageOutcome::Accepted
            && !later.any(|later| later.recipient == found.recipient)
    }

    /// The numbers that exchanged messages with a person.
    pub(crate) fn numbers_known_to(&self, person: Person) -> BTreeSet<String> {
        let accepted = |message: &&LoggedMessage| {
            message.outcome == MessageOutcome::Accepted
                && message.to.is_some_and(|to| to.person == person)
        };
        self.messages.iter().filter(accepted).map(|message| message.number.clone()).collect()
    }

    /// A webhook reports that the message failed.
    pub(crate) fn record_failure(&mut self, message: usize) {
        if let Some(message) = self.messages.get_mut(message) {
            (message.outcome, message.known_failed) = (MessageOutcome::Failed, true);
        }
    }

    /// Adds a message. Returns its index and the limit that it violates, if any.
    /// `throughput` is the number's messages a second.
    pub(crate) fn add(
        &mut self,
        message: LoggedMessage,
        throughput: usize,
    ) -> (usize, Option<String>) {
        let violation = self
            .duplicate_violation(&message)
            .or_else(|| self.rate_violation(&message, throughput));
        self.messages.push(message);
        (self.messages.len() - 1, violation)
    }

    fn duplicate_violation(&self, new: &LoggedMessage) -> Option<String> {
        let earlier = self.messages.iter().filter(|old| old.recipient == new.recipient);
        let retry_requested = |old: &LoggedMessage| {
            (old.attempt + 1..=new.attempt)
                .any(|attempt| self.requested_retries.contains(&(new.recipient, attempt)))
        };
        // A person has risked a later attempt.
        let is_risked = |old: &LoggedMessage| {
            new.after_freeze
                && (new.attempt + 1..=old.attempt)
                    .any(|attempt| self.requested_retries.contains(&(new.recipient, attempt)))
        };
        let duplicate = earlier
            .filter(|old| !old.known_failed || old.attempt >= new.attempt)
            .filter(|old| !is_risked(old))
            .find(|old| old.attempt >= new.attempt || !retry_requested(old))?;
        Some(format!(
            "{} was sent attempt {} while attempt {} is not known to have failed",
            new.recipient, new.attempt, duplicate.attempt
        ))
    }

    fn rate_violation(&self, new: &LoggedMessage, throughput: usize) -> Option<String> {
        if new.after_freeze {
            return None;
        }
        self.pair_interval_violation(new).or_else(|| self.throughput_violation(new, throughput))
    }

    fn pair_interval_violation(&self, new: &LoggedMessage) -> Option<String> {
        let old = self
            .messages_within(PAIR_INTERVAL, new.received_at)
            .find(|old| old.contact == new.contact)?;
        let interval = new.received_at.duration_since(old.received_at);
        Some(format!("two messages to {} {interval:#} apart", new.contact))
    }

    fn throughput_violation(&self, new: &LoggedMessage, throughput: usize) -> Option<String> {
        let within = self.messages_within(ONE_SECOND, new.received_at);
        let count = 1 + within.filter(|old| old.number == new.number).count();
        (count > throughput)
            .then(|| format!("{count} messages in a second on a number of {throughput} a second"))
    }

    /// The messages less than `interval` before `at`, newest first, without those
    /// sent after a freeze.
    fn messages_within(
        &self,
        interval: SignedDuration,
        at: Timestamp,
    ) -> impl Iterator<Item = &LoggedMessage> {
        let recent = self.messages.iter().rev();
        recent
            .take_while(move |old| at < old.received_at + interval)
            .filter(|old| !old.after_freeze)
    }

    /// The messages that count against limits.
    fn counted(&self) -> impl Iterator<Item = &LoggedMessage> {
        self.messages
            .iter()
            .filter(|message| message.outcome == MessageOutcome::Accepted && !message.after_freeze)
    }

    /// Whether a message went out within 24 hours after the person wrote to the same number. The
    /// messaging limit does not count it.
    pub(super) fn is_in_service_window(&self, message: &LoggedMessage) -> bool {
        let Some(to) = message.to else { return false };
        let inbound = self.inbound_messages.get(&(message.number.clone(), to.person));
        inbound
            .into_iter()
            .flatten()
            .any(|at| *at <= message.received_at && message.received_at < *at + ONE_DAY)
    }

    /// How many messages no limit was checked for.
    pub(crate) fn exempt(&self) -> usize {
        self.messages.iter().filter(|message| message.after_freeze).count()
    }

    /// Where a message to another person was one more than `limit` allows for 24 hours, as the
    /// messaging limit counts them: when, how many people there were, and the limit.
    pub(crate) fn messaging_limit_violation(
        &self,
        limit: &ChangingLimit,
    ) -> Option<(Timestamp, usize, u32)> {
        let counted: Vec<&LoggedMessage> =
            self.counted().filter(|message| !self.is_in_service_window(message)).collect();
        counted.iter().enumerate().find_map(|(index, last)| {
            let person = last.to?.person;
            let window = counted[..index].iter().rev();
            let window = window.take_while(|old| last.received_at < old.received_at + ONE_DAY);
            let before: BTreeSet<Person> =
                window.filter_map(|message| message.to).map(|to| to.person).collect();
            let (people, allowed) = (before.len() + 1, limit.allowed_at(last.received_at));
            let exceeds = !before.contains(&person) && people > allowed as usize;
            exceeds.then_some((last.received_at, people, allowed))
        })
    }

    /// The number of different contacts of each campaign on each of its dates. A
    /// contact with a requested retry counts once.
    pub(crate) fn contacts_by_date(&self) -> BTreeMap<(CampaignId, Date), usize> {
        let mut contacts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for message in self.counted() {
            if let Some(date) = message.date {
                let CampaignContact { campaign, contact } = &message.recipient;
                contacts.entry((*campaign, date)).or_default().insert(contact);
            }
        }
        contacts.into_iter().map(|(day, contacts)| (day, contacts.len())).collect()
    }
}

/// WhatsApp's id of the message at this index of the log.
pub(super) fn message_id(index: usize) -> String {
    format!("wamid.{index}")
}

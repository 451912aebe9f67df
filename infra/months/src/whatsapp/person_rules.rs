//! The rules for messages to people who have several keys, change their numbers, opt out or
//! are held. They hold as far as Carillon was informed who is who.

use carillon::quota::is_live;
use carillon::time::Timestamp;

use super::message_log::LoggedMessage;
use super::person::Identity;
use super::portfolio::WhatsApp;
use super::reports::HoldReport;

impl WhatsApp {
    /// The rule that a new message violates, if any.
    pub(super) fn person_violation(&self, message: &LoggedMessage) -> Option<String> {
        let to = message.to?;
        if !self.people().is_known_apart(to.person) {
            return None;
        }
        self.suppression_violation(message, to)
            .or_else(|| self.twin_violation(message, to))
            .or_else(|| self.hold_violation(message, to))
            .or_else(|| self.charge_violation(message))
    }

    fn suppression_violation(&self, message: &LoggedMessage, to: Identity) -> Option<String> {
        let reports = self.reports();
        let found =
            reports.suppressions_of(to.person, &message.address, message.claimed_at).next()?;
        let (recipient, person, at) = (message.recipient, to.person.0, found.at);
        Some(format!("{recipient} was sent to: person {person}, who is suppressed since {at}"))
    }

    fn twin_violation(&self, message: &LoggedMessage, to: Identity) -> Option<String> {
        let (log, reports) = (self.log(), self.reports());
        let at = message.claimed_at;
        let twin = log.messages().iter().find(|old| {
            old.recipient.campaign == message.recipient.campaign
                && old.recipient.contact != message.recipient.contact
                && old.to.is_some_and(|old| old.person == to.person)
                && !old.known_failed
                && reports.are_one(to.person, &old.address, &message.address, at)
        })?;
        let (recipient, person) = (message.recipient, to.person.0);
        Some(format!("{recipient} was sent to after {}: both are person {person}", twin.recipient))
    }

    fn hold_violation(&self, message: &LoggedMessage, to: Identity) -> Option<String> {
        if !message.is_marketing {
            return None;
        }
        let (now, claimed_at) = (message.received_at, message.claimed_at);
        let reports = self.reports();
        let was_reported = |reported| match reported {
            HoldReport::InAnswer(recipient, attempt) => {
                self.monitor.state().hold_stored_at(recipient, attempt)
            }
            HoldReport::InWebhook(at) => Some(at),
        };
        let hold = reports.holds_of(to.person).find(|hold| {
            now + self.skew < hold.until
                && was_reported(hold.reported).is_some_and(|at| at < claimed_at)
                && reports.are_one(to.person, &hold.address, &message.address, claimed_at)
        })?;
        let (recipient, person, until) = (message.recipient, to.person.0, hold.until);
        Some(format!("{recipient} was sent to: person {person}, who is held until {until}"))
    }

    /// A message outside the service window of its own number needs a reservation.
    fn charge_violation(&self, message: &LoggedMessage) -> Option<String> {
        if message.after_freeze || self.log().is_in_service_window(message) {
            return None;
        }
        let bucket = self.monitor.state().quota_bucket(message.contact);
        let is_reserved = bucket.is_some_and(|bucket| is_live(bucket, message.claimed_at));
        let (recipient, number) = (message.recipient, &message.number);
        (!is_reserved).then(|| {
            format!(
                "{recipient} was sent to without a reservation, and has not written to {number}"
            )
        })
    }

    /// Checks that the suppressions of each person, and nobody else's, are those of the
    /// contacts that the person's addresses lead to.
    pub(crate) fn contact_violation(&self, now: Timestamp) -> Option<String> {
        let (people, reports, state) = (self.people(), self.reports(), self.monitor.state());
        for person in people.all().filter(|person| people.is_known_apart(*person)) {
            let identity = people.identity(person, now)?;
            let line = identity.line;
            for address in identity.addresses() {
                let Some(contact) = state.contact_at(&address) else { continue };
                let is_suppressed = state.is_suppressed(contact);
                let is_own = reports.may_be_suppressed(person)
                    || reports.is_suppressed_apart(&address, line.phone().parse().ok().as_ref());
                if is_suppressed && !is_own {
                    let person = person.0;
                    return Some(format!(
                        "{contact} is suppressed: person {person} at {}, who is not; {}",
                        address.as_str(),
                        people.describe(line)
                    ));
                }
                let mut suppressions = reports.suppressions_of(person, &address, now);
                if let Some(found) = suppressions.next().filter(|_| !is_suppressed) {
                    let (person, at) = (person.0, found.at);
                    return Some(format!(
                        "{contact} is not suppressed: person {person}, who is since {at}"
                    ));
                }
            }
        }
        None
    }
}

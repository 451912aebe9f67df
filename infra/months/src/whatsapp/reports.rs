//! What WhatsApp and the operator have informed Carillon about people, as far as the webhook
//! function or the API has stored it.

use std::collections::{BTreeMap, BTreeSet};

use carillon::address::Address;
use carillon::time::Timestamp;

use super::person::Person;
use crate::campaign_contact::CampaignContact;

/// What Carillon was informed about people.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// Addresses that were reported together as one person's.
    links: BTreeMap<Person, Vec<Link>>,
    suppressions: BTreeMap<Person, Vec<Suppression>>,
    /// People whom Carillon may have a reason to suppress, whether it stored it or not.
    may_be_suppressed: BTreeSet<Person>,
    holds: BTreeMap<Person, Vec<Hold>>,
}

#[derive(Debug)]
struct Link {
    at: Timestamp,
    addresses: Vec<Address>,
}

/// An opt-out or an entry on the blacklist that Carillon has stored.
#[derive(Debug, Clone)]
pub(crate) struct Suppression {
    /// The address of the person that it was stored for.
    pub(crate) address: Address,
    /// When it was stored.
    pub(crate) at: Timestamp,
}

/// WhatsApp holds marketing messages back from a person.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// The address of the message that was refused.
    pub(crate) address: Address,
    pub(crate) until: Timestamp,
    pub(crate) reported: HoldReport,
}

/// How Carillon is informed of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoldReport {
    /// By the answer to this attempt, once it is stored.
    InAnswer(CampaignContact, u32),
    /// By a webhook that was stored then.
    InWebhook(Timestamp),
}

impl Reports {
    /// These addresses were reported as one person's.
    pub(crate) fn link(&mut self, person: Person, addresses: Vec<Address>, at: Timestamp) {
        let links = self.links.entry(person).or_default();
        if !links.iter().any(|link| link.addresses == addresses) {
            links.push(Link { at, addresses });
        }
    }

    /// Whether what was reported before `at` says that two addresses are one person's.
    pub(crate) fn are_one(
        &self,
        person: Person,
        one: &Address,
        other: &Address,
        at: Timestamp,
    ) -> bool {
        let links = self.links.get(&person).map_or(&[][..], Vec::as_slice);
        let mut known = BTreeSet::from([one]);
        loop {
            let before = known.len();
            for link in links.iter().filter(|link| link.at < at) {
                if link.addresses.iter().any(|address| known.contains(address)) {
                    known.extend(&link.addresses);
                }
            }
            if known.len() == before {
                return known.contains(other);
            }
        }
    }

    /// Carillon stored an opt-out of a person, or an entry on the blacklist.
    pub(crate) fn suppress(&mut self, person: Person, address: Address, at: Timestamp) {
        self.may_be_suppressed.insert(person);
        self.suppressions.entry(person).or_default().push(Suppression { address, at });
    }

    /// Carillon may store an opt-out of a person.
    pub(crate) fn may_suppress(&mut self, person: Person) {
        self.may_be_suppressed.insert(person);
    }

    pub(crate) fn may_be_suppressed(&self, person: Person) -> bool {
        self.may_be_suppressed.contains(&person)
    }

    /// Whether a suppression was stored for a spelling of a number that was never reported
    /// together with WhatsApp's own: Carillon cannot tell whose it is.
    pub(crate) fn is_suppressed_apart(&self, address: &Address, own: Option<&Address>) -> bool {
        let mut all = self.suppressions.iter();
        all.any(|(person, suppressions)| {
            suppressions.iter().any(|one| one.address == *address)
                && own.is_some_and(|own| !self.are_one(*person, address, own, Timestamp::MAX))
        })
    }

    pub(crate) fn suppressed_people(&self) -> Vec<Person> {
        self.suppressions.keys().copied().collect()
    }

    /// The suppressions of a person that an address is known to have at `at`.
    pub(crate) fn suppressions_of(
        &self,
        person: Person,
        address: &Address,
        at: Timestamp,
    ) -> impl Iterator<Item = &Suppression> {
        let all = self.suppressions.get(&person).into_iter().flatten();
        all.filter(move |one| one.at < at && self.are_one(person, &one.address, address, at))
    }

    pub(crate) fn hold(&mut self, person: Person, hold: Hold) {
        self.holds.entry(person).or_default().push(hold);
    }

    /// Whether WhatsApp holds marketing messages back from a person.
    pub(crate) fn is_held(&self, person: Person, at: Timestamp) -> bool {
        self.holds_of(person).any(|hold| at < hold.until)
    }

    pub(crate) fn holds_of(&self, person: Person) -> impl Iterator<Item = &Hold> {
        self.holds.get(&person).into_iter().flatten()
    }
}

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
    /// Why Carillon may suppress people, whether it stored it or not.
    may_be_suppressed: BTreeSet<(Person, SuppressedBy)>,
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
    by: SuppressedBy,
    /// Whether the operator has lifted it since, or may have.
    is_lifted: bool,
}

/// Why a person is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SuppressedBy {
    /// The person opted out.
    OptOut,
    /// The operator put the person on the blacklist.
    Blacklist,
    /// The operator erased the person.
    Erasure,
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
    pub(crate) fn suppress(
        &mut self,
        person: Person,
        by: SuppressedBy,
        address: Address,
        at: Timestamp,
    ) {
        self.may_suppress(person, by);
        let suppression = Suppression { address, at, by, is_lifted: false };
        self.suppressions.entry(person).or_default().push(suppression);
    }

    /// Carillon may store that a person is suppressed.
    pub(crate) fn may_suppress(&mut self, person: Person, by: SuppressedBy) {
        self.may_be_suppressed.insert((person, by));
    }

    pub(crate) fn may_be_suppressed(&self, person: Person) -> bool {
        self.may_be_suppressed.iter().any(|(suppressed, _)| *suppressed == person)
    }

    /// The people who are on the blacklist and have no other suppression, each with the address
    /// that it was stored for.
    pub(crate) fn blacklisted_people(&self) -> Vec<(Person, Address)> {
        let mut found = Vec::new();
        for (person, suppressions) in &self.suppressions {
            let mut causes = self.may_be_suppressed.iter().filter(|(one, _)| one == person);
            let only = causes.all(|(_, by)| *by == SuppressedBy::Blacklist);
            let latest = suppressions.iter().rev().find(|one| !one.is_lifted);
            found.extend(latest.filter(|_| only).map(|one| (*person, one.address.clone())));
        }
        found
    }

    /// The operator may lift the entries on the blacklist that are known at `at` to be of the
    /// person with this address.
    pub(crate) fn may_lift(&mut self, person: Person, address: &Address, at: Timestamp) {
        let lifted: Vec<Address> = self
            .suppressions_of(person, address, at)
            .filter(|one| one.by == SuppressedBy::Blacklist)
            .map(|one| one.address.clone())
            .collect();
        for one in self.suppressions.entry(person).or_default() {
            let is_found = one.by == SuppressedBy::Blacklist && one.at < at;
            one.is_lifted |= is_found && lifted.contains(&one.address);
        }
    }

    /// The operator has lifted a person's entries on the blacklist.
    pub(crate) fn lift(&mut self, person: Person) {
        let suppressions = self.suppressions.get(&person).map_or(&[][..], Vec::as_slice);
        let is_listed = |one: &Suppression| one.by == SuppressedBy::Blacklist && !one.is_lifted;
        if !suppressions.iter().any(is_listed) {
            self.may_be_suppressed.remove(&(person, SuppressedBy::Blacklist));
        }
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
        let all = all.filter(|one| !one.is_lifted);
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

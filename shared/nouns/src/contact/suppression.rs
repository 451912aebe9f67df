use std::fmt;
use std::str::FromStr;

use carillon_foundations::ids::{ContactId, IdError};
use carillon_foundations::time::{Timestamp, sortable};
use carillon_table::{ListedAs, Shape, Update};

use super::Contact;
use super::profile::{Profile, SuppressionReason};

/// A suppression: no message is sent to the contact while it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Its id.
    pub id: SuppressionId,
    /// Since when.
    pub since: Timestamp,
    /// Whether the contact was erased.
    pub is_erased: bool,
}

/// The id of a suppression: a contact has one for each reason at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuppressionId {
    /// The contact.
    pub contact: ContactId,
    /// The reason.
    pub reason: SuppressionReason,
}

const PREFIX: &str = "sup_";

impl fmt::Display for SuppressionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}", self.reason.as_str(), self.contact.uuid())
    }
}

impl FromStr for SuppressionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('_'));
        let (name, uuid) = parts.ok_or(IdError::of("sup_blacklisted"))?;
        let known = SuppressionReason::ALL.into_iter().find(|reason| reason.as_str() == name);
        let contact = format!("{}_{uuid}", ContactId::PREFIX).parse();
        match (known, contact) {
            (Some(reason), Ok(contact)) => Ok(Self { contact, reason }),
            _ => Err(IdError::of("sup_blacklisted")),
        }
    }
}

impl Contact {
    /// Its suppressions.
    pub fn suppressions(&self) -> impl Iterator<Item = Suppression> {
        let Profile { blacklisted_at, opted_out_at, erased_at, .. } = &self.profile;
        let contact = self.id;
        let is_erased = erased_at.is_some();
        let found = [
            (SuppressionReason::Blacklisted, *blacklisted_at),
            (SuppressionReason::OptedOut, *opted_out_at),
        ];
        found.into_iter().filter_map(move |(reason, since)| {
            let id = SuppressionId { contact, reason };
            since.map(|since| Suppression { id, since, is_erased })
        })
    }
}

/// Puts a contact on the list of suppressed contacts.
pub(super) fn listed(update: Update, contact: ContactId) -> Update {
    update.set(Shape::LISTED_AS, ListedAs::Suppressed.to_string()).set(Shape::LISTED_AT, contact)
}

/// Takes a contact off that list.
pub(super) fn unlisted(update: Update) -> Update {
    update.remove(Shape::LISTED_AS).remove(Shape::LISTED_AT)
}

/// The suppressions of a contact, and the time of its latest preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the names of the attributes")]
pub struct Suppressions {
    pub(super) blacklisted_at: Option<Timestamp>,
    pub(super) opted_out_at: Option<Timestamp>,
    pub(super) preference_at: Option<Timestamp>,
}

impl Suppressions {
    /// The suppressions in a profile.
    pub fn of(profile: &Profile) -> Self {
        Self {
            blacklisted_at: profile.blacklisted_at,
            opted_out_at: profile.opted_out_at,
            preference_at: profile.preference_at,
        }
    }

    /// The suppressions of two contacts that are one person: either blacklist and either
    /// opt-out hold, until the person resumes after both.
    pub(super) fn joined(one: &Profile, other: &Profile) -> Self {
        let either = |one: Option<Timestamp>, other| one.into_iter().chain(other).min();
        Self {
            blacklisted_at: either(one.blacklisted_at, other.blacklisted_at),
            opted_out_at: either(one.opted_out_at, other.opted_out_at),
            preference_at: one.preference_at.max(other.preference_at),
        }
    }

    /// Gives a contact these suppressions, and its place in the list of suppressed contacts.
    pub(super) fn write(self, update: Update, contact: ContactId) -> Update {
        let is_suppressed = self.blacklisted_at.is_some() || self.opted_out_at.is_some();
        let update = if is_suppressed { listed(update, contact) } else { unlisted(update) };
        self.attributes()
            .into_iter()
            .fold(update, |update, (name, at)| update.set_or_remove(name, at.map(sortable)))
    }

    /// Each with the name of its attribute.
    pub(super) fn attributes(self) -> [(&'static str, Option<Timestamp>); 3] {
        [
            ("blacklisted_at", self.blacklisted_at),
            ("opted_out_at", self.opted_out_at),
            ("preference_at", self.preference_at),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_800_000_000 + second).ok()
    }

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let contact = ContactId::from_uuid(uuid::Uuid::from_u128(7));
        for reason in SuppressionReason::ALL {
            let id = SuppressionId { contact, reason };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in
            ["", "sup_", "sup_blacklisted_x", "sup_sold_00000000-0000-0000-0000-000000000007"]
        {
            assert!(text.parse::<SuppressionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn either_blacklist_and_either_opt_out_hold() {
        let stopped = Profile { preference_at: at(2), opted_out_at: at(2), ..Profile::default() };
        let resumed = Profile { preference_at: at(3), ..Profile::default() };
        let blocked = Profile { blacklisted_at: at(0), ..resumed.clone() };
        let joined =
            Suppressions { blacklisted_at: at(0), opted_out_at: at(2), preference_at: at(3) };
        assert_eq!(Suppressions::joined(&stopped, &blocked), joined);
        assert_eq!(Suppressions::joined(&blocked, &stopped), joined);
        assert_eq!(Suppressions::joined(&resumed, &resumed), Suppressions::of(&resumed));
    }
}

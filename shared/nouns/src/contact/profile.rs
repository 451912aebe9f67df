use std::collections::BTreeSet;

use carillon_foundations::address::{Address, Scheme};
use carillon_foundations::country::Country;
use carillon_foundations::ids::{CampaignId, ConnectionId, ContactId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Windows;
use crate::quota::{self, ChargeRule, QuotaCharge};

/// A contact: its id, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id; of two merged contacts, that of the survivor.
    pub id: ContactId,
    /// What is known of it.
    pub profile: Profile,
}

/// What is known of a contact. An absent field is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name in the contact's profile at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the business put the contact on its blacklist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blacklisted_at: Option<Timestamp>,
    /// When the contact opted out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opted_out_at: Option<Timestamp>,
    /// When the contact last stopped or resumed messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference_at: Option<Timestamp>,
    /// When the contact was erased. The other fields were recorded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
    /// The addresses that reach the contact.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<Address>,
    /// The phone number that its provider named last, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<Address>,
    /// The contact that this one was merged into: the same person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<ContactId>,
    /// The contacts that a person split from this one, or it from them: reports of providers
    /// and files do not merge them again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apart_from: BTreeSet<ContactId>,
    /// The contacts that were merged into this one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub merged: BTreeSet<ContactId>,
    /// When a message to the contact was last claimed, by any campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_at: Option<Timestamp>,
    /// Until when the provider holds marketing messages back from the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing_held_until: Option<Timestamp>,
    /// The campaigns of which the contact was sent a message. Campaigns that ended may be
    /// absent.
    #[serde(default, skip_serializing)]
    pub sent_campaigns: BTreeSet<CampaignId>,
    /// When the contact last wrote to each connection.
    #[serde(flatten, skip_serializing)]
    pub windows: Windows,
    /// The quota group in which the contact has a reservation.
    #[serde(default, skip_serializing)]
    pub quota_group: Option<String>,
    /// The bucket of that reservation.
    #[serde(default, skip_serializing)]
    pub quota_bucket: Option<i64>,
}

/// Why a contact is suppressed: no message is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// The business put the contact on its blacklist.
    Blacklisted,
    /// The contact opted out.
    OptedOut,
}

impl SuppressionReason {
    /// All.
    pub const ALL: [Self; 2] = [Self::Blacklisted, Self::OptedOut];

    /// The word in reports and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blacklisted => "blacklisted",
            Self::OptedOut => "opted_out",
        }
    }
}

impl Profile {
    /// Why no message may be sent to the contact, if so.
    pub fn suppression(&self) -> Option<SuppressionReason> {
        if self.blacklisted_at.is_some() {
            return Some(SuppressionReason::Blacklisted);
        }
        self.opted_out_at.map(|_| SuppressionReason::OptedOut)
    }

    /// The address to which a provider with these schemes sends; none where it has no such
    /// address.
    pub fn address_in(&self, schemes: &[Scheme]) -> Option<&Address> {
        self.ordered().find(|address| schemes.contains(&address.scheme()))
    }

    /// The addresses, the preferred one first.
    pub fn ordered(&self) -> impl Iterator<Item = &Address> {
        let preferred = self.preferred.iter().filter(|one| self.addresses.contains(*one));
        preferred.chain(self.addresses.iter().filter(|one| Some(*one) != self.preferred.as_ref()))
    }

    /// The contact's country, [`Country::UNKNOWN`] where no address reveals it.
    pub fn country(&self) -> Country {
        self.ordered().next().map_or(Country::UNKNOWN, Address::country)
    }

    /// How a message over a connection is charged at `now`.
    pub fn charge(
        &self,
        connection: ConnectionId,
        rule: ChargeRule<'_>,
        now: Timestamp,
    ) -> QuotaCharge {
        if rule.is_exempt(self.windows.last_inbound_at(connection), now) {
            return QuotaCharge::Exempt;
        }
        match (self.quota_group.as_deref(), self.quota_bucket, self.last_sent_at) {
            (group, Some(bucket), Some(sent_at))
                if group == rule.quota_group && quota::is_live(bucket, now) =>
            {
                QuotaCharge::Renew { bucket, sent_at }
            }
            _ => QuotaCharge::New { sent_at: self.last_sent_at },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    fn connection(id: u128) -> ConnectionId {
        ConnectionId::from_uuid(Uuid::from_u128(id))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sent(group: &str) -> Profile {
        Profile {
            last_sent_at: Some(at(0)),
            quota_group: Some(group.to_owned()),
            quota_bucket: Some(quota::bucket_at(at(0))),
            ..Profile::default()
        }
    }

    fn rule(group: Option<&str>) -> ChargeRule<'_> {
        ChargeRule { quota_group: group, service_window: Some(Duration::from_hours(24)) }
    }

    #[test]
    fn a_contact_is_counted_once_in_24_hours() {
        let renewed = QuotaCharge::Renew { bucket: quota::bucket_at(at(0)), sent_at: at(0) };
        let new = QuotaCharge::New { sent_at: Some(at(0)) };
        let charge =
            |profile: Profile, second| profile.charge(connection(1), rule(Some("p")), at(second));
        assert_eq!(charge(sent("p"), 3600), renewed);
        assert_eq!(charge(sent("other"), 3600), new);
        assert_eq!(charge(sent("p"), 2 * 86_400), new);
        assert_eq!(charge(Profile::default(), 0), QuotaCharge::New { sent_at: None });
    }

    #[test]
    fn a_contact_in_a_service_window_is_exempt() {
        let windows = Windows::default().with(connection(1), at(0));
        let wrote = Profile { windows, ..sent("p") };
        let charge = |id, rule, second| wrote.charge(connection(id), rule, at(second));
        assert_eq!(charge(1, rule(Some("p")), 3600), QuotaCharge::Exempt);
        assert_ne!(charge(1, rule(Some("p")), 86_400), QuotaCharge::Exempt);
        assert_ne!(charge(2, rule(Some("p")), 3600), QuotaCharge::Exempt, "another number");
        let no_window = ChargeRule { quota_group: Some("p"), service_window: None };
        assert_ne!(charge(1, no_window, 3600), QuotaCharge::Exempt);
    }

    #[test]
    fn without_a_quota_group_everybody_is_exempt() {
        assert_eq!(
            Profile::default().charge(connection(1), rule(None), at(0)),
            QuotaCharge::Exempt
        );
    }
}

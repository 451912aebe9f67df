use std::fmt;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::contact::ContactKey;
use crate::ids::{CampaignId, ConnectionId, ImportId};

/// The key of an item: what `pk` and `sk` say, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A campaign's settings and progress.
    Campaign(CampaignId),
    /// A batch: unique by campaign, date and number.
    Batch {
        /// The campaign.
        campaign: CampaignId,
        /// The day it counts for, in the campaign's time zone.
        date: Date,
        /// Its number that day, from 1.
        number: u32,
    },
    /// What one upload of recipients brought.
    Import {
        /// The campaign.
        campaign: CampaignId,
        /// The upload.
        import: ImportId,
    },
    /// The work left after a campaign was cancelled or ended.
    Sweep(CampaignId),
    /// A recipient: one contact in one campaign.
    Recipient {
        /// The campaign.
        campaign: CampaignId,
        /// The part of the campaign it lies in, see [`shard_of`].
        shard: u16,
        /// The contact.
        contact: ContactKey,
    },
    /// The counters over one shard's recipients.
    Counters {
        /// The campaign.
        campaign: CampaignId,
        /// The shard.
        shard: u16,
    },
    /// A mark beside the recipients of a shard, for the audit of its counters.
    Mark {
        /// The campaign.
        campaign: CampaignId,
        /// The shard.
        shard: u16,
    },
    /// A contact's profile and consent.
    Contact(ContactKey),
    /// A message a contact wrote.
    Message {
        /// The contact.
        contact: ContactKey,
        /// When, in the stored form of [`crate::time::sortable`].
        at: String,
        /// The provider's message id.
        id: String,
    },
    /// A connection.
    Connection(ConnectionId),
    /// What the provider says of a connection.
    Health(ConnectionId),
    /// Which connection has a number, by the provider's id of it: it can be only one.
    Number(String),
    /// A local template.
    Template {
        /// Its name.
        name: String,
        /// Its language, such as `en_US`.
        language: String,
    },
    /// An API key, by the SHA-256 of its secret in hex.
    ApiKey(String),
    /// The rolling 24-hour ledger of a portfolio.
    Ledger(String),
    /// A remembered answer to a POST, by a hash of its `Idempotency-Key`.
    Idempotency(String),
}

const META: &str = "META";
const HEALTH: &str = "HEALTH#";
const NUMBER: &str = "NUMBER#";
const MARK: &str = "MARK";
const PROFILE: &str = "PROFILE";
const ROLLING: &str = "ROLLING";
const ANSWER: &str = "ANSWER";
const SWEEP: &str = "SWEEP";

impl Key {
    /// The partition key.
    pub fn pk(&self) -> String {
        match self {
            Self::Campaign(campaign)
            | Self::Batch { campaign, .. }
            | Self::Import { campaign, .. }
            | Self::Sweep(campaign) => format!("CAMPAIGN#{campaign}"),
            Self::Recipient { campaign, shard, .. }
            | Self::Counters { campaign, shard }
            | Self::Mark { campaign, shard } => {
                format!("CAMPAIGN#{campaign}#R{shard:03}")
            }
            Self::Contact(contact) | Self::Message { contact, .. } => {
                format!("CONTACT#{}", contact.as_str())
            }
            Self::Connection(_) | Self::Health(_) | Self::Number(_) => "CONNECTION".to_owned(),
            Self::Template { .. } => "TEMPLATE".to_owned(),
            Self::ApiKey(_) => "KEY".to_owned(),
            Self::Ledger(portfolio) => format!("LEDGER#{portfolio}"),
            Self::Idempotency(hash) => format!("IDEMPOTENCY#{hash}"),
        }
    }

    /// The sort key.
    pub fn sk(&self) -> String {
        match self {
            Self::Campaign(_) => META.to_owned(),
            Self::Batch { date, number, .. } => format!("BATCH#{date}#{number:06}"),
            Self::Import { import, .. } => format!("IMPORT#{import}"),
            Self::Sweep(_) => SWEEP.to_owned(),
            Self::Recipient { contact, .. } => Self::recipient_sk(contact),
            Self::Counters { .. } => Self::COUNTERS.to_owned(),
            Self::Mark { .. } => MARK.to_owned(),
            Self::Contact(_) => PROFILE.to_owned(),
            Self::Message { at, id, .. } => format!("MSG#{at}#{id}"),
            Self::Connection(id) => id.to_string(),
            Self::Health(id) => format!("{HEALTH}{id}"),
            Self::Number(number) => format!("{NUMBER}{number}"),
            Self::Template { name, language } => format!("{name}#{language}"),
            Self::ApiKey(hash) => hash.clone(),
            Self::Ledger(_) => ROLLING.to_owned(),
            Self::Idempotency(_) => ANSWER.to_owned(),
        }
    }

    /// A recipient's sort key; also the hash key of the index `by_contact`.
    pub fn recipient_sk(contact: &ContactKey) -> String {
        Self::recipient_sk_text(contact.as_str())
    }

    /// The same for the text of a contact's key, as cursors carry it.
    pub fn recipient_sk_text(contact: &str) -> String {
        format!("{}{contact}", Self::RECIPIENTS)
    }

    /// What every recipient's sort key starts with, and no other item's.
    pub const RECIPIENTS: &'static str = "TO#";
    /// The sort key of the counters beside a shard's recipients.
    pub const COUNTERS: &'static str = "COUNTERS";
    /// What every batch's sort key starts with.
    pub const BATCHES: &'static str = "BATCH#";
    /// What every import's sort key starts with.
    pub const IMPORTS: &'static str = "IMPORT#";
    /// What the sort key of every message of a conversation starts with.
    pub const MESSAGES: &'static str = "MSG#";

    /// Takes a stored key apart; `None` for a key this grammar doesn't make.
    pub fn parse(pk: &str, sk: &str) -> Option<Self> {
        match pk.split_once('#') {
            Some(("CAMPAIGN", rest)) => Self::parse_campaign(rest, sk),
            Some(("CONTACT", contact)) => Self::parse_contact(contact.parse().ok()?, sk),
            Some(("LEDGER", portfolio)) if sk == ROLLING => {
                Some(Self::Ledger(portfolio.to_owned()))
            }
            Some(("IDEMPOTENCY", hash)) if sk == ANSWER => Some(Self::Idempotency(hash.to_owned())),
            Some(_) => None,
            None => Self::parse_singleton(pk, sk),
        }
    }

    fn parse_campaign(rest: &str, sk: &str) -> Option<Self> {
        if let Some((campaign, shard)) = rest.split_once("#R") {
            let campaign = campaign.parse().ok()?;
            let shard = shard.parse().ok()?;
            if sk == Self::COUNTERS {
                return Some(Self::Counters { campaign, shard });
            }
            if sk == MARK {
                return Some(Self::Mark { campaign, shard });
            }
            let contact = sk.strip_prefix(Self::RECIPIENTS)?.parse().ok()?;
            return Some(Self::Recipient { campaign, shard, contact });
        }
        let campaign = rest.parse().ok()?;
        if let Some(batch) = sk.strip_prefix(Self::BATCHES) {
            let (date, number) = batch.split_once('#')?;
            let (date, number) = (date.parse().ok()?, number.parse().ok()?);
            return Some(Self::Batch { campaign, date, number });
        }
        if let Some(import) = sk.strip_prefix(Self::IMPORTS) {
            return Some(Self::Import { campaign, import: import.parse().ok()? });
        }
        match sk {
            META => Some(Self::Campaign(campaign)),
            SWEEP => Some(Self::Sweep(campaign)),
            _ => None,
        }
    }

    fn parse_contact(contact: ContactKey, sk: &str) -> Option<Self> {
        if sk == PROFILE {
            return Some(Self::Contact(contact));
        }
        let (at, id) = sk.strip_prefix(Self::MESSAGES)?.split_once('#')?;
        Some(Self::Message { contact, at: at.to_owned(), id: id.to_owned() })
    }

    fn parse_singleton(pk: &str, sk: &str) -> Option<Self> {
        match pk {
            "CONNECTION" => match (sk.strip_prefix(HEALTH), sk.strip_prefix(NUMBER)) {
                (Some(id), _) => id.parse().ok().map(Self::Health),
                (None, Some(number)) => Some(Self::Number(number.to_owned())),
                (None, None) => sk.parse().ok().map(Self::Connection),
            },
            "TEMPLATE" => {
                let (name, language) = sk.split_once('#')?;
                Some(Self::Template { name: name.to_owned(), language: language.to_owned() })
            }
            "KEY" => Some(Self::ApiKey(sk.to_owned())),
            _ => None,
        }
    }
}

/// The hash key of the sparse index `by_status`: the lists someone works through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedAs {
    /// Campaigns of one status, by id (newest last).
    Campaigns(crate::campaign::Status),
    /// Batches that are not done, by when they were made.
    OpenBatches,
    /// Campaigns whose remaining recipients are still to be marked cancelled.
    OpenSweeps,
}

impl fmt::Display for ListedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaigns(status) => write!(f, "CAMPAIGN#{status}"),
            Self::OpenBatches => f.write_str("BATCH#open"),
            Self::OpenSweeps => f.write_str("SWEEP#open"),
        }
    }
}

/// The shard of a contact in a campaign of `shards` shards: the same for ever,
/// on every machine.
pub fn shard_of(contact: &ContactKey, shards: u16) -> u16 {
    let digest = Sha256::digest(contact.as_str().as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    u16::try_from(number % u32::from(shards.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn contacts() -> impl Strategy<Value = ContactKey> {
        prop_oneof![
            "[1-9][0-9]{7,14}".prop_map(|digits| format!("+{digits}").parse().unwrap()),
            "[A-Z]{2}\\.(ENT\\.)?[0-9A-Za-z]{1,40}".prop_map(|id| id.parse().unwrap()),
        ]
    }

    fn keys() -> impl Strategy<Value = Key> {
        let uuid = any::<u128>().prop_map(Uuid::from_u128);
        let campaign = uuid.clone().prop_map(CampaignId::from_uuid).boxed();
        let date = (2000i16..2100, 1i8..=12, 1i8..=28)
            .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap());
        prop_oneof![
            campaign.clone().prop_map(Key::Campaign),
            campaign.clone().prop_map(Key::Sweep),
            (campaign.clone(), date, 1u32..999_999)
                .prop_map(|(campaign, date, number)| Key::Batch { campaign, date, number }),
            (campaign.clone(), uuid.clone()).prop_map(|(campaign, uuid)| Key::Import {
                campaign,
                import: ImportId::from_uuid(uuid)
            }),
            (campaign.clone(), contacts(), 1u16..999).prop_map(|(campaign, contact, shards)| {
                Key::Recipient { campaign, shard: shard_of(&contact, shards), contact }
            }),
            (campaign.clone(), 0u16..999)
                .prop_map(|(campaign, shard)| Key::Counters { campaign, shard }),
            (campaign, 0u16..999).prop_map(|(campaign, shard)| Key::Mark { campaign, shard }),
            contacts().prop_map(Key::Contact),
            (contacts(), "wamid\\.[A-Za-z0-9=#|]{1,40}").prop_map(|(contact, id)| Key::Message {
                contact,
                at: "2026-11-21T09:00:00.000Z".to_owned(),
                id
            }),
            uuid.prop_map(|uuid| Key::Connection(ConnectionId::from_uuid(uuid))),
            "[0-9]{1,20}".prop_map(Key::Number),
            ("[a-z0-9_]{1,40}", "[a-z]{2}_[A-Z]{2}")
                .prop_map(|(name, language)| Key::Template { name, language }),
            "[0-9a-f]{64}".prop_map(Key::ApiKey),
            "[0-9a-zA-Z_-]{1,40}".prop_map(Key::Ledger),
            "[0-9a-f]{64}".prop_map(Key::Idempotency),
        ]
    }

    proptest! {
        #[test]
        fn every_key_reads_back(key in keys()) {
            prop_assert_eq!(Key::parse(&key.pk(), &key.sk()), Some(key));
        }

        #[test]
        fn no_text_makes_the_grammar_panic(pk in ".*", sk in ".*") {
            let _ = Key::parse(&pk, &sk);
        }

        #[test]
        fn a_contact_stays_in_its_shard(contact in contacts(), shards in 1u16..100) {
            prop_assert!(shard_of(&contact, shards) < shards);
            prop_assert_eq!(shard_of(&contact, shards), shard_of(&contact, shards));
        }
    }
}

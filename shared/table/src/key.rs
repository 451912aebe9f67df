use std::fmt;

use carillon_foundations::address::Scheme;
use carillon_foundations::address_key::AddressHash;
use carillon_foundations::ids::{
    AuditId, CampaignId, ConnectionId, ContactId, ImportId, JobId, MediaId,
};
use jiff::civil::Date;
use sha2::{Digest, Sha256};

/// The key of an item, parsed from `pk` and `sk`.
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
    /// The summary of one upload of recipients.
    Import {
        /// The campaign.
        campaign: CampaignId,
        /// The upload.
        import: ImportId,
    },
    /// The work left after a campaign was cancelled or ended.
    Sweep(CampaignId),
    /// How many people in a row a provider has refused a campaign's message for, with one code.
    Refusals {
        /// The campaign.
        campaign: CampaignId,
        /// The provider's code; none for a refusal without one.
        code: Option<u32>,
    },
    /// How often recipients of a campaign became pending behind its walk.
    Requeues(CampaignId),
    /// When the counters of a campaign are audited next.
    AuditTurn(CampaignId),
    /// A recipient: one contact in one campaign.
    Recipient {
        /// The campaign.
        campaign: CampaignId,
        /// The shard, see [`shard_of`].
        shard: u16,
        /// The contact.
        contact: ContactId,
    },
    /// The counters over one shard's recipients.
    Counters {
        /// The campaign.
        campaign: CampaignId,
        /// The shard.
        shard: u16,
    },
    /// The stream watermark of the counter audit of a shard.
    Watermark {
        /// The campaign.
        campaign: CampaignId,
        /// The shard.
        shard: u16,
    },
    /// A contact's profile and consent.
    Contact(ContactId),
    /// The contact that an address leads to.
    Address(AddressHash),
    /// The fingerprint of the key that hashes addresses.
    AddressKey,
    /// How many erasures of persons have begun.
    Erasures,
    /// A message from a contact.
    Message {
        /// The contact.
        contact: ContactId,
        /// When, in the stored form of [`sortable`](carillon_foundations::time::sortable).
        at: String,
        /// The provider's message id.
        id: String,
    },
    /// A connection.
    Connection(ConnectionId),
    /// The health of a connection.
    Health(ConnectionId),
    /// The connection of a sender: a sender has at most one.
    Sender {
        /// The provider's name.
        provider: String,
        /// The provider's id of the sender, such as Meta's phone number id.
        id: String,
    },
    /// The recipient of a message of a provider that does not return our callback.
    MessagePointer {
        /// The provider's name.
        provider: String,
        /// The provider's id of the message.
        message: String,
    },
    /// A status that arrived before the pointer of its message was stored.
    EarlyStatus {
        /// The provider's name.
        provider: String,
        /// The provider's id of the message.
        message: String,
        /// The status.
        status: String,
    },
    /// A local template.
    Template {
        /// Its name.
        name: String,
        /// Its language, such as `en_US`.
        language: String,
    },
    /// An uploaded file.
    Media(MediaId),
    /// An API key, by the SHA-256 of its secret in hex.
    ApiKey(String),
    /// The reservations of a quota group in the rolling 24 hours.
    Quota(String),
    /// A stored answer to a POST request, by a hash of its `Idempotency-Key`.
    Idempotency(String),
    /// Asynchronous work.
    Job(JobId),
    /// An event of the feed.
    Event {
        /// The hour in which it was written, such as `2026-11-22T09`.
        hour: String,
        /// Its offset within that hour.
        offset: String,
    },
    /// An event in the history of a campaign.
    History {
        /// The campaign.
        campaign: CampaignId,
        /// Its offset in the history.
        offset: String,
    },
    /// A record of the audit log.
    Audit {
        /// The day, in UTC.
        day: Date,
        /// The record.
        id: AuditId,
    },
    /// An update of a provider that could not be read or stored.
    Unreadable {
        /// The day on which it arrived, in UTC.
        day: Date,
        /// The SHA-256 of the provider's name and the update, in hex.
        hash: String,
    },
}

const ADDRESS_KEY: &str = "ADDRESS-KEY";
const ERASURES: &str = "ERASURES";
const META: &str = "META";
const HEALTH: &str = "HEALTH#";
const SENDER: &str = "SENDER#";
const POINTER: &str = "POINTER";
const WATERMARK: &str = "WATERMARK";
const PROFILE: &str = "PROFILE";
const CONTACT: &str = "CONTACT";
const ROLLING: &str = "ROLLING";
const ANSWER: &str = "ANSWER";
const SWEEP: &str = "SWEEP";
const REFUSALS: &str = "REFUSALS#";
const NO_CODE: &str = "none";
const REQUEUES: &str = "REQUEUES";
const AUDIT_TURN: &str = "AUDIT";
const JOB: &str = "JOB";

impl Key {
    /// The partition key.
    pub fn pk(&self) -> String {
        match self {
            Self::Campaign(campaign)
            | Self::Batch { campaign, .. }
            | Self::Import { campaign, .. }
            | Self::History { campaign, .. }
            | Self::Refusals { campaign, .. }
            | Self::Sweep(campaign)
            | Self::Requeues(campaign)
            | Self::AuditTurn(campaign) => format!("CAMPAIGN#{campaign}"),
            Self::Recipient { campaign, shard, .. }
            | Self::Counters { campaign, shard }
            | Self::Watermark { campaign, shard } => {
                format!("CAMPAIGN#{campaign}#R{shard:03}")
            }
            Self::Contact(contact) | Self::Message { contact, .. } => {
                format!("CONTACT#{contact}")
            }
            Self::Address(AddressHash { scheme, hash }) => {
                format!("ADDRESS#{}:{hash}", scheme.as_str())
            }
            Self::Connection(_) | Self::Health(_) | Self::Sender { .. } => "CONNECTION".to_owned(),
            Self::MessagePointer { provider, message }
            | Self::EarlyStatus { provider, message, .. } => {
                format!("MESSAGE#{provider}#{message}")
            }
            Self::AddressKey => ADDRESS_KEY.to_owned(),
            Self::Erasures => ERASURES.to_owned(),
            Self::Template { .. } => "TEMPLATE".to_owned(),
            Self::Media(_) => "MEDIA".to_owned(),
            Self::ApiKey(_) => "KEY".to_owned(),
            Self::Quota(group) => format!("QUOTA#{group}"),
            Self::Idempotency(hash) => format!("IDEMPOTENCY#{hash}"),
            Self::Job(_) => JOB.to_owned(),
            Self::Event { hour, .. } => Self::events_of(hour),
            Self::Audit { day, .. } => Self::audit_day(*day),
            Self::Unreadable { day, .. } => format!("UNREADABLE#{day}"),
        }
    }

    /// The sort key.
    pub fn sk(&self) -> String {
        match self {
            Self::Campaign(_) | Self::AddressKey | Self::Erasures => META.to_owned(),
            Self::Batch { date, number, .. } => format!("BATCH#{date}#{number:06}"),
            Self::Import { import, .. } => format!("IMPORT#{import}"),
            Self::Sweep(_) => SWEEP.to_owned(),
            Self::Refusals { code: Some(code), .. } => format!("{REFUSALS}{code}"),
            Self::Refusals { code: None, .. } => format!("{REFUSALS}{NO_CODE}"),
            Self::Requeues(_) => REQUEUES.to_owned(),
            Self::AuditTurn(_) => AUDIT_TURN.to_owned(),
            Self::Recipient { contact, .. } => Self::recipient_sk(*contact),
            Self::Counters { .. } => Self::COUNTERS.to_owned(),
            Self::Watermark { .. } => WATERMARK.to_owned(),
            Self::Contact(_) => PROFILE.to_owned(),
            Self::Address(_) => CONTACT.to_owned(),
            Self::Message { at, id, .. } => format!("MSG#{at}#{id}"),
            Self::Connection(id) => id.to_string(),
            Self::Health(id) => format!("{HEALTH}{id}"),
            Self::Sender { provider, id } => format!("{SENDER}{provider}#{id}"),
            Self::MessagePointer { .. } => POINTER.to_owned(),
            Self::EarlyStatus { status, .. } => format!("{}{status}", Self::EARLY_STATUSES),
            Self::Template { name, language } => format!("{name}#{language}"),
            Self::Media(id) => id.to_string(),
            Self::Quota(_) => ROLLING.to_owned(),
            Self::Idempotency(_) => ANSWER.to_owned(),
            Self::Job(id) => id.to_string(),
            Self::Event { offset, .. } => offset.clone(),
            Self::History { offset, .. } => format!("{}{offset}", Self::HISTORY),
            Self::Audit { id, .. } => id.to_string(),
            Self::ApiKey(hash) | Self::Unreadable { hash, .. } => hash.clone(),
        }
    }

    /// The partition of the events that were written in an hour, such as `2026-11-22T09`.
    pub fn events_of(hour: &str) -> String {
        format!("EVENTS#{hour}")
    }

    /// The partition of the records of the audit log of a day.
    pub fn audit_day(day: Date) -> String {
        format!("AUDIT#{day}")
    }

    /// A recipient's sort key; also the hash key of the index `by_contact`.
    pub fn recipient_sk(contact: ContactId) -> String {
        format!("{}{contact}", Self::RECIPIENTS)
    }

    /// The prefix of every recipient's sort key and of no other item's.
    pub const RECIPIENTS: &'static str = "TO#";
    /// The sort key of the counters of a shard.
    pub const COUNTERS: &'static str = "COUNTERS";
    /// The prefix of every batch's sort key.
    pub const BATCHES: &'static str = "BATCH#";
    /// The prefix of the sort key of every event in a campaign's history.
    pub const HISTORY: &'static str = "HISTORY#";
    /// The prefix of every import's sort key.
    pub const IMPORTS: &'static str = "IMPORT#";
    /// The prefix of the sort key of every early status of a message.
    pub const EARLY_STATUSES: &'static str = "STATUS#";
    /// The prefix of the sort key of every message of a conversation.
    pub const MESSAGES: &'static str = "MSG#";

    /// Parses a stored key; `None` for a key that does not follow the grammar.
    pub fn parse(pk: &str, sk: &str) -> Option<Self> {
        match pk.split_once('#') {
            Some(("CAMPAIGN", rest)) => Self::parse_campaign(rest, sk),
            Some(("CONTACT", contact)) => Self::parse_contact(contact.parse().ok()?, sk),
            Some(("ADDRESS", rest)) if sk == CONTACT => Self::parse_address(rest),
            Some(("QUOTA", group)) if sk == ROLLING => Some(Self::Quota(group.to_owned())),
            Some(("MESSAGE", rest)) => Self::parse_message(rest, sk),
            Some(("IDEMPOTENCY", hash)) if sk == ANSWER => Some(Self::Idempotency(hash.to_owned())),
            Some(("EVENTS", hour)) => {
                Some(Self::Event { hour: hour.to_owned(), offset: sk.to_owned() })
            }
            Some(("AUDIT", day)) => {
                Some(Self::Audit { day: day.parse().ok()?, id: sk.parse().ok()? })
            }
            Some(("UNREADABLE", day)) => {
                Some(Self::Unreadable { day: day.parse().ok()?, hash: sk.to_owned() })
            }
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
            if sk == WATERMARK {
                return Some(Self::Watermark { campaign, shard });
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
        if let Some(offset) = sk.strip_prefix(Self::HISTORY) {
            return Some(Self::History { campaign, offset: offset.to_owned() });
        }
        if let Some(code) = sk.strip_prefix(REFUSALS) {
            let code = if code == NO_CODE { None } else { Some(code.parse().ok()?) };
            return Some(Self::Refusals { campaign, code });
        }
        match sk {
            META => Some(Self::Campaign(campaign)),
            SWEEP => Some(Self::Sweep(campaign)),
            REQUEUES => Some(Self::Requeues(campaign)),
            AUDIT_TURN => Some(Self::AuditTurn(campaign)),
            _ => None,
        }
    }

    fn parse_address(rest: &str) -> Option<Self> {
        let (name, hash) = rest.split_once(':')?;
        let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.as_str() == name)?;
        Some(Self::Address(AddressHash { scheme, hash: hash.to_owned() }))
    }

    fn parse_contact(contact: ContactId, sk: &str) -> Option<Self> {
        if sk == PROFILE {
            return Some(Self::Contact(contact));
        }
        let (at, id) = sk.strip_prefix(Self::MESSAGES)?.split_once('#')?;
        Some(Self::Message { contact, at: at.to_owned(), id: id.to_owned() })
    }

    fn parse_message(rest: &str, sk: &str) -> Option<Self> {
        let (provider, message) = rest.split_once('#')?;
        let (provider, message) = (provider.to_owned(), message.to_owned());
        if sk == POINTER {
            return Some(Self::MessagePointer { provider, message });
        }
        let status = sk.strip_prefix(Self::EARLY_STATUSES)?.to_owned();
        Some(Self::EarlyStatus { provider, message, status })
    }

    fn parse_singleton(pk: &str, sk: &str) -> Option<Self> {
        match pk {
            "CONNECTION" => match (sk.strip_prefix(HEALTH), sk.strip_prefix(SENDER)) {
                (Some(id), _) => id.parse().ok().map(Self::Health),
                (None, Some(sender)) => {
                    let (provider, id) = sender.split_once('#')?;
                    Some(Self::Sender { provider: provider.to_owned(), id: id.to_owned() })
                }
                (None, None) => sk.parse().ok().map(Self::Connection),
            },
            "TEMPLATE" => {
                let (name, language) = sk.split_once('#')?;
                Some(Self::Template { name: name.to_owned(), language: language.to_owned() })
            }
            "MEDIA" => sk.parse().ok().map(Self::Media),
            "KEY" => Some(Self::ApiKey(sk.to_owned())),
            JOB => sk.parse().ok().map(Self::Job),
            ADDRESS_KEY if sk == META => Some(Self::AddressKey),
            ERASURES if sk == META => Some(Self::Erasures),
            _ => None,
        }
    }
}

/// The partition key of the sparse index `by_status`: the work lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedAs {
    /// The campaigns of the status of that name, by id (newest last).
    Campaigns(&'static str),
    /// Batches that are not done, by creation time.
    OpenBatches,
    /// Uploaded files that the provider still has, by the time of their renewal.
    Media,
    /// Sweeps: campaigns whose pending recipients are still to be cancelled.
    OpenSweeps,
    /// Jobs that are not done, by id (newest last).
    OpenJobs,
    /// Contacts to which no message is sent, by id.
    Suppressed,
    /// Pending recipients of a campaign that go before its walk, by the time when they are
    /// due: retries, and recipients that were added behind the walk.
    BeforeWalk(CampaignId),
    /// Campaigns whose counters are audited, by the time of their next turn.
    AuditTurns,
}

impl fmt::Display for ListedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaigns(status) => write!(f, "CAMPAIGN#{status}"),
            Self::OpenBatches => f.write_str("BATCH#open"),
            Self::Media => f.write_str("MEDIA#kept"),
            Self::OpenSweeps => f.write_str("SWEEP#open"),
            Self::OpenJobs => f.write_str("JOB#open"),
            Self::Suppressed => f.write_str("CONTACT#suppressed"),
            Self::BeforeWalk(campaign) => write!(f, "RECIPIENT#{campaign}"),
            Self::AuditTurns => f.write_str("AUDIT#turns"),
        }
    }
}

/// The shard of a contact in a campaign of `shards` shards: a hash of its id.
pub fn shard_of(contact: ContactId, shards: u16) -> u16 {
    let digest = Sha256::digest(contact.to_string().as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    u16::try_from(number % u32::from(shards.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn contacts() -> impl Strategy<Value = ContactId> {
        any::<u128>().prop_map(|id| ContactId::from_uuid(Uuid::from_u128(id)))
    }

    fn addresses() -> impl Strategy<Value = AddressHash> {
        let scheme = prop::sample::select(Scheme::ALL.to_vec());
        (scheme, "[0-9a-f]{64}").prop_map(|(scheme, hash)| AddressHash { scheme, hash })
    }

    fn keys() -> impl Strategy<Value = Key> {
        let uuid = any::<u128>().prop_map(Uuid::from_u128);
        let campaign = uuid.clone().prop_map(CampaignId::from_uuid).boxed();
        let date = (2000i16..2100, 1i8..=12, 1i8..=28)
            .prop_map(|(year, month, day)| Date::new(year, month, day).unwrap());
        prop_oneof![
            campaign.clone().prop_map(Key::Campaign),
            campaign.clone().prop_map(Key::Sweep),
            (campaign.clone(), any::<Option<u32>>())
                .prop_map(|(campaign, code)| Key::Refusals { campaign, code }),
            campaign.clone().prop_map(Key::Requeues),
            campaign.clone().prop_map(Key::AuditTurn),
            (campaign.clone(), date.clone(), 1u32..999_999)
                .prop_map(|(campaign, date, number)| Key::Batch { campaign, date, number }),
            (campaign.clone(), uuid.clone()).prop_map(|(campaign, uuid)| Key::Import {
                campaign,
                import: ImportId::from_uuid(uuid)
            }),
            (campaign.clone(), contacts(), 1u16..999).prop_map(|(campaign, contact, shards)| {
                Key::Recipient { campaign, shard: shard_of(contact, shards), contact }
            }),
            (campaign.clone(), 0u16..999)
                .prop_map(|(campaign, shard)| Key::Counters { campaign, shard }),
            (campaign, 0u16..999).prop_map(|(campaign, shard)| Key::Watermark { campaign, shard }),
            contacts().prop_map(Key::Contact),
            addresses().prop_map(Key::Address),
            Just(Key::AddressKey),
            Just(Key::Erasures),
            (contacts(), "wamid\\.[A-Za-z0-9=#|]{1,40}").prop_map(|(contact, id)| Key::Message {
                contact,
                at: "2026-11-21T09:00:00.000Z".to_owned(),
                id
            }),
            uuid.clone().prop_map(|uuid| Key::Media(MediaId::from_uuid(uuid))),
            uuid.prop_map(|uuid| Key::Connection(ConnectionId::from_uuid(uuid))),
            "[0-9]{1,20}".prop_map(|id| Key::Sender { provider: "whatsapp_cloud".to_owned(), id }),
            ("[a-z_]{1,9}", "[A-Za-z0-9=#|]{1,40}")
                .prop_map(|(provider, message)| Key::MessagePointer { provider, message }),
            ("[a-z_]{1,9}", "[A-Za-z0-9=#|]{1,40}").prop_map(|(provider, message)| {
                Key::EarlyStatus { provider, message, status: "delivered".to_owned() }
            }),
            ("[a-z0-9_]{1,40}", "[a-z]{2}_[A-Z]{2}")
                .prop_map(|(name, language)| Key::Template { name, language }),
            "[0-9a-f]{64}".prop_map(Key::ApiKey),
            "[0-9a-zA-Z_-]{1,40}".prop_map(Key::Quota),
            "[0-9a-f]{64}".prop_map(Key::Idempotency),
            any::<u128>().prop_map(|id| Key::Job(JobId::from_uuid(Uuid::from_u128(id)))),
            "[0-9T#.:-]{1,60}"
                .prop_map(|offset| Key::Event { hour: "2026-11-22T09".to_owned(), offset }),
            (any::<u128>(), "[0-9T#.:-]{1,60}").prop_map(|(id, offset)| Key::History {
                campaign: CampaignId::from_uuid(Uuid::from_u128(id)),
                offset
            }),
            any::<u128>().prop_map(|id| Key::Audit {
                day: Date::new(2026, 11, 22).unwrap(),
                id: AuditId::from_uuid(Uuid::from_u128(id))
            }),
            (date, "[0-9a-f]{64}").prop_map(|(day, hash)| Key::Unreadable { day, hash }),
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
            prop_assert!(shard_of(contact, shards) < shards);
            prop_assert_eq!(shard_of(contact, shards), shard_of(contact, shards));
        }
    }
}

//! Partition keys of the table and of its indexes.

use std::fmt;

use carillon::table::{Key, Shape};

/// What has a throughput of its own: the table, or one of its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Space {
    Table,
    ByContact,
    ByStatus,
}

impl Space {
    pub(super) const ALL: [Self; 3] = [Self::Table, Self::ByContact, Self::ByStatus];

    /// The space that a query reads.
    pub(super) fn of_index(name: Option<&str>) -> Self {
        match name {
            Some(Shape::BY_CONTACT) => Self::ByContact,
            Some(Shape::BY_STATUS) => Self::ByStatus,
            Some(_) | None => Self::Table,
        }
    }
}

/// One partition key of the table or of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Partition {
    pub(super) space: Space,
    pub(super) key: String,
}

impl Partition {
    pub(super) fn of_table(key: &str) -> Self {
        Self { space: Space::Table, key: key.to_owned() }
    }

    pub(super) fn by_contact(key: &str) -> Self {
        Self { space: Space::ByContact, key: key.to_owned() }
    }

    pub(super) fn by_status(key: &str) -> Self {
        Self { space: Space::ByStatus, key: key.to_owned() }
    }

    /// What kind of items it has.
    pub(super) fn kind(&self) -> &'static str {
        let prefix = self.key.split('#').next().unwrap_or_default();
        match (self.space, prefix) {
            (Space::ByContact, _) => "by_contact: a contact",
            (Space::ByStatus, "RECIPIENT") => "by_status: who goes before the walk",
            (Space::ByStatus, "BATCH") => "by_status: open batches",
            (Space::ByStatus, "CAMPAIGN") => "by_status: campaigns of a status",
            (Space::ByStatus, "AUDIT") => "by_status: audits",
            (Space::ByStatus, _) => "by_status: others",
            (Space::Table, "CAMPAIGN") if self.key.contains("#R") => "shard of recipients",
            (Space::Table, "CAMPAIGN") => "campaign",
            (Space::Table, "CONTACT") => "contact",
            (Space::Table, "ADDRESS") => "address",
            (Space::Table, "CONNECTION") => "connections",
            (Space::Table, "QUOTA") => "quota",
            (Space::Table, "EVENTS") => "feed of events",
            (Space::Table, _) => "others",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind(), self.key)
    }
}

/// What kind of item a key of the table names.
pub(super) fn item_kind(pk: &str, sk: &str) -> &'static str {
    match Key::parse(pk, sk) {
        Some(Key::Recipient { .. }) => "recipient",
        Some(Key::Counters { .. }) => "counters",
        Some(Key::Watermark { .. }) => "watermark",
        Some(Key::Campaign(_)) => "campaign",
        Some(Key::Batch { .. }) => "batch",
        Some(Key::Requeues(_)) => "requeues",
        Some(Key::Refusals { .. }) => "refusals",
        Some(Key::AuditTurn(_)) => "audit turn",
        Some(Key::Contact(_)) => "contact",
        Some(Key::Address(_)) => "address",
        Some(Key::Message { .. }) => "message",
        Some(Key::Connection(_) | Key::Sender { .. }) => "connection",
        Some(Key::Health(_)) => "health",
        Some(Key::Quota(_)) => "quota",
        Some(Key::Event { .. } | Key::History { .. }) => "event",
        Some(_) | None => "others",
    }
}

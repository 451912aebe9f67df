use carillon_foundations::ids::{CampaignId, ContactId};
use carillon_table::{Key, shard_of};
use serde::{Deserialize, Serialize};

/// The key of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientKey {
    /// The campaign.
    pub campaign: CampaignId,
    /// The shard.
    pub shard: u16,
    /// The contact.
    pub contact: ContactId,
}

/// All recipients of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipientSet {
    /// The campaign.
    pub campaign: CampaignId,
    /// The number of shards that they are spread over.
    pub shards: u16,
}

impl RecipientSet {
    /// The key of a contact among them.
    pub fn key(self, contact: ContactId) -> RecipientKey {
        let Self { campaign, shards } = self;
        RecipientKey { campaign, shard: shard_of(contact, shards), contact }
    }
}

impl RecipientKey {
    pub(super) fn table_key(self) -> Key {
        let Self { campaign, shard, contact } = self;
        Key::Recipient { campaign, shard, contact }
    }

    /// The key of a recipient in the table; `None` for the key of another item.
    pub(super) fn read(key: &Key) -> Option<Self> {
        let Key::Recipient { campaign, shard, contact } = *key else { return None };
        Some(Self { campaign, shard, contact })
    }
}

/// A position in the order of a campaign's recipients, by shard and contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The shard.
    pub shard: u16,
    /// The contact; none for the start of the shard.
    pub contact: Option<ContactId>,
}

/// A range of a campaign's recipients.
#[derive(Debug, Clone, Copy, Default)]
pub struct CursorRange<'a> {
    /// Its start, exclusive; none for the first recipient.
    pub after: Option<&'a Cursor>,
    /// Its end, inclusive; none for the last recipient.
    pub until: Option<&'a Cursor>,
}

impl<'a> CursorRange<'a> {
    /// All recipients after a cursor.
    pub fn after(after: Option<&'a Cursor>) -> Self {
        Self { after, until: None }
    }
}

impl Cursor {
    /// The start of a shard.
    pub fn start_of(shard: u16) -> Self {
        Self { shard, contact: None }
    }
}

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

impl Cursor {
    /// The start of a shard.
    pub fn start_of(shard: u16) -> Self {
        Self { shard, contact: None }
    }
}

/// A position in each shard of a campaign: the last recipient that was passed there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Positions(Vec<Option<ContactId>>);

impl Positions {
    /// The last recipient that was passed in a shard; none at its start.
    pub fn of(&self, shard: u16) -> Option<ContactId> {
        self.0.get(usize::from(shard)).copied().flatten()
    }

    /// Sets the position in a shard.
    pub fn set(&mut self, shard: u16, position: Option<ContactId>) {
        let index = usize::from(shard);
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        if let Some(known) = self.0.get_mut(index) {
            *known = position;
        }
    }

    /// Passes a recipient.
    pub fn pass(&mut self, key: &RecipientKey) {
        self.set(key.shard, Some(key.contact));
    }

    /// Whether a recipient that is added now comes too late for whoever has passed this far.
    pub fn are_after(&self, key: &RecipientKey) -> bool {
        self.of(key.shard).is_some_and(|position| key.contact < position)
    }
}

/// Recipients of one shard that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRange {
    /// The shard.
    pub shard: u16,
    /// Its start, exclusive; none for the first recipient of the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ContactId>,
    /// Its end, inclusive; none for the last recipient of the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<ContactId>,
}

impl RecipientSet {
    /// What lies behind these positions: the rest of each shard.
    pub fn after(self, positions: &Positions) -> Vec<ShardRange> {
        let rest = |shard| ShardRange { shard, after: positions.of(shard), until: None };
        (0..self.shards).map(rest).collect()
    }
}

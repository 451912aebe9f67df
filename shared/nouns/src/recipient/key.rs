use carillon_foundations::address::{Address, Pseudonym};
use carillon_foundations::ids::CampaignId;
use carillon_table::{Key, shard_of};
use serde::{Deserialize, Serialize};

/// The key of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientKey {
    /// The campaign.
    pub campaign: CampaignId,
    /// The shard.
    pub shard: u16,
    /// The contact.
    pub contact: Address,
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
    pub fn key(self, contact: &Address) -> RecipientKey {
        let Self { campaign, shards } = self;
        RecipientKey { campaign, shard: shard_of(contact, shards), contact: contact.clone() }
    }
}

impl RecipientKey {
    pub(super) fn table_key(&self) -> Key {
        Key::Recipient { campaign: self.campaign, shard: self.shard, contact: self.contact.clone() }
    }

    /// The key of a recipient in the table; `None` for the key of another item.
    pub(super) fn read(key: Key) -> Option<Self> {
        let Key::Recipient { campaign, shard, contact } = key else { return None };
        Some(Self { campaign, shard, contact })
    }
}

/// A position in the order of a campaign's recipients, by shard and address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The shard.
    pub shard: u16,
    /// The address of the recipient; empty for the start of the shard.
    pub contact: String,
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
        Self { shard, contact: String::new() }
    }

    /// The range of the erased recipients of the shard that follow this position: from
    /// where, exclusive, and to where.
    pub fn erased_after(&self) -> (Self, Self) {
        let at = |contact: String| Self { shard: self.shard, contact };
        let start = self.contact.clone().max(Pseudonym::FIRST.to_owned());
        (at(start), at("\u{10FFFF}".to_owned()))
    }
}

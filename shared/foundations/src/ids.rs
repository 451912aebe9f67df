//! Typed identifiers: a campaign's id can't be passed where a connection's is
//! expected. Every id is a prefix and a version 7 UUID, so that ids sort by the
//! time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}_01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct IdError {
    prefix: &'static str,
}

impl IdError {
    /// The text is no id with that prefix.
    pub const fn of(prefix: &'static str) -> Self {
        Self { prefix }
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id with that UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Its UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// A campaign.
    CampaignId = "cmp";
    /// A contact: one person.
    ContactId = "ctc";
    /// A connection: one sender's number and credentials.
    ConnectionId = "con";
    /// An uploaded file.
    MediaId = "med";
    /// An API key (its public half).
    KeyId = "key";
    /// One upload of recipients to a campaign.
    ImportId = "imp";
    /// One run of a sender over a batch; names who holds its lease.
    RunId = "run";
    /// Asynchronous work.
    JobId = "job";
    /// An event of the feed.
    EventId = "evt";
    /// A record of the audit log.
    AuditId = "aud";
}

/// The UUID of something that happened at `at`, the same for the same `parts`: it sorts by time as
/// those of version 7 do.
pub fn uuid_of(at: jiff::Timestamp, parts: &[&str]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes();
    bytes[..6].copy_from_slice(&millis[2..]);
    bytes[6..].copy_from_slice(&digest[..10]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The time in the first 48 bits of a UUID, as those of version 7 and of [`uuid_of`] have it.
pub fn time_of(uuid: Uuid) -> jiff::Timestamp {
    let millis = uuid.as_u128() >> 80;
    let millis = i64::try_from(millis).unwrap_or(0);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// A source of ids and random bytes: seeded by the operating system in production, with a
/// fixed seed in tests, so that two runs generate the same ids.
#[derive(Clone, Debug)]
pub struct IdSource(std::sync::Arc<std::sync::Mutex<rand::rngs::StdRng>>);

impl IdSource {
    /// An unpredictable source.
    pub fn random() -> Self {
        Self::of(rand::make_rng())
    }

    /// A source whose values depend on the seed alone.
    pub fn seeded(seed: u64) -> Self {
        Self::of(rand::SeedableRng::seed_from_u64(seed))
    }

    fn of(rng: rand::rngs::StdRng) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(rng)))
    }

    /// The UUID for an id made at `now`.
    pub fn uuid(&self, now: jiff::Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rand::Rng::fill_bytes(&mut *rng, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = CampaignId::from_uuid(IdSource::seeded(1).uuid(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn ids_of_different_kinds_do_not_mix() {
        let id = CampaignId::from_uuid(IdSource::seeded(1).uuid(jiff::Timestamp::UNIX_EPOCH));
        assert!(id.to_string().parse::<ConnectionId>().is_err());
    }

    #[test]
    fn an_id_made_of_parts_has_its_time_and_depends_on_the_parts() {
        let at = jiff::Timestamp::from_millisecond(1_795_251_600_123).unwrap();
        let id = uuid_of(at, &["ab", "c"]);
        assert_eq!(time_of(id), at);
        assert_eq!(id, uuid_of(at, &["ab", "c"]));
        assert_ne!(id, uuid_of(at, &["a", "bc"]));
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let source = IdSource::seeded(1);
        let early = source.uuid(jiff::Timestamp::from_second(1_000).unwrap());
        let late = source.uuid(jiff::Timestamp::from_second(1_001).unwrap());
        assert!(early < late);
    }
}

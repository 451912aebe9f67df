//! Ids in Meta's formats, derived from the seed.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::rng::Rng;

/// The direction of a message.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
    /// A generated reply to an outbound message.
    Reply,
}

impl Direction {
    /// The label of the hash, the direction byte, and the bytes of the hash.
    fn format(self) -> (&'static str, u8, usize) {
        match self {
            Self::Outbound => ("outbound", 0x11, 9),
            Self::Inbound => ("inbound", 0x12, 10),
            Self::Reply => ("reply", 0x12, 10),
        }
    }
}

/// A message id: base64 of the user, the direction and a hash. The hash contains
/// the ordinal, so the id is unique.
pub(crate) fn wamid(seed: u64, direction: Direction, user: &str, ordinal: u32) -> String {
    let (label, direction, length) = direction.format();
    let mut hash = Rng::new(seed, label, user, 0).next().to_be_bytes().to_vec();
    hash.extend(Rng::new(seed, label, user, ordinal).next().to_be_bytes());
    hash.truncate(length - 4);
    hash.extend(ordinal.to_be_bytes());
    let hex = hex::encode_upper(hash);

    let mut bytes = vec![0x1C, 0x18, user.len() as u8];
    bytes.extend(user.bytes());
    bytes.extend([0x15, 0x02, 0x00, direction, 0x18, hex.len() as u8]);
    bytes.extend(hex.bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}

/// A business-scoped user id. [`phone_of`] reverses it, so that a message to the
/// id reaches the user with the phone number.
pub(crate) fn user_id(seed: u64, phone: &str) -> Option<String> {
    let number: u64 = phone.parse().ok()?;
    Some(format!("US.{}", number ^ user_mask(seed)))
}

/// A later business-scoped user id of a phone number: `retired` ids were given up.
/// [`phone_of`] does not reverse it.
pub(crate) fn reissued_user_id(seed: u64, phone: &str, retired: u32) -> String {
    format!("US.{}", Rng::new(seed, "reissued user id", phone, retired).next())
}

/// The phone number of a business-scoped user id that the simulator issued first.
pub(crate) fn phone_of(seed: u64, user_id: &str) -> Option<String> {
    let number: u64 = user_id.strip_prefix("US.")?.parse().ok()?;
    let phone = (number ^ user_mask(seed)).to_string();
    (7..=15).contains(&phone.len()).then_some(phone)
}

fn user_mask(seed: u64) -> u64 {
    Rng::new(seed, "user ids", "", 0).next() | 1 << 62
}

/// A number in the format of Meta's object ids.
pub(crate) fn object(seed: u64, kind: &str, name: &str) -> String {
    let number = Rng::new(seed, kind, name, 0).next();
    format!("{}", 1_000_000_000_000_000 + number % 9_000_000_000_000_000)
}

/// An `fbtrace_id`.
pub(crate) fn trace(count: u32) -> String {
    let mut rng = Rng::new(0, "trace", "", count);
    let bytes: Vec<u8> = (0..2).flat_map(|_| rng.next().to_be_bytes()).collect();
    format!("A{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn message_ids_have_metas_format() {
        let id = wamid(1, Direction::Outbound, "14155550101", 0);
        let bytes = STANDARD.decode(id.strip_prefix("wamid.").unwrap()).unwrap();
        assert_eq!(&bytes[..3], [0x1C, 0x18, 11]);
        assert_eq!(&bytes[3..14], b"14155550101");
        assert_eq!(&bytes[14..20], [0x15, 0x02, 0x00, 0x11, 0x18, 18]);
        assert_eq!(bytes.len(), 39);
        assert!(id.starts_with("wamid.HBgLMTQxNTU1NTAxMDEVAgARGB"));
        let inbound = wamid(1, Direction::Inbound, "14155550101", 0);
        assert!(inbound.starts_with("wamid.HBgLMTQxNTU1NTAxMDEVAgASGB"));
    }

    #[test]
    fn message_ids_are_unique_and_depend_only_on_the_seed() {
        let ids: HashSet<_> = (0..1000).map(|n| wamid(1, Direction::Outbound, "1", n)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.contains(&wamid(1, Direction::Outbound, "1", 999)));
        assert!(!ids.contains(&wamid(2, Direction::Outbound, "1", 999)));
    }

    #[test]
    fn a_user_id_resolves_to_its_phone_number() {
        let id = user_id(5, "14155550101").unwrap();
        assert_eq!(phone_of(5, &id).as_deref(), Some("14155550101"));
        assert_eq!(phone_of(5, "US.1"), None);
        assert_eq!(phone_of(5, "US.ENT.12"), None);
    }
}

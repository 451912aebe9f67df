//! Ids in Meta's shapes, made from names and numbers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::dice::Dice;

/// Which way a message goes.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
    /// An answer the simulator made up for an outbound message.
    Reply,
}

impl Direction {
    /// The word the id's hash starts from, the mark in it, and its hash's bytes.
    fn shape(self) -> (&'static str, u8, usize) {
        match self {
            Self::Outbound => ("outbound", 0x11, 9),
            Self::Inbound => ("inbound", 0x12, 10),
            Self::Reply => ("reply", 0x12, 10),
        }
    }
}

/// A message id: base64 of the person, the direction and a hash. It is unique
/// because the hash carries the ordinal.
pub(crate) fn wamid(seed: u64, direction: Direction, person: &str, ordinal: u32) -> String {
    let (word, mark, length) = direction.shape();
    let mut hash = Dice::new(seed, word, person, 0).next().to_be_bytes().to_vec();
    hash.extend(Dice::new(seed, word, person, ordinal).next().to_be_bytes());
    hash.truncate(length - 4);
    hash.extend(ordinal.to_be_bytes());
    let hex = hex::encode_upper(hash);

    let mut bytes = vec![0x1C, 0x18, person.len() as u8];
    bytes.extend(person.bytes());
    bytes.extend([0x15, 0x02, 0x00, mark, 0x18, hex.len() as u8]);
    bytes.extend(hex.bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}

/// A business-scoped user id. It can be turned back into the phone, so that a
/// message to it reaches the same person.
pub(crate) fn user_id(seed: u64, phone: &str) -> Option<String> {
    let number: u64 = phone.parse().ok()?;
    Some(format!("US.{}", number ^ user_mask(seed)))
}

/// The phone behind a business-scoped user id, if the simulator gave it out.
pub(crate) fn phone_of(seed: u64, user_id: &str) -> Option<String> {
    let number: u64 = user_id.strip_prefix("US.")?.parse().ok()?;
    let phone = (number ^ user_mask(seed)).to_string();
    (7..=15).contains(&phone.len()).then_some(phone)
}

fn user_mask(seed: u64) -> u64 {
    Dice::new(seed, "user ids", "", 0).next() | 1 << 62
}

/// A number in the shape of Meta's object ids.
pub(crate) fn object(seed: u64, kind: &str, name: &str) -> String {
    let number = Dice::new(seed, kind, name, 0).next();
    format!("{}", 1_000_000_000_000_000 + number % 9_000_000_000_000_000)
}

/// An `fbtrace_id`.
pub(crate) fn trace(count: u32) -> String {
    let mut dice = Dice::new(0, "trace", "", count);
    let bytes: Vec<u8> = (0..2).flat_map(|_| dice.next().to_be_bytes()).collect();
    format!("A{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn message_ids_have_metas_form() {
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
    fn message_ids_differ_and_repeat_under_the_seed() {
        let ids: HashSet<_> = (0..1000).map(|n| wamid(1, Direction::Outbound, "1", n)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.contains(&wamid(1, Direction::Outbound, "1", 999)));
        assert!(!ids.contains(&wamid(2, Direction::Outbound, "1", 999)));
    }

    #[test]
    fn user_ids_lead_back_to_their_phone() {
        let id = user_id(5, "14155550101").unwrap();
        assert_eq!(phone_of(5, &id).as_deref(), Some("14155550101"));
        assert_eq!(phone_of(5, "US.1"), None);
        assert_eq!(phone_of(5, "US.ENT.12"), None);
    }
}

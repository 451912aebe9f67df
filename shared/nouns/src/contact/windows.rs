use std::collections::BTreeMap;
use std::fmt;

use carillon_foundations::ids::ConnectionId;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The prefix of the attributes that hold a contact's last message to a connection.
const PREFIX: &str = "inbound_";

/// When a contact last wrote to each connection, one to one. A service window opens for
/// that connection alone: Meta keeps it per business phone number.
/// Source: Meta, "Customer service windows".
///
/// Each is an attribute of its own, so that a message is recorded without reading the
/// profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(pub(super) BTreeMap<String, Timestamp>);

impl Windows {
    /// When the contact last wrote to a connection.
    pub fn last_inbound_at(&self, connection: ConnectionId) -> Option<Timestamp> {
        self.0.get(&attribute(connection)).copied()
    }

    /// When the contact last wrote to any connection.
    pub fn latest(&self) -> Option<Timestamp> {
        self.0.values().copied().max()
    }

    /// These with that time for a connection.
    #[must_use]
    pub fn with(mut self, connection: ConnectionId, at: Timestamp) -> Self {
        self.0.insert(attribute(connection), at);
        self
    }
}

/// The attribute of a connection. Expressions allow no `-` in a name.
pub(super) fn attribute(connection: ConnectionId) -> String {
    format!("{PREFIX}{connection}").replace('-', "")
}

impl<'de> Deserialize<'de> for Windows {
    /// Takes the attributes with the prefix and ignores all others.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Attributes;

        impl<'de> Visitor<'de> for Attributes {
            type Value = Windows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the attributes of a contact")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Windows, M::Error> {
                let mut windows = Windows::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name.starts_with(PREFIX) {
                        windows.0.insert(name, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(windows)
            }
        }

        deserializer.deserialize_map(Attributes)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_connection_has_a_window_of_its_own() {
        let [a, b, c] = [1, 2, 3].map(|id| ConnectionId::from_uuid(Uuid::from_u128(id)));
        let at = |second| Timestamp::from_second(second).unwrap();
        let one = Windows::default().with(a, at(1)).with(b, at(5));
        assert_eq!([a, b].map(|id| one.last_inbound_at(id)), [1, 5].map(|s| Some(at(s))));
        assert_eq!(one.last_inbound_at(c), None);
    }
}

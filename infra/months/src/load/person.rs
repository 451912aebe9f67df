//! The people of a load: so many that each needs seven digits.

use carillon::address::Address;

/// A person, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LoadPerson(pub(super) u64);

impl LoadPerson {
    /// The person whom an address reaches.
    pub(super) fn at(address: &Address) -> Option<Self> {
        let text = address.as_str();
        let digits = text.strip_prefix("+57300").or_else(|| text.strip_prefix("CO."))?;
        digits.parse().ok().map(Self)
    }

    /// The phone number as WhatsApp writes it, without its plus sign.
    pub(super) fn wa_id(self) -> String {
        format!("57300{:07}", self.0)
    }

    /// The business-scoped user id.
    pub(super) fn user_id(self) -> String {
        format!("CO.{:07}", self.0)
    }
}

//! The people of a month: each has a phone number, which some countries write in two forms,
//! and a business-scoped user id.

use carillon::address::Address;

use crate::rng::SeededRng;

/// The country, and the forms of the number without its last seven digits. The first one is
/// WhatsApp's.
const FORMS: [(&str, &[&str]); 5] = [
    ("CO", &["+57300"]),
    ("MX", &["+521551", "+52551"]),
    ("BR", &["+551198", "+55118"]),
    ("AR", &["+549112", "+54112"]),
    ("CO", &["+57310"]),
];

/// A person, by a number of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Person(pub(crate) u64);

impl Person {
    /// The person that an address reaches.
    pub(crate) fn of(address: &Address) -> Option<Self> {
        let digits: String =
            address.as_str().chars().rev().take_while(char::is_ascii_digit).take(5).collect();
        digits.chars().rev().collect::<String>().parse().ok().map(Self)
    }

    /// A way to write the person in a file: one of the forms of the number, or the user id.
    pub(crate) fn written(self, rng: &SeededRng) -> String {
        if rng.chance(150) {
            return self.user_id();
        }
        let forms = self.forms();
        rng.choose(&forms).cloned().unwrap_or_default()
    }

    /// The first form of the number.
    pub(crate) fn phone(self) -> String {
        self.forms().swap_remove(0)
    }

    /// The number as WhatsApp writes it, without its plus sign.
    pub(crate) fn wa_id(self) -> String {
        self.phone().trim_start_matches('+').to_owned()
    }

    pub(crate) fn user_id(self) -> String {
        let (country, _) = self.country();
        format!("{country}.99{:05}", self.0)
    }

    fn forms(self) -> Vec<String> {
        let (_, forms) = self.country();
        forms.iter().map(|form| format!("{form}87{:05}", self.0)).collect()
    }

    fn country(self) -> (&'static str, &'static [&'static str]) {
        let index = usize::try_from(self.0).unwrap_or(0) % FORMS.len();
        FORMS[index]
    }
}

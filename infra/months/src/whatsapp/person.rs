//! The people of a month. Each has a phone number, which some countries write in two forms,
//! and a business-scoped user id, which changes with the number.

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

/// A phone number, which one person has at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Line(pub(crate) u64);

/// A person with a phone number that they have for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    pub(crate) person: Person,
    pub(crate) line: Line,
}

impl Line {
    /// The phone number that an address is.
    pub(crate) fn of(address: &Address) -> Option<Self> {
        let number = address.phone()?.as_str();
        number.get(number.len().checked_sub(5)?..)?.parse().ok().map(Self)
    }

    /// The number as WhatsApp writes it, without its plus sign.
    pub(crate) fn wa_id(self) -> String {
        self.phone().trim_start_matches('+').to_owned()
    }

    /// The first form of the number.
    pub(crate) fn phone(self) -> String {
        self.forms().swap_remove(0)
    }

    /// One of the forms of the number.
    pub(crate) fn written(self, rng: &SeededRng) -> String {
        rng.choose(&self.forms()).cloned().unwrap_or_default()
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

impl Identity {
    /// The identity that a user id names.
    pub(crate) fn of_user_id(address: &Address) -> Option<Self> {
        let (_, id) = address.as_str().split_once('.')?;
        let (person, line) = id.split_once('x')?;
        Some(Self { person: Person(person.parse().ok()?), line: Line(line.parse().ok()?) })
    }

    /// A way to write the person in a file: one of the forms of the number, or the user id.
    pub(crate) fn written(self, rng: &SeededRng) -> String {
        if rng.chance(150) { self.user_id() } else { self.line.written(rng) }
    }

    pub(crate) fn user_id(self) -> String {
        let (country, _) = self.line.country();
        format!("{country}.{:05}x{:05}", self.person.0, self.line.0)
    }

    /// The addresses that WhatsApp reports for the person.
    pub(crate) fn reported(self) -> Vec<Address> {
        [self.line.phone(), self.user_id()].iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// All addresses that reach the person.
    pub(crate) fn addresses(self) -> Vec<Address> {
        let texts = self.line.forms().into_iter().chain([self.user_id()]);
        texts.filter_map(|text| text.parse().ok()).collect()
    }
}

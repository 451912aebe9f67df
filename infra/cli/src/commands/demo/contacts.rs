//! The demo's contacts. All of them are fictitious.

use std::fmt::Write;

/// 1,000 contacts.
const SAMPLE: &str = include_str!("../../../examples/contacts.csv");
/// The most contacts that can be generated with distinct phone numbers.
pub(super) const MAX_CONTACTS: i64 = 1_000_000;

const NAMES: [&str; 8] = ["Ana", "Luis", "María", "Óscar", "Camila", "Iván", "Sofía", "Tomás"];
const CITIES: [&str; 4] = ["Bogotá", "Medellín", "Cali", "Cartagena"];

/// A CSV file of `count` contacts: the sample, followed by generated ones.
pub(super) fn csv(count: u32) -> String {
    let count = count as usize;
    let mut csv: String = SAMPLE.split_inclusive('\n').take(count + 1).collect();
    let sampled = csv.lines().count() - 1;
    for index in sampled..count {
        let (name, city) = (NAMES[index % NAMES.len()], CITIES[index % CITIES.len()]);
        // Writing to a string cannot fail.
        let _ = writeln!(csv, "{},{name},Número {index},{city},bronze", phone(index));
    }
    csv
}

/// A phone number with a prefix that the sample does not use. The factor and the modulus
/// are coprime, so distinct indexes give distinct numbers.
fn phone(index: usize) -> String {
    format!("+57350{:07}", (index * 7_368_787) % 10_000_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carillon::phone::Phone;

    use super::*;

    fn phones(csv: &str) -> Vec<&str> {
        csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect()
    }

    #[test]
    fn every_contact_has_a_distinct_valid_phone_number() {
        let csv = csv(3000);
        let phones = phones(&csv);
        assert_eq!(phones.len(), 3000);
        assert_eq!(phones.iter().collect::<BTreeSet<_>>().len(), 3000);
        for phone in phones {
            assert_eq!(Phone::parse(phone, None).map(String::from).as_deref(), Ok(phone));
        }
    }

    #[test]
    fn the_sample_has_1000_contacts_and_is_truncated_to_fewer() {
        assert_eq!(phones(SAMPLE).len(), 1000);
        assert_eq!(csv(1000), SAMPLE);
        assert_eq!(phones(&csv(7)).len(), 7);
    }
}

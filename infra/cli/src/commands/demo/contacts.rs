//! The people of the demonstration; all of them are made up.

use std::fmt::Write;

/// A thousand of them.
const SAMPLE: &str = include_str!("../../../examples/contacts.csv");
/// The most people there are numbers for.
pub(super) const MOST: i64 = 1_000_000;

const NAMES: [&str; 8] = ["Ana", "Luis", "María", "Óscar", "Camila", "Iván", "Sofía", "Tomás"];
const CITIES: [&str; 4] = ["Bogotá", "Medellín", "Cali", "Cartagena"];

/// So many contacts as CSV: the sample, and more like it where it ends.
pub(super) fn csv(count: u32) -> String {
    let count = count as usize;
    let mut csv: String = SAMPLE.split_inclusive('\n').take(count + 1).collect();
    let known = csv.lines().count() - 1;
    for number in known..count {
        let (name, city) = (NAMES[number % NAMES.len()], CITIES[number % CITIES.len()]);
        // Writing to a string can't fail.
        let _ = writeln!(csv, "{},{name},Número {number},{city},bronze", phone(number));
    }
    csv
}

/// The n-th number of a prefix that the sample doesn't use; scattered, because
/// the factor and the count of numbers have no divisor in common.
fn phone(number: usize) -> String {
    format!("+57350{:07}", (number * 7_368_787) % 10_000_000)
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
    fn everyone_has_a_number_of_their_own() {
        let csv = csv(3000);
        let phones = phones(&csv);
        assert_eq!(phones.len(), 3000);
        assert_eq!(phones.iter().collect::<BTreeSet<_>>().len(), 3000);
        for phone in phones {
            assert_eq!(Phone::parse(phone, None).map(String::from).as_deref(), Ok(phone));
        }
    }

    #[test]
    fn the_sample_is_a_thousand_and_may_be_cut() {
        assert_eq!(phones(SAMPLE).len(), 1000);
        assert_eq!(csv(1000), SAMPLE);
        assert_eq!(phones(&csv(7)).len(), 7);
    }
}

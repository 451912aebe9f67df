use std::fmt::Write;

/// The phone of the `number`-th contact: a Colombian mobile.
pub fn phone(number: u32) -> String {
    format!("+57300{number:07}")
}

/// A CSV of `count` contacts from the `first`-th on, with the columns `phone`
/// and `first_name`.
pub fn contacts_csv(first: u32, count: u32) -> String {
    let mut csv = "phone,first_name\n".to_owned();
    for number in first..first + count {
        // Writing to a string can't fail.
        let _ = writeln!(csv, "{},Person {number}", phone(number));
    }
    csv
}

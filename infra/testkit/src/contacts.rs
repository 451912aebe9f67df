use std::fmt::Write;
use std::ops::Range;

/// The WhatsApp id of contact `number`: a Colombian mobile number without the plus.
pub fn wa_id(number: u32) -> String {
    format!("57300{number:07}")
}

/// The phone number of contact `number`, in E.164.
pub fn phone(number: u32) -> String {
    format!("+{}", wa_id(number))
}

/// A CSV file of these contacts, with the columns `phone` and `first_name`.
pub fn contacts_csv(numbers: Range<u32>) -> String {
    let mut csv = "phone,first_name\n".to_owned();
    for number in numbers {
        // Writing to a string can't fail.
        let _ = writeln!(csv, "{},Person {number}", phone(number));
    }
    csv
}

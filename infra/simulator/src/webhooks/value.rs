//! Parts of a webhook's `value` object.

use serde_json::{Value, json};

use crate::config::Number;
use crate::numbering::phone_digits;

/// A `value` with the metadata of a phone number.
pub(crate) fn number_value(number: &Number) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": phone_digits(&number.display_phone_number)
                .unwrap_or_else(|| number.display_phone_number.clone()),
            "phone_number_id": number.id,
        },
    })
}

/// A timestamp as most of Meta's webhooks write it: seconds since 1970, as a
/// string.
pub(crate) fn timestamp(milliseconds: u64) -> String {
    (milliseconds / 1000).to_string()
}

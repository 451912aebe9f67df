//! Filters Meta's description of an error. It helps an operator ("header: Format mismatch,
//! expected IMAGE, …"), but may quote a phone number, a token or a text. Only words of a
//! fixed list and short numbers are kept; all others become `…`.

/// The maximum length of a hint, in characters.
const LONGEST: usize = 160;

/// The known words of Meta's `details`; none where too few are left.
pub(super) fn known_words(details: &str) -> Option<String> {
    let mut words = Vec::new();
    for word in details.split_whitespace().take(40) {
        let word = safe(word);
        if word != "…" || words.last().map(String::as_str) != Some("…") {
            words.push(word);
        }
    }
    let known = words.iter().filter(|word| *word != "…").count();
    let hint: String = words.join(" ").chars().take(LONGEST).collect();
    (known >= 3 && known * 2 > words.len()).then_some(hint)
}

/// The word with its punctuation, if it is on the list, or else `…`.
fn safe(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let number = core.len() <= 2 && core.bytes().all(|byte| byte.is_ascii_digit());
    if number || WORDS.contains(&core.to_ascii_lowercase().as_str()) {
        word.chars().filter(char::is_ascii).collect()
    } else {
        "…".to_owned()
    }
}

/// The words of Meta's details about templates and parameters.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "an", "and", "are", "at", "audio", "be", "body", "button", "buttons", "by", "can", "cannot", "card", "cards",
    "carousel", "catalog", "character", "characters", "component", "components", "copy_code", "count", "currency",
    "date_time", "document", "does", "doesn't", "either", "empty", "error", "exceeded", "exist", "expected", "file",
    "flow", "footer", "for", "format", "has", "have", "header", "id", "image", "in", "index", "invalid", "is",
    "language", "length", "limit", "link", "localizable_params", "location", "long", "mandatory", "match", "maximum",
    "media", "mime", "mismatch", "missing", "more", "must", "name", "new-line", "no", "not", "number", "object", "of",
    "one", "only", "or", "param", "parameter", "parameters", "params", "paused", "payload", "please", "present",
    "product", "quick_reply", "received", "recipient", "required", "requires", "should", "spaces", "sticker", "tab",
    "template", "text", "than", "that", "the", "this", "to", "too", "translated", "type", "unknown", "unsupported",
    "url", "use", "user", "valid", "value", "values", "video", "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meta_says_about_templates_is_kept() {
        for details in [
            "body: number of localizable_params (1) does not match the expected number of params (3)",
            "header: Format mismatch, expected IMAGE, received UNKNOWN",
            "buttons: Button at index 1 of type Url requires a parameter",
        ] {
            assert_eq!(known_words(details).as_deref(), Some(details));
        }
    }

    #[test]
    fn what_meta_quotes_is_not() {
        for (details, hint) in [
            (
                "template name (hola_maria) does not exist in en_US",
                Some("template name … does not exist in …"),
            ),
            (
                "Parameter name is missing for the parameter '{{order_id}}'",
                Some("Parameter name is missing for the parameter …"),
            ),
            ("+573001234567 is not valid", Some("… is not valid")),
            ("Dear Maria, your balance is 5000 pesos", None),
            ("Malformed access token EAAGm0PX4ZCpsBA", None),
            ("", None),
        ] {
            assert_eq!(known_words(details).as_deref(), hint, "{details}");
        }
    }
}

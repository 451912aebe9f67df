use clap::Args;
use serde_json::{Value, json};

/// The message of a campaign: a template with variables in its body, or a text. Other messages
/// are written in a JSON file.
#[derive(Debug, Args)]
pub(super) struct MessageFlags {
    /// Template to send. It replaces the whole template of a campaign that is updated, with its
    /// parameters.
    #[arg(long, value_name = "NAME", requires = "language", conflicts_with = "text")]
    template: Option<String>,
    /// Language of the template, such as es or `en_US`.
    #[arg(long, value_name = "CODE", requires = "template")]
    language: Option<String>,
    /// What fills the next variable of the template's body: a column of the recipients
    /// (`first_name`, or `first_name|friend` with a text for an empty one), a text with columns in
    /// braces, or text:TEXT. For a named variable NAME=VALUE.
    #[arg(long = "param", value_name = "VALUE", requires = "template")]
    params: Vec<String>,
    /// Text to send in place of a template. It reaches only contacts who have written in the
    /// last 24 hours.
    #[arg(long)]
    text: Option<String>,
}

impl MessageFlags {
    /// The message; `None` without flags.
    pub(super) fn into_message(self) -> Option<Value> {
        if let Some(text) = self.text {
            return Some(json!({ "type": "text", "text": { "body": text } }));
        }
        let mut template = json!({ "name": self.template?, "language": self.language });
        if !self.params.is_empty() {
            let parameters: Vec<_> = self.params.iter().map(|param| parameter(param)).collect();
            template["components"] = json!([{ "type": "body", "parameters": parameters }]);
        }
        Some(json!({ "type": "template", "template": template }))
    }
}

/// The value of one variable.
fn parameter(param: &str) -> Value {
    match param.split_once('=').filter(|(name, _)| is_name(name)) {
        Some((name, value)) => {
            json!({ "type": "text", "parameter_name": name, "text": text(value) })
        }
        None => json!({ "type": "text", "text": text(param) }),
    }
}

fn text(value: &str) -> String {
    if let Some(text) = value.strip_prefix("text:") {
        return text.to_owned();
    }
    if value.contains('{') { value.to_owned() } else { format!("{{{value}}}") }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_column_a_text_or_named() {
        for (param, text) in [
            ("first_name", "{first_name}"),
            ("first_name|friend", "{first_name|friend}"),
            ("Dear {first_name}", "Dear {first_name}"),
            ("text:20 %", "20 %"),
            ("text:a=b", "a=b"),
        ] {
            assert_eq!(parameter(param), json!({"type": "text", "text": text}), "{param}");
        }
        let named = json!({"type": "text", "parameter_name": "code", "text": "{coupon}"});
        assert_eq!(parameter("code=coupon"), named);
    }

    #[test]
    fn a_template_without_variables_has_no_components() {
        let flags = MessageFlags {
            template: Some("hello_world".into()),
            language: Some("en_US".into()),
            params: Vec::new(),
            text: None,
        };
        let expected = json!({"type": "template",
            "template": {"name": "hello_world", "language": "en_US"}});
        assert_eq!(flags.into_message(), Some(expected));
    }
}

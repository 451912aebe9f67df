//! Message templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::event_queue::Change;
use crate::ids;

/// Meta's pricing category.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Category {
    Marketing,
    MarketingLite,
    Utility,
    Authentication,
    Service,
}

impl Category {
    fn parse(category: &str) -> Self {
        match category.to_ascii_uppercase().as_str() {
            "UTILITY" => Self::Utility,
            "AUTHENTICATION" => Self::Authentication,
            _ => Self::Marketing,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::MarketingLite => "marketing_lite",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Service => "service",
        }
    }

    pub(crate) fn is_marketing(self) -> bool {
        matches!(self, Self::Marketing | Self::MarketingLite)
    }
}

/// What identifies a template: a name and a language.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct TemplateName {
    pub(crate) name: Box<str>,
    pub(crate) language: Box<str>,
}

pub(crate) struct Template {
    pub(crate) name: Arc<TemplateName>,
    pub(crate) id: String,
    pub(crate) category: Category,
    pub(crate) parameters: TemplateParameters,
    /// When a `PENDING` template is approved.
    approved_at: Option<u64>,
    /// The JSON of Meta's template list.
    json: Map<String, Value>,
}

impl Template {
    /// Reads the JSON of Meta's template list. Only `name` is required.
    pub(crate) fn parse(value: Value, seed: u64) -> Option<Self> {
        let Value::Object(mut json) = value else {
            return None;
        };
        let name = json.get("name")?.as_str()?.to_owned();
        let mut text = |field: &str, default: &str| {
            let value = json.entry(field).or_insert_with(|| default.into());
            value.as_str().unwrap_or(default).to_owned()
        };
        let language = text("language", "en_US");
        let category = Category::parse(&text("category", "MARKETING"));
        let format = text("parameter_format", "POSITIONAL");
        text("status", "APPROVED");
        let id = text("id", &ids::object(seed, "template", &format!("{name}/{language}")));
        let components = json.entry("components").or_insert_with(|| json!([]));
        let named = format.eq_ignore_ascii_case("NAMED");
        let parameters = TemplateParameters::of(components, named, category);
        let name = TemplateName { name: name.into(), language: language.into() };
        Some(Self { name: Arc::new(name), id, category, parameters, approved_at: None, json })
    }

    pub(crate) fn pending_until(self, approved_at: u64) -> Self {
        let mut json = self.json;
        json.insert("status".into(), "PENDING".into());
        Self { approved_at: Some(approved_at), json, ..self }
    }

    fn is_named(&self, name: &str, language: &str) -> bool {
        *self.name.name == *name && *self.name.language == *language
    }

    fn pause(&mut self) {
        self.approved_at = None;
        self.json.insert("status".into(), "PAUSED".into());
    }

    pub(crate) fn status(&self, now: u64) -> &str {
        match self.approved_at {
            Some(at) if now >= at => "APPROVED",
            _ => self.json.get("status").and_then(Value::as_str).unwrap_or("APPROVED"),
        }
    }

    /// The `message_template_status_update` change that reports this event.
    pub(crate) fn status_change(&self, waba_id: String, event: &str) -> Change {
        let value = json!({
            "event": event,
            "message_template_id": self.id.parse::<u64>().unwrap_or_default(),
            "message_template_name": self.name.name,
            "message_template_language": self.name.language,
            "message_template_category": self.category.as_str().to_ascii_uppercase(),
            "reason": "NONE",
        });
        Change { waba_id, field: "message_template_status_update".into(), value }
    }

    pub(crate) fn to_json(&self, now: u64) -> Value {
        let mut json = self.json.clone();
        json.insert("status".into(), self.status(now).into());
        json.into()
    }
}

/// The account's templates, unique by name and language, in insertion order.
#[derive(Default)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    /// Adds a template. It replaces a template with the same name and language.
    pub(crate) fn insert(&mut self, template: Template) {
        match self.0.iter_mut().find(|known| known.name == template.name) {
            Some(known) => *known = template,
            None => self.0.push(template),
        }
    }

    pub(crate) fn get(&self, name: &str, language: &str) -> Option<&Template> {
        self.iter().find(|known| known.is_named(name, language))
    }

    /// Pauses a template. `None`: there is no such template.
    pub(crate) fn pause(&mut self, name: &str, language: &str) -> Option<&Template> {
        let template = self.0.iter_mut().find(|known| known.is_named(name, language))?;
        template.pause();
        Some(template)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Template> {
        self.0.iter()
    }

    /// Removes the templates that match. Returns whether any did.
    pub(crate) fn remove(&mut self, matches: impl Fn(&Template) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|template| !matches(template));
        self.0.len() < before
    }
}

/// The parameters that a send must provide.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TemplateParameters {
    /// Whether parameters have names instead of positions.
    pub(crate) named: bool,
    /// The header's format: `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT` or `LOCATION`.
    pub(crate) header: Option<String>,
    pub(crate) header_variables: Vec<String>,
    pub(crate) body_variables: Vec<String>,
    pub(crate) buttons: Vec<TemplateButton>,
    /// One item per carousel card.
    pub(crate) cards: Vec<TemplateParameters>,
}

impl TemplateParameters {
    fn of(components: &Value, named: bool, category: Category) -> Self {
        let mut parameters = Self { named, ..Self::default() };
        for component in items(components) {
            parameters.add(component, category);
        }
        parameters
    }

    fn add(&mut self, component: &Value, category: Category) {
        match text(component, "type").to_ascii_uppercase().as_str() {
            "HEADER" => {
                self.header = Some(text(component, "format").to_ascii_uppercase());
                self.header_variables = variables(text(component, "text"));
            }
            // Meta writes the body of an authentication template; its only
            // parameter is the code.
            "BODY" if category == Category::Authentication => {
                self.body_variables = vec!["1".into()];
            }
            "BODY" => self.body_variables = variables(text(component, "text")),
            "BUTTONS" => {
                self.buttons = items(&component["buttons"]).map(TemplateButton::of).collect();
            }
            "CAROUSEL" => {
                let card = |card: &Value| Self::of(&card["components"], self.named, category);
                self.cards = items(&component["cards"]).map(card).collect();
            }
            _ => {}
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct TemplateButton {
    /// The `sub_type` of the button in a send, in upper case.
    pub(crate) kind: String,
    pub(crate) needs_parameter: bool,
}

impl TemplateButton {
    fn of(button: &Value) -> Self {
        let kind = text(button, "type").to_ascii_uppercase();
        let needs_parameter = match kind.as_str() {
            "URL" => !variables(text(button, "url")).is_empty(),
            "OTP" | "COPY_CODE" | "MPM" => true,
            _ => false,
        };
        let kind = if kind == "OTP" { "URL".into() } else { kind };
        Self { kind, needs_parameter }
    }

    /// The kind as Meta's error details write it: `Url`, `QuickReply`.
    pub(crate) fn display_kind(&self) -> String {
        let word = |word: &str| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_owned() + &rest.to_ascii_lowercase()
        };
        self.kind.split('_').map(word).collect()
    }
}

/// The distinct names in `{{…}}`, in order.
fn variables(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    text.split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_components_determine_the_parameters() {
        let template = Template::parse(
            json!({ "name": "sale", "components": [
                { "type": "HEADER", "format": "IMAGE" },
                { "type": "BODY", "text": "Hi {{1}}, use {{2}} until {{ 3 }}, {{1}}!" },
                { "type": "BUTTONS", "buttons": [
                    { "type": "QUICK_REPLY", "text": "Stop" },
                    { "type": "URL", "url": "https://example.com/{{1}}" },
                ]},
            ]}),
            1,
        )
        .unwrap();
        assert_eq!(template.parameters.header.as_deref(), Some("IMAGE"));
        assert_eq!(template.parameters.body_variables, ["1", "2", "3"]);
        let buttons = &template.parameters.buttons;
        assert_eq!(
            (buttons[0].display_kind(), buttons[0].needs_parameter),
            ("QuickReply".into(), false)
        );
        assert_eq!((buttons[1].display_kind(), buttons[1].needs_parameter), ("Url".into(), true));
        assert_eq!(template.to_json(0)["status"], "APPROVED");
    }

    #[test]
    fn a_pending_template_is_approved_at_its_time() {
        let template = Template::parse(json!({ "name": "x" }), 1).unwrap().pending_until(10);
        assert_eq!((template.status(9), template.status(10)), ("PENDING", "APPROVED"));
    }

    #[test]
    fn a_template_without_a_name_is_invalid() {
        assert!(Template::parse(json!({ "language": "en" }), 1).is_none());
        assert!(Template::parse(json!("x"), 1).is_none());
    }
}

//! The templates of the account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::ids;

/// The kind of message Meta bills.
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
    fn of(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "UTILITY" => Self::Utility,
            "AUTHENTICATION" => Self::Authentication,
            _ => Self::Marketing,
        }
    }

    pub(crate) fn word(self) -> &'static str {
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

/// A template: as it is listed, and what sends must fill in.
pub(crate) struct Template {
    pub(crate) name: Arc<str>,
    pub(crate) language: String,
    pub(crate) id: String,
    pub(crate) category: Category,
    pub(crate) shape: Shape,
    /// When a pending one is approved.
    approved_at: Option<u64>,
    listed: Map<String, Value>,
}

impl Template {
    /// Reads a template in the shape of Meta's list; only `name` must be there.
    pub(crate) fn read(value: Value, seed: u64) -> Option<Self> {
        let Value::Object(mut listed) = value else {
            return None;
        };
        let name = listed.get("name")?.as_str()?.to_owned();
        let mut text = |field: &str, usual: &str| {
            let value = listed.entry(field).or_insert_with(|| usual.into());
            value.as_str().unwrap_or(usual).to_owned()
        };
        let language = text("language", "en_US");
        let category = Category::of(&text("category", "MARKETING"));
        let format = text("parameter_format", "POSITIONAL");
        text("status", "APPROVED");
        let id = text("id", &ids::object(seed, "template", &format!("{name}/{language}")));
        let components = listed.entry("components").or_insert_with(|| json!([]));
        let shape = Shape::of(components, format.eq_ignore_ascii_case("NAMED"), category);
        Some(Self { name: name.into(), language, id, category, shape, approved_at: None, listed })
    }

    pub(crate) fn pending_until(self, approved_at: u64) -> Self {
        let mut listed = self.listed;
        listed.insert("status".into(), "PENDING".into());
        Self { approved_at: Some(approved_at), listed, ..self }
    }

    pub(crate) fn status(&self, now: u64) -> &str {
        match self.approved_at {
            Some(at) if now >= at => "APPROVED",
            _ => self.listed.get("status").and_then(Value::as_str).unwrap_or("APPROVED"),
        }
    }

    /// The template as the list shows it.
    pub(crate) fn listed(&self, now: u64) -> Value {
        let mut listed = self.listed.clone();
        listed.insert("status".into(), self.status(now).into());
        listed.into()
    }
}

/// All templates, each once per name and language, in the order they came.
#[derive(Default)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    pub(crate) fn put(&mut self, template: Template) {
        let same = |known: &&mut Template| {
            known.name == template.name && known.language == template.language
        };
        match self.0.iter_mut().find(same) {
            Some(known) => *known = template,
            None => self.0.push(template),
        }
    }

    pub(crate) fn get(&self, name: &str, language: &str) -> Option<&Template> {
        self.iter().find(|known| &*known.name == name && known.language == language)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Template> {
        self.0.iter()
    }

    /// Removes the ones that match and tells whether there were any.
    pub(crate) fn remove(&mut self, matches: impl Fn(&Template) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|template| !matches(template));
        self.0.len() < before
    }
}

/// What a send must fill in.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Shape {
    pub(crate) named: bool,
    /// `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT`, `LOCATION`; none without a header.
    pub(crate) header: Option<String>,
    pub(crate) header_variables: Vec<String>,
    pub(crate) body_variables: Vec<String>,
    pub(crate) buttons: Vec<Button>,
    pub(crate) cards: Vec<Shape>,
}

impl Shape {
    fn of(components: &Value, named: bool, category: Category) -> Self {
        let mut shape = Self { named, ..Self::default() };
        for component in items(components) {
            shape.add(component, category);
        }
        shape
    }

    fn add(&mut self, component: &Value, category: Category) {
        match text(component, "type").to_ascii_uppercase().as_str() {
            "HEADER" => {
                self.header = Some(text(component, "format").to_ascii_uppercase());
                self.header_variables = variables(text(component, "text"));
            }
            // The body of an authentication template is Meta's, with the code in it.
            "BODY" if category == Category::Authentication => {
                self.body_variables = vec!["1".into()];
            }
            "BODY" => self.body_variables = variables(text(component, "text")),
            "BUTTONS" => self.buttons = items(&component["buttons"]).map(Button::of).collect(),
            "CAROUSEL" => {
                let card = |card: &Value| Self::of(&card["components"], self.named, category);
                self.cards = items(&component["cards"]).map(card).collect();
            }
            _ => {}
        }
    }
}

/// A button of a template.
#[derive(Debug, PartialEq)]
pub(crate) struct Button {
    /// The `sub_type` a send gives it, in capitals.
    pub(crate) kind: String,
    pub(crate) needs_parameter: bool,
}

impl Button {
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

    /// The name Meta's messages have for the kind: `Url`, `QuickReply`.
    pub(crate) fn display(&self) -> String {
        let word = |word: &str| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_owned() + &rest.to_ascii_lowercase()
        };
        self.kind.split('_').map(word).collect()
    }
}

/// The names in `{{…}}`, each once, in order.
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
    fn the_shape_counts_what_must_be_filled_in() {
        let template = Template::read(
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
        assert_eq!(template.shape.header.as_deref(), Some("IMAGE"));
        assert_eq!(template.shape.body_variables, ["1", "2", "3"]);
        let buttons = &template.shape.buttons;
        assert_eq!(
            (buttons[0].display(), buttons[0].needs_parameter),
            ("QuickReply".into(), false)
        );
        assert_eq!((buttons[1].display(), buttons[1].needs_parameter), ("Url".into(), true));
        assert_eq!(template.listed(0)["status"], "APPROVED");
    }

    #[test]
    fn a_pending_template_is_approved_in_time() {
        let template = Template::read(json!({ "name": "x" }), 1).unwrap().pending_until(10);
        assert_eq!((template.status(9), template.status(10)), ("PENDING", "APPROVED"));
    }

    #[test]
    fn what_has_no_name_is_no_template() {
        assert!(Template::read(json!({ "language": "en" }), 1).is_none());
        assert!(Template::read(json!("x"), 1).is_none());
    }
}

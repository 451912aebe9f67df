//! The account's templates: `GET /{account id}/message_templates`.

use serde_json::Value;

use super::account::TemplateState;
use super::fields;
use super::number::Quality;
use crate::template::TemplateDefinition;

/// A page of the account's templates.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplatePage {
    /// Those that can be read.
    pub templates: Vec<RemoteTemplate>,
    /// How many can't.
    pub unreadable: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A template as Meta has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteTemplate {
    /// Meta's id of it.
    pub id: String,
    /// Whether it may be sent.
    pub state: TemplateState,
    /// How contacts take it.
    pub quality: Quality,
    /// What it says.
    pub definition: TemplateDefinition,
}

impl TemplatePage {
    /// What is asked for.
    pub(super) const FIELDS: &str =
        "id,name,language,status,category,parameter_format,quality_score,components";

    pub(super) fn read(answer: &Value) -> Self {
        let elements = fields::list(&answer["data"]);
        let templates: Vec<_> = elements.iter().filter_map(RemoteTemplate::read).collect();
        let more = answer["paging"]["next"].is_string();
        let next = fields::text(&answer["paging"]["cursors"]["after"]).filter(|_| more);
        Self { unreadable: elements.len() - templates.len(), templates, next }
    }
}

impl RemoteTemplate {
    fn read(template: &Value) -> Option<Self> {
        Some(Self {
            id: fields::id(&template["id"])?,
            state: TemplateState::read(template["status"].as_str().unwrap_or("")),
            quality: Quality::read(template["quality_score"]["score"].as_str().unwrap_or("")),
            definition: TemplateDefinition::from_meta(template)?,
        })
    }
}

//! The account's templates: `GET /{account id}/message_templates`.

use serde_json::Value;

use super::fields;
use super::probe;
use super::template::TemplateDefinition;
use crate::probe::Quality;

/// A page of the account's templates.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplatePage {
    /// The templates that could be read.
    pub templates: Vec<RemoteTemplate>,
    /// The number of those that could not.
    pub unreadable: usize,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// A template as Meta has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteTemplate {
    /// Meta's id of it.
    pub id: String,
    /// Its state.
    pub state: TemplateState,
    /// How contacts rate it.
    pub quality: Quality,
    /// Its definition.
    pub definition: TemplateDefinition,
}

/// The state of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateState {
    /// It can be sent.
    Approved,
    /// It waits for a review or for an appeal.
    Pending,
    /// It was rejected.
    Rejected,
    /// It cannot be sent for some hours.
    Paused,
    /// It cannot be sent any more.
    Disabled,
    /// It is deleted, archived or locked.
    Gone,
    /// It can be sent, but its quality is low or the account has too many templates.
    Flagged,
    /// A state that this version does not know.
    Unknown,
}

impl TemplatePage {
    /// The fields of the request.
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
            quality: probe::quality(template["quality_score"]["score"].as_str().unwrap_or("")),
            definition: TemplateDefinition::from_meta(template)?,
        })
    }
}

impl TemplateState {
    /// Reads the `event` of a webhook or the `status` of a template.
    pub fn read(text: &str) -> Self {
        match text {
            "APPROVED" | "REINSTATED" | "UNARCHIVED" => Self::Approved,
            "PENDING" | "IN_APPEAL" => Self::Pending,
            "REJECTED" => Self::Rejected,
            "PAUSED" => Self::Paused,
            "DISABLED" => Self::Disabled,
            "DELETED" | "PENDING_DELETION" | "ARCHIVED" | "LOCKED" => Self::Gone,
            "FLAGGED" | "LIMIT_EXCEEDED" => Self::Flagged,
            _ => Self::Unknown,
        }
    }

    /// The state in plain words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Pending => "under review",
            Self::Rejected => "rejected",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
            Self::Flagged => "flagged",
            Self::Unknown => "in a new state",
        }
    }

    /// Whether Meta accepts messages with it.
    pub fn is_sendable(self) -> bool {
        match self {
            Self::Approved | Self::Flagged | Self::Unknown => true,
            Self::Pending | Self::Rejected | Self::Paused | Self::Disabled | Self::Gone => false,
        }
    }
}

//! The port of a provider's templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::content::{Content, FieldProblem};

/// The rules of a provider's templates. A definition is in the provider's own form.
pub trait Templates: Send + Sync {
    /// Validates a definition.
    fn validate(&self, definition: &Value) -> Result<TemplateSummary, Vec<FieldProblem>>;

    /// Checks that a content gives each variable of a definition its value.
    fn fits(&self, definition: &Value, content: &Content) -> Result<(), Vec<FieldProblem>>;

    /// What a contact sees of a definition that is filled in.
    fn preview(
        &self,
        definition: &Value,
        request: &PreviewRequest,
    ) -> Result<Preview, Vec<FieldProblem>>;
}

/// A template by name and language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// Its language in the form that the provider takes, such as `en_US`.
    pub language: String,
}

/// What a definition says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSummary {
    /// Its name and language.
    pub template: TemplateRef,
    /// The provider's category, such as `marketing`.
    pub category: String,
}

/// What fills a template in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PreviewRequest {
    /// The values in the provider's own form; empty to fill the variables by name.
    pub components: Vec<Value>,
    /// The values of placeholders.
    pub variables: BTreeMap<String, String>,
}

/// What a contact sees of a template. A variable without a value is shown as the
/// definition writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// The header's text, or its format in square brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The body.
    pub body: String,
    /// The footer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// The texts of the buttons.
    pub buttons: Vec<String>,
    /// The cards of a carousel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub cards: Vec<Preview>,
}

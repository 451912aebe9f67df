//! Local templates: definitions in the form of their provider.

pub mod store;

use carillon_channel::TemplateRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A template that is kept here, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The provider whose form the definition has.
    pub provider: String,
    /// The provider's category, such as `marketing`.
    pub category: String,
    /// Its name and language.
    #[serde(flatten)]
    pub template: TemplateRef,
    /// The definition as the provider takes it.
    pub definition: Value,
}

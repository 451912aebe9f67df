use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strings::Strings;

/// A question with answers to choose from. A provider shows them as buttons or as a
/// list; the limits on their number and length are the provider's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// The question.
    pub body: String,
    /// A line below the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// The label of the button that opens a list; only a list needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<String>,
    /// The answers.
    pub options: Vec<Choice>,
}

/// An answer to choose.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The id that comes back with the answer.
    pub id: String,
    /// The text of the answer.
    pub title: String,
    /// A second line; only a list shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Strings for Choices {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.body);
        self.footer.each_string(visit);
        self.button.each_string(visit);
        self.options.each_string(visit);
    }
}

impl Strings for Choice {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.id);
        visit(&mut self.title);
        self.description.each_string(visit);
    }
}

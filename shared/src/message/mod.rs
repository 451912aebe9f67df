//! What is sent: a template, a text, a media file or an interactive message,
//! with placeholders that each contact's columns fill in.

mod interactive;
mod interactive_rules;
mod media;
mod parameter;
mod placeholder;
mod problem;
mod strings;
mod template;
mod template_rules;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use interactive::{
    ButtonMessage, ButtonsAction, CtaUrlAction, CtaUrlMessage, CtaUrlParameters, Header,
    Interactive, ListAction, ListMessage, OtherInteractive, ReplyButton, ReplyChoice, Row, Section,
    Words,
};
pub use media::{Attachment, Media, MediaKind, MediaSource};
pub use parameter::{
    ButtonAction, CouponDeadline, Currency, DateTime, Location, Parameter, Product,
};
pub use placeholder::{MissingVariable, Variable};
pub use problem::ContentProblem;
pub(crate) use problem::Problems;
pub use template::{ButtonKind, Card, Component, TemplateContent};
pub(crate) use template_rules::{is_language, is_template_name};
pub use text::Text;

use placeholder::Piece;
use strings::Strings;

/// What one message says: a JSON object with exactly one of `template`, `text`,
/// `media` and `interactive`.
///
/// Its texts may hold placeholders: `{first_name}`, or `{first_name|friend}`
/// with a default; `{{` and `}}` stand for a brace.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// An approved template.
    Template(TemplateContent),
    /// A free text, for an open customer service window.
    Text(Text),
    /// An image, video, audio, document or sticker.
    Media(Media),
    /// Buttons, a list, or another of Meta's interactive messages.
    Interactive(Interactive),
}

impl Content {
    /// The placeholders in it. A name that is used once without a default is
    /// listed without one, too.
    pub fn variables(&self) -> BTreeSet<Variable> {
        let mut found = BTreeSet::new();
        self.clone().each_string(&mut |text| found.extend(variables_of(text)));
        found
    }

    /// The content for one contact. Values in a template's parameters lose line
    /// breaks, tabs and long runs of spaces, which Meta refuses there.
    pub fn render(&self, columns: &BTreeMap<String, String>) -> Result<Self, MissingVariable> {
        let mut rendered = self.clone();
        let mut missing = None;
        rendered.each_string(&mut |text| match placeholder::fill(text, columns) {
            Ok(filled) => *text = filled,
            Err(error) => missing = missing.take().or(Some(error)),
        });
        rendered.tidy();
        missing.map_or(Ok(rendered), Err)
    }

    /// Checks a content as its author wrote it: the placeholders, and Meta's
    /// lengths and counts with each placeholder at its shortest.
    pub fn validate(&self) -> Result<(), Vec<ContentProblem>> {
        let mut problems = Problems::default();
        let mut thin = self.clone();
        thin.each_string(&mut |text| {
            problems.braces(text);
            *text = placeholder::thinnest(text);
        });
        thin.check(&mut problems);
        problems.into_result()
    }

    /// Checks a rendered content, whose braces are only text, against Meta's
    /// lengths and counts.
    pub fn validate_rendered(&self) -> Result<(), Vec<ContentProblem>> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        problems.into_result()
    }

    /// Whether it may only be sent within 24 hours of the contact's last message
    /// (Meta's customer service window); a template may be sent at any time.
    pub fn is_free_form(&self) -> bool {
        match self {
            Self::Template(_) => false,
            Self::Text(_) | Self::Media(_) | Self::Interactive(_) => true,
        }
    }

    /// The name of its kind, as in its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Text(_) => "text",
            Self::Media(_) => "media",
            Self::Interactive(_) => "interactive",
        }
    }

    fn check(&self, problems: &mut Problems) {
        match self {
            Self::Template(template) => {
                problems.at("template", |problems| template.check(problems));
            }
            Self::Text(text) => problems.at("text", |problems| text.check(problems)),
            Self::Media(media) => problems.at("media", |problems| media.check(problems)),
            Self::Interactive(message) => {
                problems.at("interactive", |problems| message.check(problems));
            }
        }
    }

    fn tidy(&mut self) {
        match self {
            Self::Template(template) => template.tidy(),
            Self::Text(_) | Self::Media(_) | Self::Interactive(_) => {}
        }
    }
}

impl Strings for Content {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Template(template) => template.each_string(visit),
            Self::Text(text) => text.each_string(visit),
            Self::Media(media) => media.each_string(visit),
            Self::Interactive(message) => message.each_string(visit),
        }
    }
}

impl fmt::Debug for Content {
    /// Names the kind only: what is said to a person belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content::{}(…)", self.kind())
    }
}

fn variables_of(text: &str) -> impl Iterator<Item = Variable> {
    placeholder::pieces(text).filter_map(|(piece, _)| match piece {
        Piece::Literal(_) => None,
        Piece::Placeholder { name, default } => {
            Some(Variable { name: name.to_owned(), has_default: default.is_some() })
        }
    })
}

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::problem::Problems;
use super::strings::Strings;

/// Longest body of a text message, in characters. Source: Meta, "Text messages".
const MAX_BODY: usize = 4096;

/// A free text. In JSON it may also be just the body, as a string.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Text {
    /// What it says, at most 4096 characters.
    pub body: String,
    /// Whether WhatsApp shows a preview of the first link in it.
    #[schema(default = false, required = false)]
    pub preview_url: bool,
}

impl Text {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.text("body", &self.body, MAX_BODY);
    }
}

impl Strings for Text {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.body);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextForm {
    body: String,
    #[serde(default)]
    preview_url: bool,
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, or an object with `body` and perhaps `preview_url`")
    }

    fn visit_str<E: de::Error>(self, body: &str) -> Result<Text, E> {
        Ok(Text { body: body.to_owned(), preview_url: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        let TextForm { body, preview_url } =
            Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Text { body, preview_url })
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::strings::Strings;

/// A free-form text. In JSON a string stands for a text without further members.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Text {
    /// The text.
    #[schema(min_length = 1)]
    pub body: String,
    /// Whether a preview of the first link is shown, where the provider can do so.
    #[schema(default = false, required = false)]
    pub preview_url: bool,
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

//! What is sent, in one form for all providers: a text, a file, a choice, or a
//! message in a provider's own form. Texts may hold placeholders that each
//! recipient's columns fill in.

mod choices;
pub(crate) mod media;
mod native;
pub(crate) mod placeholder;
mod problem;
pub(crate) mod strings;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use carillon_foundations::ids::MediaId;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub use choices::{Choice, Choices};
pub use media::{Media, MediaKind, MediaSource};
pub use native::Native;
pub use placeholder::{MissingVariable, Variable};
pub use problem::FieldProblem;
pub(crate) use problem::Problems;
pub use text::Text;

use placeholder::Piece;
use strings::Strings;

/// What one message contains: in JSON an object with exactly one member, which is
/// `text`, `media`, `choices` or one of the provider's own kinds, such as `template`.
///
/// Its texts may hold placeholders: `{first_name}`, or `{first_name|friend}` with a
/// default; `{{` and `}}` stand for a brace. The `Debug` form shows the kind only.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// A free-form text.
    Text(Text),
    /// A file.
    Media(Media),
    /// A question with answers to choose from.
    Choices(Choices),
    /// A message in the provider's own form.
    Native(Native),
}

impl Content {
    /// The placeholders. A name that occurs both with and without a default is
    /// listed twice.
    pub fn variables(&self) -> BTreeSet<Variable> {
        let mut found = BTreeSet::new();
        self.clone().each_string(&mut |text| found.extend(variables_of(text)));
        found
    }

    /// The content for one recipient.
    pub fn render(&self, columns: &BTreeMap<String, String>) -> Result<Self, MissingVariable> {
        let mut rendered = self.clone();
        let mut missing = None;
        rendered.each_string(&mut |text| match placeholder::fill(text, columns) {
            Ok(filled) => *text = filled,
            Err(error) => missing = missing.take().or(Some(error)),
        });
        missing.map_or(Ok(rendered), Err)
    }

    /// Checks a content with placeholders: its braces, and `validate` for the content
    /// with one character in place of each placeholder.
    pub fn check(
        &self,
        validate: impl FnOnce(&Self) -> Result<(), Vec<FieldProblem>>,
    ) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Problems::default();
        let mut shortest = self.clone();
        shortest.each_string(&mut |text| {
            problems.braces(text);
            *text = placeholder::shortest(text);
        });
        if let Err(found) = validate(&shortest) {
            problems.extend(found);
        }
        problems.into_result()
    }

    /// The uploaded files that it sends, by our ids. One that a column names is not known.
    pub fn media_ids(&self) -> BTreeSet<MediaId> {
        let mut found = BTreeSet::new();
        self.clone().each_media_source(&mut |source| found.extend(source.parse::<MediaId>()));
        found
    }

    /// Whether all files that it sends are the recipient's own: named by columns, without a
    /// default. `false` where it sends none.
    pub fn media_is_recipients(&self) -> bool {
        let (mut has_own, mut has_common) = (false, false);
        self.clone().each_media_source(&mut |source| {
            let is_own = variables_of(source).any(|variable| !variable.has_default);
            has_own |= is_own;
            has_common |= !is_own;
        });
        has_own && !has_common
    }

    /// The content with the provider's ids of uploaded files in place of ours.
    #[must_use]
    pub fn with_media(mut self, provider_ids: &BTreeMap<MediaId, String>) -> Self {
        self.each_media_source(&mut |source| {
            let id = source.parse().ok().and_then(|id: MediaId| provider_ids.get(&id));
            if let Some(id) = id {
                id.clone_into(source);
            }
        });
        self
    }

    fn each_media_source(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Media(media) => media.source.each_string(visit),
            Self::Native(native) => media::each_source_in(&mut native.payload, visit),
            Self::Text(_) | Self::Choices(_) => {}
        }
    }

    /// The name of its kind: the member of its JSON object.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::Media(_) => "media",
            Self::Choices(_) => "choices",
            Self::Native(native) => &native.kind,
        }
    }
}

impl Strings for Content {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Text(text) => text.each_string(visit),
            Self::Media(media) => media.each_string(visit),
            Self::Choices(choices) => choices.each_string(visit),
            Self::Native(native) => native.payload.each_string(visit),
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry(self.kind(), text)?,
            Self::Media(media) => map.serialize_entry(self.kind(), media)?,
            Self::Choices(choices) => map.serialize_entry(self.kind(), choices)?,
            Self::Native(native) => map.serialize_entry(self.kind(), &native.payload)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?;
        let mut members = members.into_iter();
        let (Some((kind, payload)), None) = (members.next(), members.next()) else {
            return Err(D::Error::custom(
                "a message needs exactly one member, such as `text`, `media` or `template`",
            ));
        };
        Self::of(kind, payload).map_err(D::Error::custom)
    }
}

impl Content {
    fn of(kind: String, payload: Value) -> Result<Self, String> {
        fn read<T: serde::de::DeserializeOwned>(kind: &str, value: Value) -> Result<T, String> {
            serde_path_to_error::deserialize(value)
                .map_err(|error| format!("{kind}.{}: {}", error.path(), error.inner()))
        }
        Ok(match kind.as_str() {
            "text" => Self::Text(read(&kind, payload)?),
            "media" => Self::Media(read(&kind, payload)?),
            "choices" => Self::Choices(read(&kind, payload)?),
            _ => Self::Native(Native { kind, payload }),
        })
    }
}

impl fmt::Debug for Content {
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

impl utoipa::PartialSchema for Content {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Ref};
        let member = |name: &str, schema: &str| {
            ObjectBuilder::new()
                .title(Some(format!("{name} message")))
                .property(name, Ref::from_schema_name(schema))
                .required(name)
        };
        OneOfBuilder::new()
            .description(Some("What one message contains: an object with exactly one member."))
            .item(member("text", "Text"))
            .item(member("media", "Media"))
            .item(member("choices", "Choices"))
            .into()
    }
}

impl utoipa::ToSchema for Content {
    fn name() -> std::borrow::Cow<'static, str> {
        "Content".into()
    }

    fn schemas(
        schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>,
    ) {
        use utoipa::PartialSchema as _;
        schemas.push(("Text".to_owned(), Text::schema()));
        schemas.push(("Media".to_owned(), Media::schema()));
        schemas.push(("Choices".to_owned(), Choices::schema()));
        Text::schemas(schemas);
        Media::schemas(schemas);
        Choices::schemas(schemas);
    }
}

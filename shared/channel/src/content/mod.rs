//! What is sent, in one form for all providers: a text, a file, a choice, or a
//! message in a provider's own form. Texts may hold placeholders that each
//! recipient's columns fill in.

mod choices;
pub(crate) mod media;
mod native;
mod path;
pub(crate) mod placeholder;
mod problem;
mod reading;
pub(crate) mod strings;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use carillon_foundations::ids::MediaId;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, Discriminator, ObjectBuilder, OneOf, OneOfBuilder, Ref, Schema, Type,
};

pub use choices::{Choice, Choices};
pub use media::{Media, MediaKind, MediaSource};
pub use native::Native;
pub use placeholder::{MissingVariable, Variable};
pub(crate) use problem::Problems;
pub use problem::{FieldCode, FieldProblem};
pub use reading::read_json;
pub use text::Text;

use placeholder::Piece;
use strings::Strings;

/// The member that names the kind of a message.
const TYPE: &str = "type";

/// What one message contains: in JSON an object with a `type` and a member of that name, as
/// Meta's messages have: `text`, `media`, `choices` or one of the provider's own kinds, such as
/// `template`.
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

    /// The columns with a default that makes the content not valid, each with the first
    /// problem: who has no value there cannot get the message.
    pub fn invalid_defaults(
        &self,
        validate: impl Fn(&Self) -> Result<(), Vec<FieldProblem>>,
    ) -> BTreeMap<String, FieldProblem> {
        let has_default = |variable: &Variable| variable.has_default;
        let problem = |variable: Variable| {
            let mut content = self.clone();
            content.each_string(&mut |text| {
                *text = placeholder::with_default(text, &variable.name);
            });
            let problem = validate(&content).err()?.into_iter().next()?;
            Some((variable.name, problem))
        };
        self.variables().into_iter().filter(has_default).filter_map(problem).collect()
    }

    /// The uploaded files that it sends, by our ids. One that a column names is not known.
    pub fn media_ids(&self) -> BTreeSet<MediaId> {
        let mut found = BTreeSet::new();
        self.clone().each_media_source(&mut |source| found.extend(source.parse::<MediaId>()));
        found
    }

    /// Whether a file that it sends may be the recipient's own: named by a column.
    pub fn media_may_be_recipients(&self) -> bool {
        let mut has_own = false;
        self.clone().each_media_source(&mut |source| {
            has_own |= variables_of(source).next().is_some();
        });
        has_own
    }

    /// The columns that fill a field, or fields below it: one that a problem names.
    pub fn columns_at(&self, field: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let message = serde_json::to_value(self).unwrap_or_default();
        if let Some(mut value) = path::at_path(&message, field).cloned() {
            value.each_string(&mut |text| {
                found.extend(variables_of(text).map(|variable| variable.name));
            });
        }
        found
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
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(TYPE, self.kind())?;
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
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map_err(|found| {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            D::Error::custom(found.join("; "))
        })
    }
}

impl Content {
    /// Reads the JSON form, and says of each field that does not fit why.
    pub fn read(value: &Value) -> Result<Self, Vec<FieldProblem>> {
        let one = |field: &str, code, reason: &str| vec![FieldProblem::new(field, code, reason)];
        let Some(members) = value.as_object() else {
            return Err(one("", FieldCode::WrongType, "must be an object with a type"));
        };
        let kind = match members.get(TYPE) {
            Some(Value::String(kind)) => kind,
            Some(_) => return Err(one(TYPE, FieldCode::WrongType, "must be a text")),
            None => {
                let reason = "is missing: text, media, choices, or template for example";
                return Err(one(TYPE, FieldCode::Required, reason));
            }
        };
        let others = members.keys().filter(|name| *name != TYPE && *name != kind);
        let reason = format!("is not a member of a message of the type {kind}");
        let unknown = |name: &String| FieldProblem::new(name, FieldCode::Unknown, &reason);
        let mut found: Vec<FieldProblem> = others.map(unknown).collect();
        let Some(payload) = members.get(kind) else {
            let reason = format!("is missing: a message of the type {kind} has this member");
            found.push(FieldProblem::new(kind, FieldCode::Required, reason));
            return Err(found);
        };
        match Self::of(kind, payload) {
            Ok(content) if found.is_empty() => Ok(content),
            Ok(_) => Err(found),
            Err(more) => {
                found.extend(more.into_iter().map(|problem| problem.under(kind)));
                Err(found)
            }
        }
    }

    fn of(kind: &str, payload: &Value) -> Result<Self, Vec<FieldProblem>> {
        Ok(match kind {
            "text" => Self::Text(read_json(payload)?),
            "media" => Self::Media(read_json(payload)?),
            "choices" => Self::Choices(read_json(payload)?),
            _ => Self::Native(Native { kind: kind.to_owned(), payload: payload.clone() }),
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

/// The schema of a message of one kind: an object with a `type` and a member of that name.
pub fn message_schema(kind: &str, payload: &str) -> RefOr<Schema> {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([kind]))
        .description(Some("The kind of message."));
    ObjectBuilder::new()
        .description(Some(format!("A message of the type `{kind}`.")))
        .property(TYPE, name)
        .required(TYPE)
        .property(kind, Ref::from_schema_name(payload))
        .required(kind)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

/// The name of the schema of a message of one kind, such as `TextMessage`.
pub fn message_schema_name(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Message".chars()).collect()
}

/// The schema of [`Content`]: one of the messages of these kinds.
pub fn content_schema<'a>(kinds: impl IntoIterator<Item = &'a str>) -> OneOf {
    let mut discriminator = Discriminator::new(TYPE);
    let mut messages = OneOfBuilder::new()
        .description(Some("What one message contains. `type` names the member with the content."));
    for kind in kinds {
        let message = Ref::from_schema_name(message_schema_name(kind));
        discriminator.mapping.insert(kind.to_owned(), message.ref_location.clone());
        messages = messages.item(message);
    }
    messages.discriminator(Some(discriminator)).build()
}

/// The kinds of message that every provider may have, with the schema of their content.
pub const NEUTRAL_KINDS: [(&str, &str); 3] =
    [("text", "Text"), ("media", "Media"), ("choices", "Choices")];

impl utoipa::PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        RefOr::T(content_schema(NEUTRAL_KINDS.map(|(kind, _)| kind)).into())
    }
}

impl utoipa::ToSchema for Content {
    fn name() -> std::borrow::Cow<'static, str> {
        "Content".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        use utoipa::PartialSchema as _;
        for (kind, payload) in NEUTRAL_KINDS {
            schemas.push((message_schema_name(kind), message_schema(kind, payload)));
        }
        schemas.push(("Text".to_owned(), Text::schema()));
        schemas.push(("Media".to_owned(), Media::schema()));
        schemas.push(("Choices".to_owned(), Choices::schema()));
        Text::schemas(schemas);
        Media::schemas(schemas);
        Choices::schemas(schemas);
    }
}

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::strings::Strings;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// An image.
    Image,
    /// A video.
    Video,
    /// An audio file or a voice message.
    Audio,
    /// A document of any type.
    Document,
    /// A sticker.
    Sticker,
}

/// The source of a file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum MediaSource {
    /// The id of a file that was uploaded: ours, or the provider's own.
    Id(String),
    /// A public address from which the provider fetches the file.
    Link(String),
}

/// A media file as a message of its own: `kind`, exactly one of `id` and `link`,
/// and perhaps `caption` and `filename`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MediaForm", into = "MediaForm")]
pub struct Media {
    /// What sort of file.
    pub kind: MediaKind,
    /// Where it is.
    pub source: MediaSource,
    /// The text below an image, a video or a document, at most 1024 characters.
    pub caption: Option<String>,
    /// What a document is called on the contact's phone.
    pub filename: Option<String>,
}

impl MediaKind {
    const ALL: [Self; 5] = [Self::Image, Self::Video, Self::Audio, Self::Document, Self::Sticker];

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

impl MediaSource {
    pub(crate) fn of(id: Option<String>, link: Option<String>) -> Result<Self, MediaSourceError> {
        match (id, link) {
            (Some(id), None) => Ok(Self::Id(id)),
            (None, Some(link)) => Ok(Self::Link(link)),
            (Some(_), Some(_)) | (None, None) => Err(MediaSourceError),
        }
    }

    pub(crate) fn into_parts(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Id(id) => (Some(id), None),
            Self::Link(link) => (None, Some(link)),
        }
    }
}

impl Strings for MediaSource {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Id(text) | Self::Link(text) => visit(text),
        }
    }
}

impl Strings for Media {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.source.each_string(visit);
        self.caption.each_string(visit);
        self.filename.each_string(visit);
    }
}

/// Shows the id or the link of each file in a provider's own form to `visit`: of each object
/// that is named after a kind of file, such as `image`.
pub(super) fn each_source_in(value: &mut Value, visit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|one| each_source_in(one, visit)),
        Value::Object(members) => {
            for (name, member) in members {
                if MediaKind::ALL.iter().any(|kind| kind.as_str() == name) {
                    for place in ["id", "link"] {
                        if let Some(Value::String(source)) = member.get_mut(place) {
                            visit(source);
                        }
                    }
                }
                each_source_in(member, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A file is named by an id or by a link.
#[derive(Debug, thiserror::Error)]
#[error("a media file needs exactly one of `id` and `link`")]
pub(crate) struct MediaSourceError;

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MediaForm {
    /// What sort of file.
    kind: MediaKind,
    /// The id of an uploaded file, see `POST /v1/media`. Give this or `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// A public address of the file. Give this or `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The text below an image, a video or a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    caption: Option<String>,
    /// What a document is called on the contact's phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
}

impl TryFrom<MediaForm> for Media {
    type Error = MediaSourceError;

    fn try_from(form: MediaForm) -> Result<Self, MediaSourceError> {
        let source = MediaSource::of(form.id, form.link)?;
        Ok(Self { kind: form.kind, source, caption: form.caption, filename: form.filename })
    }
}

impl From<Media> for MediaForm {
    fn from(media: Media) -> Self {
        let (id, link) = media.source.into_parts();
        Self { kind: media.kind, id, link, caption: media.caption, filename: media.filename }
    }
}

/// A type is described in the OpenAPI document as the form it has in JSON.
macro_rules! described_as {
    ($($type:ty as $form:ty, $name:literal;)*) => {$(
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <$form>::schema()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                <$form>::schemas(schemas);
            }
        }
    )*};
}

pub(crate) use described_as;

described_as! {
    Media as MediaForm, "Media";
}

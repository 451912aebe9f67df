use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problems;
use super::strings::Strings;

/// Longest caption, in characters. Source: Meta, "Image messages".
const MAX_CAPTION: usize = 1024;
/// Longest file name, in characters. Source: Meta's file names are not limited
/// in its pages; this is what devices accept.
const MAX_FILENAME: usize = 240;

/// What sort of file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// JPEG or PNG, at most 5 MB.
    Image,
    /// MP4 or 3GP, at most 16 MB.
    Video,
    /// AAC, AMR, MP3, M4A or OGG (Opus), at most 16 MB.
    Audio,
    /// Any document, at most 100 MB.
    Document,
    /// WebP, at most 100 KB, or 500 KB when animated.
    Sticker,
}

/// Where the file is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum MediaSource {
    /// The id of a file uploaded to WhatsApp; it lives 30 days.
    Id(String),
    /// A public address, from which WhatsApp fetches the file.
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

/// A media file inside a template's header or an interactive message's: exactly
/// one of `id` and `link`, and perhaps a `filename`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AttachmentForm", into = "AttachmentForm")]
pub struct Attachment {
    /// Where the file is.
    pub source: MediaSource,
    /// What a document is called on the contact's phone.
    pub filename: Option<String>,
}

impl MediaKind {
    /// The name that Meta uses for it, in `type` and as the field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    fn takes_caption(self) -> bool {
        match self {
            Self::Image | Self::Video | Self::Document => true,
            Self::Audio | Self::Sticker => false,
        }
    }
}

impl Media {
    pub(super) fn check(&self, problems: &mut Problems) {
        self.source.check(problems);
        if let Some(caption) = &self.caption {
            problems.at_most("caption", caption, MAX_CAPTION);
            if !self.kind.takes_caption() {
                problems
                    .report("caption", format!("WhatsApp shows none below {}", self.kind.as_str()));
            }
        }
        check_filename(self.filename.as_deref(), self.kind, problems);
    }
}

impl Attachment {
    pub(super) fn check(&self, kind: MediaKind, problems: &mut Problems) {
        self.source.check(problems);
        check_filename(self.filename.as_deref(), kind, problems);
    }
}

fn check_filename(filename: Option<&str>, kind: MediaKind, problems: &mut Problems) {
    let Some(filename) = filename else { return };
    problems.text("filename", filename, MAX_FILENAME);
    if kind != MediaKind::Document {
        problems.report("filename", "only a document has one");
    }
}

impl MediaSource {
    fn check(&self, problems: &mut Problems) {
        match self {
            Self::Id(id) => problems.text("id", id, MAX_FILENAME),
            Self::Link(link) => problems.url("link", link),
        }
    }

    fn of(id: Option<String>, link: Option<String>) -> Result<Self, MediaSourceError> {
        match (id, link) {
            (Some(id), None) => Ok(Self::Id(id)),
            (None, Some(link)) => Ok(Self::Link(link)),
            (Some(_), Some(_)) | (None, None) => Err(MediaSourceError),
        }
    }

    fn into_parts(self) -> (Option<String>, Option<String>) {
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

impl Strings for Attachment {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.source.each_string(visit);
        self.filename.each_string(visit);
    }
}

/// A file is named by an id or by a link.
#[derive(Debug, thiserror::Error)]
#[error("a media file needs exactly one of `id` and `link`")]
struct MediaSourceError;

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MediaForm {
    /// What sort of file.
    kind: MediaKind,
    /// The id of a file uploaded to WhatsApp. Give this or `link`.
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

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AttachmentForm {
    /// The id of a file uploaded to WhatsApp. Give this or `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// A public address of the file. Give this or `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
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

impl TryFrom<AttachmentForm> for Attachment {
    type Error = MediaSourceError;

    fn try_from(form: AttachmentForm) -> Result<Self, MediaSourceError> {
        Ok(Self { source: MediaSource::of(form.id, form.link)?, filename: form.filename })
    }
}

impl From<Attachment> for AttachmentForm {
    fn from(attachment: Attachment) -> Self {
        let (id, link) = attachment.source.into_parts();
        Self { id, link, filename: attachment.filename }
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

        impl ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                <$form>::schemas(schemas);
            }
        }
    )*};
}

described_as! {
    Media as MediaForm, "Media";
    Attachment as AttachmentForm, "Attachment";
}

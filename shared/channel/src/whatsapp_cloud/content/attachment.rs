use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::content::MediaSource;
use crate::content::media::{MediaSourceError, described_as};

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

described_as! {
    Attachment as AttachmentForm, "Attachment";
}

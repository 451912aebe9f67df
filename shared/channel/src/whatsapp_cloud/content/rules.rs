//! Meta's rules for texts and files.

use super::attachment::Attachment;
use crate::content::{Media, MediaKind, MediaSource, Problems, Text};

/// Longest body of a text message, in characters. Source: Meta, "Text messages".
const MAX_BODY: usize = 4096;
/// Longest caption, in characters. Source: Meta, "Image messages".
const MAX_CAPTION: usize = 1024;
/// Longest file name, in characters. Meta's pages give no limit; devices accept this
/// length.
const MAX_FILENAME: usize = 240;

pub(super) fn check_text(text: &Text, problems: &mut Problems) {
    problems.text("body", &text.body, MAX_BODY);
}

pub(super) fn check_media(media: &Media, problems: &mut Problems) {
    check_source(&media.source, problems);
    if let Some(caption) = &media.caption {
        problems.at_most("caption", caption, MAX_CAPTION);
        if !takes_caption(media.kind) {
            let kind = media.kind.as_str();
            problems.report("caption", format!("WhatsApp shows no caption below {kind}"));
        }
    }
    check_filename(media.filename.as_deref(), media.kind, problems);
}

impl Attachment {
    /// Checks a file of that kind. Its field has the kind's name.
    pub(super) fn check(&self, kind: MediaKind, problems: &mut Problems) {
        problems.at(kind.as_str(), |problems| {
            check_source(&self.source, problems);
            check_filename(self.filename.as_deref(), kind, problems);
        });
    }
}

fn takes_caption(kind: MediaKind) -> bool {
    match kind {
        MediaKind::Image | MediaKind::Video | MediaKind::Document => true,
        MediaKind::Audio | MediaKind::Sticker => false,
    }
}

fn check_filename(filename: Option<&str>, kind: MediaKind, problems: &mut Problems) {
    let Some(filename) = filename else { return };
    problems.text("filename", filename, MAX_FILENAME);
    if kind != MediaKind::Document {
        problems.report("filename", "only a document has a file name");
    }
}

fn check_source(source: &MediaSource, problems: &mut Problems) {
    match source {
        MediaSource::Id(id) => problems.text("id", id, MAX_FILENAME),
        MediaSource::Link(link) => problems.url("link", link),
    }
}

//! Meta's rules for interactive messages: counts and lengths.

use super::interactive::{
    ButtonMessage, CtaUrlAction, CtaUrlMessage, Header, Interactive, ListAction, ListMessage,
    OtherInteractive, ReplyButton, Section, TextPart,
};
use crate::content::MediaKind;
use crate::content::Problems;

/// Longest body, in characters; a list's may be longer.
const MAX_BODY: usize = 1024;
/// Longest body of a list message, in characters.
const MAX_LIST_BODY: usize = 4096;
/// Longest header text and longest footer, in characters.
const MAX_EDGE: usize = 60;
/// Longest title of a button, in characters.
const MAX_BUTTON: usize = 20;
/// Longest title of a section or a row, in characters.
const MAX_TITLE: usize = 24;
/// Most rows of a list, over all its sections.
const MAX_ROWS: usize = 10;

impl Interactive {
    pub(super) fn check(&self, problems: &mut Problems) {
        match self {
            Self::Button(message) => message.check(problems),
            Self::List(message) => message.check(problems),
            Self::CtaUrl(message) => message.check(problems),
            Self::Other(message) => message.check(problems),
        }
    }
}

impl ButtonMessage {
    fn check(&self, problems: &mut Problems) {
        check_frame(self.header.as_ref(), &self.body, self.footer.as_ref(), MAX_BODY, problems);
        problems.at("action", |problems| check_buttons(&self.action.buttons, problems));
    }
}

fn check_buttons(buttons: &[ReplyButton], problems: &mut Problems) {
    problems.count("buttons", buttons.len(), 1, 3);
    problems.each("buttons", buttons, |ReplyButton::Reply { reply }, problems| {
        problems.text("reply.id", &reply.id, 256);
        problems.text("reply.title", &reply.title, MAX_BUTTON);
    });
    let choices = || buttons.iter().map(|ReplyButton::Reply { reply }| reply);
    check_unique("buttons", choices().map(|reply| &reply.id), "id", problems);
    check_unique("buttons", choices().map(|reply| &reply.title), "title", problems);
}

impl ListMessage {
    fn check(&self, problems: &mut Problems) {
        check_frame(
            self.header.as_ref(),
            &self.body,
            self.footer.as_ref(),
            MAX_LIST_BODY,
            problems,
        );
        if self.header.as_ref().is_some_and(|header| !matches!(header, Header::Text { .. })) {
            problems.report("header", "must be a text in a list message");
        }
        problems.at("action", |problems| self.action.check(problems));
    }
}

impl ListAction {
    fn check(&self, problems: &mut Problems) {
        problems.text("button", &self.button, MAX_BUTTON);
        problems.count("sections", self.sections.len(), 1, 10);
        problems.each("sections", &self.sections, Section::check);
        let rows = || self.sections.iter().flat_map(|section| &section.rows);
        if rows().count() > MAX_ROWS {
            problems.report("sections", "have more than 10 rows in all");
        }
        if self.sections.len() > 1 && self.sections.iter().any(|section| section.title.is_none()) {
            problems.report("sections", "each needs a title when there are several");
        }
        check_unique("sections", rows().map(|row| &row.id), "id", problems);
    }
}

impl Section {
    fn check(&self, problems: &mut Problems) {
        if let Some(title) = &self.title {
            problems.text("title", title, MAX_TITLE);
        }
        problems.count("rows", self.rows.len(), 1, MAX_ROWS);
        problems.each("rows", &self.rows, |row, problems| {
            problems.text("id", &row.id, 200);
            problems.text("title", &row.title, MAX_TITLE);
            problems.at_most("description", row.description.as_deref().unwrap_or(""), 72);
        });
    }
}

impl CtaUrlMessage {
    fn check(&self, problems: &mut Problems) {
        check_frame(self.header.as_ref(), &self.body, self.footer.as_ref(), MAX_BODY, problems);
        let CtaUrlAction::CtaUrl { parameters } = &self.action;
        problems.text("action.parameters.display_text", &parameters.display_text, MAX_BUTTON);
        problems.url("action.parameters.url", &parameters.url);
    }
}

impl OtherInteractive {
    fn check(&self, problems: &mut Problems) {
        let words =
            |field: &str| self.as_json().get(field).and_then(|part| part.get("text")?.as_str());
        if !self.as_json().get("action").is_some_and(serde_json::Value::is_object) {
            problems.report("action", "must be an object");
        }
        problems.at_most("body.text", words("body").unwrap_or(""), MAX_BODY);
        problems.at_most("header.text", words("header").unwrap_or(""), MAX_EDGE);
        problems.at_most("footer.text", words("footer").unwrap_or(""), MAX_EDGE);
    }
}

fn check_frame(
    header: Option<&Header>,
    body: &TextPart,
    footer: Option<&TextPart>,
    longest_body: usize,
    problems: &mut Problems,
) {
    if let Some(header) = header {
        problems.at("header", |problems| check_header(header, problems));
    }
    problems.text("body.text", &body.text, longest_body);
    if let Some(footer) = footer {
        problems.text("footer.text", &footer.text, MAX_EDGE);
    }
}

fn check_header(header: &Header, problems: &mut Problems) {
    match header {
        Header::Text { text } => problems.text("text", text, MAX_EDGE),
        Header::Image { image } => image.check(MediaKind::Image, problems),
        Header::Video { video } => video.check(MediaKind::Video, problems),
        Header::Document { document } => document.check(MediaKind::Document, problems),
    }
}

fn check_unique<'a>(
    field: &str,
    values: impl Iterator<Item = &'a String>,
    what: &str,
    problems: &mut Problems,
) {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    if values.windows(2).any(|pair| pair[0] == pair[1]) {
        problems.report(field, format!("two have the same {what}"));
    }
}

//! Errors as the client sees them: `application/problem+json` (RFC 9457), in plain words that
//! say what is wrong, where, and what to do. What only the operator may see goes to the log.

mod code;
mod page;

use std::error::Error as StdError;

use axum::response::{IntoResponse, Response};
use carillon::campaign::MissingColumn;
use carillon::campaign::store::ChangeError;
use carillon::channel::{FieldCode, FieldProblem};
use carillon::delivery::{DeliveryError, QueueError, RouteError};
use carillon::import::Report;
use carillon::table::StoreError;
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use code::Code;
pub(crate) use page::{index, page};

use crate::request_id;

/// The content type of a problem.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";
/// How long a client waits before it asks again when the table is away, in seconds.
const RETRY_AFTER: u32 = 2;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    /// After how many seconds to try again.
    retry_after: Option<u32>,
    more: Box<More>,
}

/// What a problem says beside its words.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct More {
    /// What is not valid, one entry for each member or parameter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The message's variables that some recipients have no value for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingVariable>,
    /// What an upload that ended early had brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// The state that refuses the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    current: Option<Value>,
}

/// One member or parameter that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Which member of the body, as a JSON Pointer (RFC 6901); empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/message/template/name")]
    pointer: Option<String>,
    /// Which parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// What is wrong with it, for programs.
    code: FieldCode,
    /// What is wrong with it and what would be right.
    detail: String,
}

/// A variable of the message without a value for some recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct MissingVariable {
    /// The variable.
    variable: String,
    /// How many recipients lack it.
    recipients: u64,
    /// The first lines that lack it, of the first upload that does.
    first_lines: Vec<u64>,
}

/// A problem as it is written out (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// The address of a page about the code.
    #[schema(example = "/problems/validation_failed")]
    r#type: String,
    /// The problem in a few words.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// The code, for programs. It stays the same.
    #[schema(value_type = String, example = "validation_failed")]
    code: &'static str,
    /// What is wrong, and where.
    detail: String,
    /// What to do about it.
    remedy: &'static str,
    /// The request's id, as in the header `Request-Id` and in the log.
    request_id: String,
    #[serde(flatten)]
    more: More,
}

/// A result of a handler.
pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(RETRY_AFTER);
        Self { code, detail: detail.into(), retry_after, more: Box::default() }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// One member of the body is not valid.
    pub(crate) fn field(field: &str, reason: impl Into<String>) -> Self {
        Self::fields([FieldProblem::new(field, FieldCode::Invalid, reason)])
    }

    /// These members of the body are not valid.
    pub(crate) fn fields(problems: impl IntoIterator<Item = FieldProblem>) -> Self {
        let problems: Vec<FieldProblem> = problems.into_iter().collect();
        let named = problems.iter().map(|problem| match problem.field.as_str() {
            "" => format!("The body {}", problem.reason),
            field => format!("{field} {}", problem.reason),
        });
        let named: Vec<String> = named.collect();
        let mut problem = Self::new(Code::ValidationFailed, format!("{}.", named.join("; ")));
        problem.more.errors = problems.into_iter().map(FieldError::of_member).collect();
        problem
    }

    /// A parameter of the query or a header is not valid.
    pub(crate) fn parameter(name: &str, code: FieldCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut problem = Self::new(Code::ValidationFailed, format!("{name} {reason}."));
        let (pointer, parameter) = (None, Some(name.to_owned()));
        problem.more.errors = vec![FieldError { pointer, parameter, code, detail: reason }];
        problem
    }

    /// The message's variables that some recipients have no value for.
    pub(crate) fn missing(missing: Vec<MissingColumn>) -> Self {
        let named: Vec<String> = missing.iter().map(describe).collect();
        let detail = format!("The message has variables without a value: {}.", named.join("; "));
        let mut problem = Self::new(Code::MissingVariables, detail);
        problem.more.missing = missing.into_iter().map(Into::into).collect();
        problem
    }

    /// Something failed that is not the client's doing.
    pub(crate) fn internal(error: impl Into<Box<dyn StdError>>) -> Self {
        let error: Box<dyn StdError> = error.into();
        tracing::error!(error = &*error, "a request failed");
        Self::failed()
    }

    /// The same, when there is nothing more to log.
    pub(crate) fn failed() -> Self {
        Self::new(Code::InternalError, "The request failed on the server's side.")
    }

    /// Says after how many seconds to try again.
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Says what an upload had brought before it ended.
    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.more.report = Some(report);
        self
    }

    /// Shows the state that refuses the request.
    pub(crate) fn with_current(mut self, current: &impl Serialize) -> Self {
        self.more.current = serde_json::to_value(current).ok();
        self
    }
}

impl FieldError {
    fn of_member(FieldProblem { field, code, reason }: FieldProblem) -> Self {
        Self { pointer: Some(pointer(&field)), parameter: None, code, detail: reason }
    }
}

/// A path such as `message.components[0].text` as a JSON Pointer.
fn pointer(path: &str) -> String {
    let segments = path.split(['.', '[']).map(|segment| segment.trim_end_matches(']'));
    let escaped = segments
        .filter(|segment| !segment.is_empty())
        .map(|segment| format!("/{}", segment.replace('~', "~0").replace('/', "~1")));
    escaped.collect()
}

fn describe(missing: &MissingColumn) -> String {
    let lines: Vec<String> = missing.first_lines.iter().map(ToString::to_string).collect();
    let (variable, recipients) = (&missing.variable, missing.recipients);
    format!("{variable} ({recipients} recipients, first on lines {})", lines.join(", "))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let about = self.code.about();
        let document = ProblemDocument {
            r#type: format!("/problems/{}", about.code),
            title: about.title,
            status: about.status.as_u16(),
            code: about.code,
            detail: self.detail,
            remedy: about.remedy,
            request_id: request_id::current(),
            more: *self.more,
        };
        let mut response = (about.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => {
                tracing::error!(error = &error as &dyn StdError, "the table is not available");
                Self::new(Code::Unavailable, "The table cannot be reached.")
            }
            StoreError::Refused { .. } => {
                tracing::error!(error = &error as &dyn StdError, "the table refuses a request");
                let detail =
                    "The table refuses the request: a name or a value is too large for it.";
                Self::new(Code::NotStorable, detail)
            }
            StoreError::Condition(_)
            | StoreError::Cancelled(_)
            | StoreError::Malformed(_)
            | StoreError::AddressKey(_) => Self::internal(error),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(error = &error as &dyn StdError, "the queue is not available");
        Self::new(Code::Unavailable, "The queue cannot be reached.")
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Store(error) => error.into(),
            DeliveryError::Route(error) => error.into(),
            DeliveryError::Queue(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => Self::not_found("campaign"),
            ChangeError::Illegal(illegal) => {
                let current = serde_json::json!({ "status": illegal.from });
                Self::new(Code::CampaignStatus, format!("{}.", sentence(&illegal)))
                    .with_current(&current)
            }
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::UnknownConnection => Self::fields([FieldProblem::new(
                "connection_id",
                FieldCode::NotFound,
                "names no connection",
            )]),
            RouteError::UnknownProvider(_) => {
                Self::new(Code::ProviderMissing, format!("{}.", sentence(&error)))
            }
            RouteError::Vault(error) if error.is_transient() => {
                tracing::error!(error = &error as &dyn StdError, "credentials are not available");
                Self::new(Code::Unavailable, "The credentials cannot be reached.")
            }
            RouteError::Vault(error) => Self::internal(error),
            RouteError::Store(error) => error.into(),
        }
    }
}

impl From<MissingColumn> for MissingVariable {
    fn from(MissingColumn { variable, recipients, first_lines }: MissingColumn) -> Self {
        Self { variable, recipients, first_lines }
    }
}

/// An error's words, as a sentence begins.
pub(crate) fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

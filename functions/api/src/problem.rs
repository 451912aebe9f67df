//! Errors as the client sees them: `application/problem+json` (RFC 9457), in
//! plain words that say what is wrong, where, and what to do. What only the
//! operator may see goes to the log.

use std::error::Error as StdError;

use axum::response::{IntoResponse, Response};
use carillon::campaign::MissingColumn;
use carillon::campaign::store::ChangeError;
use carillon::channel::FieldProblem;
use carillon::delivery::RouteError;
use carillon::import::Report;
use carillon::table::StoreError;
use http::{HeaderValue, StatusCode, Uri, header};
use problem_details::ProblemDetails;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a client waits before it asks again when the table is away, in seconds.
const RETRY_AFTER: u32 = 2;

/// The kinds of problems; each has a URI that stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Malformed,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Validation,
    KeyReused,
    TooManyRequests,
    Internal,
    Unavailable,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => {
                (StatusCode::BAD_REQUEST, "/problems/malformed", "The request can't be read")
            }
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "/problems/unauthorized", "No valid API key")
            }
            Self::Forbidden => {
                (StatusCode::FORBIDDEN, "/problems/forbidden", "The API key doesn't allow this")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "/problems/not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "/problems/method-not-allowed",
                "This method is not allowed here",
            ),
            Self::Conflict => {
                (StatusCode::CONFLICT, "/problems/conflict", "Not possible as things stand")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "The body is too large")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "/problems/unsupported-media-type",
                "The body has the wrong content type",
            ),
            Self::Validation => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/validation",
                "Something in the request is not valid",
            ),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/idempotency-key-reused",
                "The Idempotency-Key was used for another request",
            ),
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "/problems/too-many-requests", "Too many requests")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "/problems/internal", "Something went wrong")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "/problems/unavailable", "Not available just now")
            }
        }
    }
}

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    /// After how many seconds to try again.
    retry_after: Option<u32>,
    more: Box<More>,
}

/// What a problem says beside its words.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct More {
    /// Field by field, what is not valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The message's variables that some recipients have no value for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingVariable>,
    /// What an upload that ended early had brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

/// One field that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Which, as a path such as `message.template.name`.
    field: String,
    /// What is wrong with it and what would be right.
    reason: String,
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
    /// A URI reference that names the kind of problem and stays the same.
    #[schema(example = "/problems/validation")]
    r#type: String,
    /// The kind of problem in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, where, and what to do about it.
    detail: String,
    #[serde(flatten)]
    more: More,
}

/// A result of a handler.
pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let retry_after = (kind == Kind::Unavailable).then_some(RETRY_AFTER);
        Self { kind, detail: detail.into(), retry_after, more: Box::default() }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, format!("There is no such {what}."))
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// One field is not valid.
    pub(crate) fn field(field: &str, reason: impl Into<String>) -> Self {
        Self::fields([FieldError { field: field.to_owned(), reason: reason.into() }])
    }

    /// These fields are not valid.
    pub(crate) fn fields(errors: impl IntoIterator<Item = impl Into<FieldError>>) -> Self {
        let errors: Vec<FieldError> = errors.into_iter().map(Into::into).collect();
        let named: Vec<String> =
            errors.iter().map(|error| format!("{} {}", error.field, error.reason)).collect();
        let mut problem = Self::new(Kind::Validation, format!("{}.", named.join("; ")));
        problem.more.errors = errors;
        problem
    }

    /// The message's variables that some recipients have no value for.
    pub(crate) fn missing(missing: Vec<MissingColumn>) -> Self {
        let named: Vec<String> = missing.iter().map(describe).collect();
        let detail = format!(
            "The message has variables without a value: {}. Add the columns, or give the variables a default such as {{name|friend}}.",
            named.join("; ")
        );
        let mut problem = Self::new(Kind::Validation, detail);
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
        Self::new(Kind::Internal, "The request failed on our side, and the log says why.")
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
}

fn describe(missing: &MissingColumn) -> String {
    let lines: Vec<String> = missing.first_lines.iter().map(ToString::to_string).collect();
    let (variable, recipients) = (&missing.variable, missing.recipients);
    format!("{variable} ({recipients} recipients, first on lines {})", lines.join(", "))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, uri, title) = self.kind.parts();
        let mut response = ProblemDetails::new()
            .with_type(Uri::from_static(uri))
            .with_status(status)
            .with_title(title)
            .with_detail(self.detail)
            .with_extensions(*self.more)
            .into_response();
        let headers = response.headers_mut();
        if self.kind == Kind::Unauthorized {
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
                Self::new(Kind::Unavailable, "The table can't be reached. Try again in a moment.")
            }
            StoreError::Condition(_)
            | StoreError::Cancelled(_)
            | StoreError::Malformed(_)
            | StoreError::AddressKey(_) => Self::internal(error),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => Self::not_found("campaign"),
            ChangeError::Illegal(illegal) => Self::conflict(format!("{}.", sentence(&illegal))),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::UnknownConnection => Self::field("connection_id", "names no connection"),
            RouteError::UnknownProvider(_) => Self::conflict(format!("{}.", sentence(&error))),
            RouteError::Vault(error) if error.is_transient() => {
                tracing::error!(error = &error as &dyn StdError, "credentials are not available");
                let detail = "The credentials cannot be reached. Try again in a moment.";
                Self::new(Kind::Unavailable, detail)
            }
            RouteError::Vault(error) => Self::internal(error),
            RouteError::Store(error) => error.into(),
        }
    }
}

impl From<FieldProblem> for FieldError {
    fn from(FieldProblem { field, reason }: FieldProblem) -> Self {
        Self { field, reason }
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

use std::time::Duration;

use reqwest::StatusCode;

use super::problem::Problem;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{0:?} is not an HTTP URL such as http://127.0.0.1:8080")]
    InvalidUrl(String),
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    #[error("no response from {url} (`carillon serve` starts Carillon on this machine)")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the response from {url} is not one of Carillon's API (HTTP {status}); check the URL")]
    UnexpectedResponse { url: String, status: StatusCode },
}

impl ClientError {
    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidUrl(_) => 2,
            Self::Unreachable { .. } => 7,
            // What stands before Carillon answers in its own words.
            Self::UnexpectedResponse { status, .. } if status.is_server_error() => 7,
            Self::UnexpectedResponse { status, .. } => exit_code_of(status.as_u16()),
            Self::Refused(problem) => exit_code_of(problem.status),
            Self::Setup(_) => 1,
        }
    }

    /// Whether the request certainly changed nothing, and may succeed later.
    pub(super) fn had_no_effect(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.is_connect(),
            Self::Refused(problem) => problem.status == 429,
            Self::UnexpectedResponse { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS,
            Self::InvalidUrl(_) | Self::Setup(_) => false,
        }
    }

    /// Whether it is unknown if the request took effect.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // The first request with this idempotency key is still under way.
            Self::Refused(problem) => {
                problem.status == 503 || problem.code == "request_in_progress"
            }
            Self::UnexpectedResponse { status, .. } => status.is_server_error(),
            Self::InvalidUrl(_) | Self::Setup(_) => false,
        }
    }

    /// How long the server asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 404)
    }

    /// The problem as the API wrote it.
    pub(crate) fn document(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.text),
            _ => None,
        }
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            Self::UnexpectedResponse { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::InvalidUrl(_) | Self::Setup(_) => false,
        }
    }
}

/// The exit code for a status.
fn exit_code_of(status: u16) -> u8 {
    match status {
        404 => 3,
        401 | 403 => 4,
        409 | 412 => 5,
        400 | 413 | 415 | 422 => 6,
        429 | 502..=504 => 7,
        _ => 1,
    }
}

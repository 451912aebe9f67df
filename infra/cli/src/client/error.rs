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
    #[error("the response from {url} is not one of Carillon's API (HTTP {status})")]
    UnexpectedResponse { url: String, status: StatusCode },
}

impl ClientError {
    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            Self::UnexpectedResponse { status, .. } => status.is_server_error(),
            Self::InvalidUrl(_) | Self::Setup(_) => false,
        }
    }
}

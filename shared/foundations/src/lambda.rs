//! Asynchronous invocations of functions on AWS Lambda.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;

use crate::aws::{ServiceAnswer, ServiceClient, ServiceError};
use crate::http_client::Timeouts;
use crate::time::Clock;

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
/// The function's answer is not waited for.
const EVENT: &str = "Event";
/// Short: the caller is a function with a timeout of seconds.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(5) };

/// A function that can be invoked.
#[derive(Clone)]
pub struct Function {
    service: Arc<ServiceClient>,
    name: String,
}

/// Why a function was not invoked.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Lambda gave no answer.
    #[error("Lambda does not answer")]
    NoAnswer(#[from] ServiceError),
    /// Lambda refused.
    #[error("Lambda answers {status}: {text}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// The answer, at most its first 500 characters.
        text: String,
    },
}

impl Function {
    /// The function with that name, in the region and with the credentials of `aws`; at `endpoint`,
    /// or else at the region's.
    ///
    /// # Errors
    /// The environment lacks the region or the credentials.
    pub fn new(
        aws: &SdkConfig,
        endpoint: Option<String>,
        name: String,
        clock: Clock,
    ) -> Result<Self, ServiceError> {
        let service = ServiceClient::new(aws, "lambda", endpoint, TIMEOUTS, clock)?;
        Ok(Self { service: Arc::new(service), name })
    }

    /// Invokes the function with a payload of at most 1 MB. It runs after the answer.
    /// Source: AWS, "Lambda API Reference", "Invoke" (`InvocationType: Event`).
    ///
    /// # Errors
    /// It was not invoked, or its invocation is not confirmed.
    pub async fn invoke(&self, payload: &str) -> Result<(), InvokeError> {
        let path = format!("/2015-03-31/functions/{}/invocations", self.name);
        let headers = [(INVOCATION_TYPE, EVENT)];
        let ServiceAnswer { status, body } = self.service.post(&path, &headers, payload).await?;
        if status.is_success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&body).chars().take(500).collect();
        Err(InvokeError::Refused { status: status.as_u16(), text })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::error::ClientError;

const MAX_RETRIES: u32 = 4;
/// Pause before the first retry. It doubles with each retry.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that the client waits by itself.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The retries of one request.
pub(super) struct Retries {
    left: u32,
    pause: Duration,
    /// Whether the request may be sent again although it may have taken effect.
    repeatable: bool,
}

impl Retries {
    /// A GET request changes nothing, and a POST request has an idempotency key.
    pub(super) fn of(method: &Method) -> Self {
        let repeatable = matches!(*method, Method::GET | Method::POST);
        Self { left: MAX_RETRIES, pause: FIRST_PAUSE, repeatable }
    }

    /// Waits until the request may be sent again. Returns the error where it is final.
    pub(super) async fn pause_after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let Some(pause) = self.pause(&error) else { return Err(error) };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn pause(&mut self, error: &ClientError) -> Option<Duration> {
        let may_repeat = error.had_no_effect() || (self.repeatable && error.is_lost());
        self.left = self.left.checked_sub(1)?;
        let pause = self.pause.max(error.retry_after().unwrap_or_default());
        self.pause *= 2;
        (may_repeat && pause <= MAX_PAUSE).then_some(pause)
    }
}

/// How long the server asks to wait.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problem;
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> ClientError {
        let retry_after = retry_after.map(Duration::from_secs);
        let problem = Problem::read(r#"{"title": "No"}"#, status, retry_after).unwrap();
        ClientError::Refused(Box::new(problem))
    }

    #[test]
    fn a_request_is_repeated_only_where_that_is_safe() {
        let pause = |method, status, after| Retries::of(&method).pause(&refused(status, after));
        assert_eq!(pause(Method::POST, 503, None), Some(FIRST_PAUSE));
        assert_eq!(pause(Method::PATCH, 503, None), None);
        assert_eq!(pause(Method::PATCH, 429, Some(2)), Some(Duration::from_secs(2)));
        assert_eq!(pause(Method::GET, 429, Some(3600)), None);
        assert_eq!(pause(Method::GET, 409, None), None);
        assert_eq!(pause(Method::GET, 500, None), None);
    }

    #[test]
    fn a_request_is_repeated_four_times() {
        let mut retries = Retries::of(&Method::GET);
        for factor in [1, 2, 4, 8] {
            assert_eq!(retries.pause(&refused(503, None)), Some(FIRST_PAUSE * factor));
        }
        assert_eq!(retries.pause(&refused(503, None)), None);
    }

    #[test]
    fn a_request_that_is_still_under_way_is_asked_for_again() {
        let document = r#"{"title": "Wait", "code": "request_in_progress"}"#;
        let problem = Problem::read(document, 409, Some(Duration::from_secs(2))).unwrap();
        let error = ClientError::Refused(Box::new(problem));
        let pause = Retries::of(&Method::POST).pause(&error);
        assert_eq!(pause, Some(Duration::from_secs(2)));
    }
}

use std::time::Duration;

use carillon::time::Clock;
use lambda_runtime::{Context, LambdaEvent};

/// How long a task pauses after an engine or a function has failed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// An event as Lambda hands it to a function, with a deadline after `timeout`.
pub(crate) fn invocation<T>(payload: T, clock: &Clock, timeout: Duration) -> LambdaEvent<T> {
    let mut context = Context::default();
    let deadline = clock.now() + timeout;
    context.deadline = u64::try_from(deadline.as_millisecond()).unwrap_or(u64::MAX);
    LambdaEvent::new(payload, context)
}

//! Each request has an id: in the header `Request-Id` of its answer, in its problem, and in
//! every line of the log that it causes.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::App;

const HEADER: HeaderName = HeaderName::from_static("request-id");

tokio::task_local! {
    static ID: String;
}

/// The id of the request that is being answered; empty outside of one.
pub(crate) fn current() -> String {
    ID.try_with(Clone::clone).unwrap_or_default()
}

/// Runs work in a task of its own, as part of the request: it goes on when the client goes away.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(ID.scope(current(), work).in_current_span())
}

/// Middleware: gives the request an id.
pub(crate) async fn assign(State(api): App, request: Request, next: Next) -> Response {
    let id = format!("req_{}", api.ids.uuid(api.clock.now()));
    let span = tracing::info_span!("request", request_id = id);
    let mut response = ID.scope(id.clone(), next.run(request)).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

//! The SQS engine behind an HTTP service.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::body::SqsResponseBody;
use rustack_sqs_http::dispatch::SqsHandler;
use rustack_sqs_http::response::error_to_response;
use rustack_sqs_http::router::resolve_operation;

use crate::server::{Service, Stopped};

/// The name each answer carries where AWS would put a request id.
const REQUEST_ID: &str = "local";

/// The SQS service, with no queues in it yet.
pub(crate) fn service() -> Service {
    Box::new(|listener, stopped| Box::pin(serve(listener, stopped)))
}

async fn serve(listener: tokio::net::TcpListener, stopped: Stopped) {
    let Ok(address) = listener.local_addr() else {
        return pending().await;
    };
    let queues = Arc::new(RustackSqs::new(config(address)));
    let routes = Router::new()
        .fallback(answer)
        .with_state(Arc::new(RustackSqsHandler::new(Arc::clone(&queues))));
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            stopped.await;
            // Ends the polls that still wait for a message.
            queues.shutdown_all().await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the sqs engine failed");
    }
}

/// Every request is a `POST /` whose header names the operation.
async fn answer(
    State(handler): State<Arc<RustackSqsHandler>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = match resolve_operation(&headers) {
        Ok(operation) => handler.handle_operation(operation, body).await,
        Err(unknown) => Err(unknown),
    };
    answer
        .unwrap_or_else(|error| error_to_response(&error, REQUEST_ID))
        .map(|body: SqsResponseBody| Body::new(body))
}

fn config(address: SocketAddr) -> SqsConfig {
    SqsConfig {
        skip_signature_validation: true,
        default_region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
    }
}

//! The SQS engine as an HTTP service.

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

use crate::server::{Service, ShutdownSignal};

/// The request id of every response.
const REQUEST_ID: &str = "local";

/// The SQS service, without queues.
pub(crate) fn service() -> Service {
    Box::new(|listener, shutdown| Box::pin(serve(listener, shutdown)))
}

async fn serve(listener: tokio::net::TcpListener, shutdown: ShutdownSignal) {
    let Ok(address) = listener.local_addr() else {
        return pending().await;
    };
    let provider = Arc::new(RustackSqs::new(config(address)));
    let routes = Router::new()
        .fallback(handle)
        .with_state(Arc::new(RustackSqsHandler::new(Arc::clone(&provider))));
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            shutdown.await;
            // Ends pending long polls.
            provider.shutdown_all().await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the SQS engine failed");
    }
}

/// Every SQS request is a `POST /`; its `X-Amz-Target` header names the operation.
async fn handle(
    State(handler): State<Arc<RustackSqsHandler>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let response = match resolve_operation(&headers) {
        Ok(operation) => handler.handle_operation(operation, body).await,
        Err(error) => Err(error),
    };
    response
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

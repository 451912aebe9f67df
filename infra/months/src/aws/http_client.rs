use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use carillon::time::Clock;

use super::queue::FifoQueue;
use super::table::TableEngine;
use crate::fault_plan::{Fault, FaultPlan};
use crate::rng::SeededRng;

/// The engine that serves the requests.
#[derive(Debug, Clone)]
pub(crate) enum Service {
    DynamoDb(Arc<TableEngine>),
    Sqs(Arc<FifoQueue>),
}

/// The SDK's HTTP client for one service. Each request takes 1 to 12 ms and meets
/// the faults of the current run's fault plan.
#[derive(Debug, Clone)]
pub(crate) struct InProcessHttpClient {
    pub(crate) service: Service,
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
}

impl HttpClient for InProcessHttpClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcessHttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = client.respond(&request).await;
            http_response(status, body)
        })
    }
}

/// A response of AWS.
pub(crate) fn http_response(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status)
        .map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

impl InProcessHttpClient {
    async fn respond(&self, request: &HttpRequest) -> (u16, String) {
        match FaultPlan::current() {
            None => self.execute(request),
            Some(plan) => self.respond_under(&plan, request).await,
        }
    }

    async fn respond_under(&self, plan: &FaultPlan, request: &HttpRequest) -> (u16, String) {
        self.clock.sleep(self.rng.millis(1, 12)).await;
        match plan.next_fault(&self.rng) {
            None => self.execute(request),
            Some(Fault::Throttled) => (400, error_body("ProvisionedThroughputExceededException")),
            Some(Fault::ErrorBefore) => (500, error_body("InternalServerError")),
            Some(Fault::ErrorAfter) => {
                self.execute(request);
                (500, error_body("InternalServerError"))
            }
            Some(Fault::CrashBefore) => plan.crash().await,
            Some(Fault::CrashAfter) => {
                self.execute(request);
                plan.crash().await
            }
            Some(Fault::Freeze(duration)) => {
                self.clock.sleep(duration).await;
                plan.mark_frozen();
                self.execute(request)
            }
        }
    }

    fn execute(&self, request: &HttpRequest) -> (u16, String) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        match &self.service {
            Service::DynamoDb(engine) => engine.respond(operation, body),
            Service::Sqs(queue) => queue.respond(operation, body, self.clock.now()),
        }
    }
}

fn error_body(kind: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"simulated fault"}}"#)
}

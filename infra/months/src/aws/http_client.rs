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

use super::call_faults::CallFaults;
use super::error_answer::{Answer, conflict, server_error, throttled};
use super::lagging_indexes::LaggingIndexes;
use super::queue::FifoQueue;
use crate::fault_log::FaultLog;
use crate::fault_plan::{Fault, FaultPlan};
use crate::rng::SeededRng;

/// The engine that serves the requests.
#[derive(Debug, Clone)]
pub(crate) enum Service {
    DynamoDb(Arc<LaggingIndexes>),
    Sqs(Arc<FifoQueue>),
}

/// The SDK's HTTP client for one service. Each request takes 1 to 12 ms and meets
/// the faults of the current run's fault plan.
#[derive(Debug, Clone)]
pub(crate) struct InProcessHttpClient {
    pub(crate) service: Service,
    pub(crate) clock: Clock,
    pub(crate) rng: SeededRng,
    pub(crate) faults: Arc<FaultLog>,
    /// The faults of requests outside of runs.
    pub(crate) calls: Arc<CallFaults>,
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
    async fn respond(&self, request: &HttpRequest) -> Answer {
        if let Some(plan) = FaultPlan::current() {
            self.clock.sleep(self.rng.millis(1, 12)).await;
            return self.respond_under(&plan, request).await;
        }
        match self.calls.current() {
            Some(plan) => self.respond_under(&plan, request).await,
            None => self.execute(request),
        }
    }

    async fn respond_under(&self, plan: &FaultPlan, request: &HttpRequest) -> Answer {
        let Some(fault) = plan.next_fault(&self.rng) else { return self.execute(request) };
        self.faults.note(self.clock.now());
        let (operation, body) = parts(request);
        match fault {
            Fault::Throttled => throttled(operation, body, &self.rng),
            Fault::Conflict => match &self.service {
                Service::DynamoDb(_) => {
                    conflict(operation, body, &self.rng).unwrap_or_else(|| self.execute(request))
                }
                Service::Sqs(_) => self.execute(request),
            },
            Fault::ErrorBefore => server_error(),
            Fault::ErrorAfter => {
                self.execute(request);
                server_error()
            }
            Fault::CrashBefore => plan.crash().await,
            Fault::CrashAfter => {
                self.execute(request);
                plan.crash().await
            }
            Fault::Freeze(duration) => {
                self.clock.sleep(duration).await;
                self.faults.note(self.clock.now());
                self.execute(request)
            }
        }
    }

    fn execute(&self, request: &HttpRequest) -> Answer {
        let (operation, body) = parts(request);
        match &self.service {
            Service::DynamoDb(table) => table.respond(operation, body, self.clock.now()),
            Service::Sqs(queue) => queue.respond(operation, body, self.clock.now()),
        }
    }
}

/// The operation and the body of a request.
fn parts(request: &HttpRequest) -> (&str, &[u8]) {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    (target.rsplit('.').next().unwrap_or_default(), request.body().bytes().unwrap_or_default())
}

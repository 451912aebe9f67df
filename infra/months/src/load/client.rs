//! The SDK's HTTP client for the metered table.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use carillon::time::Clock;

use super::memory::{of_others, take_over};
use super::table::MeteredTable;
use crate::aws::http_response;
use crate::fault_plan::FaultPlan;
use crate::rng::SeededRng;

/// How long a request to DynamoDB takes, in milliseconds.
const LATENCY: (u64, u64) = (5, 10);

/// The client of one function. Requests of runs take time and capacity.
#[derive(Debug, Clone)]
pub(super) struct TableClient {
    pub(super) function: &'static str,
    pub(super) table: Arc<MeteredTable>,
    pub(super) clock: Clock,
    pub(super) rng: SeededRng,
}

impl HttpClient for TableClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for TableClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = client.respond(&request).await;
            http_response(status, body)
        })
    }
}

impl TableClient {
    async fn respond(&self, request: &HttpRequest) -> (u16, String) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        if FaultPlan::current().is_none() {
            return self.table.respond_unmetered(operation, body, self.clock.now());
        }
        let (first, last) = LATENCY;
        let latency = self.rng.millis(first, last);
        let way = latency / 2;
        self.clock.sleep(way).await;
        let now = self.clock.now();
        let response = of_others(|| self.table.respond(self.function, operation, body, now));
        take_over(response.1.capacity());
        self.clock.sleep(way).await;
        response
    }
}

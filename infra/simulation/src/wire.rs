//! The SDK's HTTP, in process: each request goes straight to its engine, after a
//! moment, if nothing befalls it.

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

use crate::dice::Dice;
use crate::fate::{self, Fate, Trouble};
use crate::queue::Queue;
use crate::table::Engine;

/// What a request is for.
#[derive(Debug, Clone)]
pub(crate) enum Service {
    /// The table.
    Table(Arc<Engine>),
    /// The queue.
    Queue(Arc<Queue>),
}

/// The way to one service.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) service: Service,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = wire.answer(&request).await;
            answer_of(status, body)
        })
    }
}

fn answer_of(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status)
        .map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

impl Wire {
    async fn answer(&self, request: &HttpRequest) -> (u16, String) {
        match fate::current() {
            None => self.carry_out(request),
            Some(fate) => self.answer_to(&fate, request).await,
        }
    }

    async fn answer_to(&self, fate: &Fate, request: &HttpRequest) -> (u16, String) {
        self.clock.sleep(self.dice.millis(1, 12)).await;
        match fate.next(&self.dice) {
            Trouble::None => self.carry_out(request),
            Trouble::Throttled => (400, fault("ProvisionedThroughputExceededException")),
            Trouble::FailedBefore => (500, fault("InternalServerError")),
            Trouble::FailedAfter => {
                self.carry_out(request);
                (500, fault("InternalServerError"))
            }
            Trouble::DiesBefore => fate.die().await,
            Trouble::DiesAfter => {
                self.carry_out(request);
                fate.die().await
            }
            Trouble::Frozen(time) => {
                self.clock.sleep(time).await;
                fate.thaw();
                self.carry_out(request)
            }
        }
    }

    fn carry_out(&self, request: &HttpRequest) -> (u16, String) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        match &self.service {
            Service::Table(engine) => engine.answer(operation, body),
            Service::Queue(queue) => queue.answer(operation, body, self.clock.now()),
        }
    }
}

fn fault(kind: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"a fault"}}"#)
}

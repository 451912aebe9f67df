use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, from_slice};
use tower::{BoxError, ServiceExt};

use crate::operator_call::{Call, CallBody};

/// Fields that the API refuses after a while: the end of a campaign passes, and the key of
/// an erased recipient is no contact's.
const PERISHABLE_FIELDS: [&str; 2] = ["scheduled_end", "key"];
/// A client of the API that calls its router without a network.
pub(crate) struct ApiClient {
    router: Router,
    authorization: String,
}

/// The HTTP status and the JSON body of a response; null if the body is not JSON.
pub(crate) type ApiResponse = (u16, Value);

impl ApiClient {
    pub(crate) fn new(router: Router, key: &str) -> Self {
        Self { router, authorization: format!("Bearer {key}") }
    }

    /// Sends a request without a body.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Result<ApiResponse, BoxError> {
        self.call(self.request(method, path).body(Body::empty())?).await
    }

    /// Sends a request with a JSON body.
    pub(crate) async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<ApiResponse, BoxError> {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(Body::from(body.to_string()))?).await
    }

    /// Imports a CSV of recipients into a campaign.
    pub(crate) async fn import(
        &self,
        campaign: &str,
        csv: String,
    ) -> Result<ApiResponse, BoxError> {
        let path = format!("/v1/campaigns/{campaign}/recipients");
        let request = self.request(Method::POST, &path).header(header::CONTENT_TYPE, "text/csv");
        self.call(request.body(Body::from(csv))?).await
    }

    /// Makes a call as the operator's client does, with an Idempotency-Key where it is a POST.
    pub(crate) async fn make(&self, call: &Call, key: &str) -> Result<ApiResponse, BoxError> {
        let mut request = self.request(call.method.clone(), &call.path);
        if call.method == Method::POST {
            request = request.header("Idempotency-Key", key);
        }
        let content_type = header::CONTENT_TYPE;
        let request = match &call.body {
            CallBody::None => request.body(Body::empty()),
            CallBody::Json(body) => {
                request.header(content_type, "application/json").body(Body::from(body.to_string()))
            }
            CallBody::Csv(csv) => {
                request.header(content_type, "text/csv").body(Body::from(csv.clone()))
            }
        };
        self.call(request?).await
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, &self.authorization)
    }

    async fn call(&self, request: Request<Body>) -> Result<ApiResponse, BoxError> {
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, from_slice(&body).unwrap_or(Value::Null)))
    }
}

/// A refusal because of the current state is no error. Any other one means that the
/// request itself was wrong.
pub(crate) fn check((status, response): ApiResponse) -> Result<(), BoxError> {
    let is_perishable = |error: &Value| {
        error["field"].as_str().is_some_and(|name| PERISHABLE_FIELDS.contains(&name))
    };
    let has_expired =
        response["errors"].as_array().is_some_and(|errors| errors.iter().all(is_perishable));
    match status {
        200..300 | 409 => Ok(()),
        422 if has_expired => Ok(()),
        _ => Err(format!("the API refused a request: {status} {response}").into()),
    }
}

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::StatusCode;

use crate::http_client::{HttpClient, HttpClientError, Timeouts, http_client};
use crate::time::Clock;

/// Makes requests to a service of AWS, signed by the SDK's signer.
#[derive(Clone)]
pub(crate) struct ServiceClient {
    http: HttpClient,
    /// Without a slash at its end.
    endpoint: String,
    /// The name with which requests are signed, such as `ssm`.
    service: &'static str,
    region: String,
    credentials: SharedCredentialsProvider,
    clock: Clock,
}

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The environment lacks the region or the credentials.
    #[error("{0} is not set")]
    Unset(&'static str),
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Client(#[from] HttpClientError),
    /// The service, the network or the credentials failed. A later attempt may succeed.
    #[error("the service can't be reached: {0}")]
    Unavailable(String),
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct ServiceAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl ServiceClient {
    /// A service in the region and with the credentials of `aws`; at `endpoint`, or else at the
    /// region's.
    pub(crate) fn new(
        aws: &SdkConfig,
        service: &'static str,
        endpoint: Option<String>,
        timeouts: Timeouts,
        clock: Clock,
    ) -> Result<Self, ServiceError> {
        let region = aws.region().ok_or(ServiceError::Unset("AWS_REGION"))?.to_string();
        let credentials =
            aws.credentials_provider().ok_or(ServiceError::Unset("AWS credentials"))?;
        let endpoint = endpoint.unwrap_or_else(|| endpoint_of(service, &region));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { http: http_client(timeouts)?, endpoint, service, region, credentials, clock })
    }

    /// Makes one POST request.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<ServiceAnswer, ServiceError> {
        let request = self.signed(path, headers, body).await?;
        let answer = self.http.as_reqwest().execute(request).await.map_err(unavailable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unavailable)?.to_vec();
        Ok(ServiceAnswer { status, body })
    }

    async fn signed(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<reqwest::Request, ServiceError> {
        let credentials = self.credentials.provide_credentials().await;
        let identity = credentials.map_err(unavailable)?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(self.clock.now().into())
            .settings(SigningSettings::default())
            .build()
            .map_err(unavailable)?
            .into();
        let mut request = http::Request::post(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.to_owned()).map_err(unavailable)?;
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            "POST",
            &uri,
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = signable.and_then(|signable| sign(signable, &parameters));
        let (instructions, _) = signed.map_err(unavailable)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.try_into().map_err(unavailable)
    }
}

/// The endpoint of a service. Source: AWS, "AWS service endpoints".
fn endpoint_of(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{suffix}")
}

/// The innermost source is the most specific: `connection refused`, not `request failed`.
fn unavailable(error: impl std::error::Error) -> ServiceError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    ServiceError::Unavailable(cause.to_string())
}

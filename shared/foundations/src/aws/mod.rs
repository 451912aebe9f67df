//! The configuration of the AWS SDK: from the environment, or for two engines on this
//! machine; and requests to services whose SDK client is larger than what is used of it
//! (docs/adr/0008).

mod client;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{
    AsyncSleep, Credentials, HttpClient, RuntimeComponents, SharedAsyncSleep,
    SharedCredentialsProvider, SharedHttpClient, Sleep,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use uuid::Uuid;

pub use client::ServiceError;
pub(crate) use client::{ServiceAnswer, ServiceClient};

use crate::time::Clock;

/// The configuration of the AWS clients.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// For DynamoDB clients.
    pub dynamodb: SdkConfig,
    /// For SQS clients.
    pub sqs: SdkConfig,
    /// For all other services.
    pub other: SdkConfig,
}

impl AwsConfig {
    /// The configuration in the environment, by the SDK's standard variables (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS`, …).
    pub async fn from_env() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest());
        let config = config.http_client(sdk_http_client()).load().await;
        Self { dynamodb: config.clone(), sqs: config.clone(), other: config }
    }

    /// Engines at two addresses, which need no credentials.
    pub async fn at(dynamodb_url: &str, sqs_url: &str) -> Self {
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static(LOCAL_REGION))
            .credentials_provider(local_credentials())
            .http_client(sdk_http_client())
            .load()
            .await;
        let at = |url: &str| base.to_builder().endpoint_url(url).build();
        Self { dynamodb: at(dynamodb_url), sqs: at(sqs_url), other: base }
    }

    /// Engines in this process, each behind its own HTTP client, with at most `attempts`
    /// attempts per request. The SDK sleeps by `clock`, and its backoff has no jitter: for
    /// a reproducible simulation.
    pub fn through(
        dynamodb: impl HttpClient + 'static,
        sqs: impl HttpClient + 'static,
        clock: &Clock,
        attempts: u32,
    ) -> Self {
        // All clients of a region share a retry quota.
        let region = Region::new(format!("simulation-{}", Uuid::new_v4()));
        let retries = RetryConfig::standard()
            .with_use_static_exponential_base(true)
            .with_max_attempts(attempts);
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(SharedCredentialsProvider::new(local_credentials()))
            .endpoint_url("http://engine.invalid")
            .sleep_impl(SharedAsyncSleep::new(ClockSleep(clock.clone())))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(retries)
            .build();
        let dynamodb = base.to_builder().http_client(dynamodb).build();
        let sqs = base.to_builder().http_client(sqs).build();
        Self { dynamodb, sqs, other: base }
    }
}

/// An HTTP client for AWS SDK clients. Like the SDK's default client, it trusts the
/// platform's root certificates and uses the environment's proxies; TLS is `ring`'s
/// instead of `aws-lc`'s.
pub fn sdk_http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let provider = Provider::Rustls(CryptoMode::Ring);
        let mut connector = Connector::builder().tls_provider(provider);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.proxy_config(ProxyConfig::from_env()).build()
    })
}

/// The region of local engines: some separate the data of different regions.
const LOCAL_REGION: &str = "us-east-1";

/// The credentials for engines that need none.
fn local_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}

/// The SDK's sleeps, by a [`Clock`].
#[derive(Debug)]
struct ClockSleep(Clock);

impl AsyncSleep for ClockSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move { clock.sleep(duration).await })
    }
}

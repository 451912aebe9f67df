//! Where AWS is: the environment's region, credentials and endpoints, or two
//! engines on this machine.

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// What the AWS clients are made of.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    pub(crate) dynamodb: SdkConfig,
    pub(crate) sqs: SdkConfig,
}

impl AwsConfig {
    /// The environment's: the standard variables (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS`, …) work.
    pub async fn from_env() -> Self {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Self { dynamodb: config.clone(), sqs: config }
    }

    /// Engines at two addresses, which ask for no credentials.
    pub async fn at(dynamodb_url: &str, sqs_url: &str) -> Self {
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("local"))
            .credentials_provider(aws_sdk_dynamodb::config::Credentials::new(
                "local", "local", None, None, "local",
            ))
            .load()
            .await;
        let at = |url: &str| base.to_builder().endpoint_url(url).build();
        Self { dynamodb: at(dynamodb_url), sqs: at(sqs_url) }
    }
}

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::{ServiceAnswer, ServiceClient, ServiceError};
use crate::http_client::Timeouts;
use crate::time::Clock;

const TARGET: &str = "x-amz-target";
const JSON: &str = "application/x-amz-json-1.1";
/// Short: the caller is a function with a timeout of seconds.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(5) };
/// The maximum number of attempts while the service or the network fails.
const MAX_ATTEMPTS: u32 = 3;

/// The parameters under one prefix.
#[derive(Clone)]
pub struct ParameterStore {
    service: Arc<ServiceClient>,
    prefix: String,
    clock: Clock,
}

/// Why a parameter cannot be read or written. It never contains the value.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// There is no such parameter.
    #[error("the parameter {0} is not there")]
    Missing(String),
    /// The service refused, and will refuse again.
    #[error("the Parameter Store refuses {name}: {code}")]
    Refused {
        /// The parameter.
        name: String,
        /// The service's error code, such as `AccessDeniedException`.
        code: String,
    },
    /// The service failed. A later attempt may succeed.
    #[error("the Parameter Store fails: {0}")]
    Failed(String),
    /// The service gave no answer.
    #[error("the Parameter Store does not answer")]
    NoAnswer(#[from] ServiceError),
}

impl ParameterError {
    /// Whether a later attempt may succeed without a change of configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NoAnswer(ServiceError::Unavailable(_)))
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "Parameter")]
    parameter: Parameter,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Value")]
    value: SecretString,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "Version")]
    version: u64,
}

impl ParameterStore {
    /// The parameters whose names begin with `prefix`, such as `/carillon/`, in the
    /// region and with the credentials of `aws`; at `endpoint`, or else at the region's.
    pub fn new(
        aws: &SdkConfig,
        endpoint: Option<String>,
        prefix: &str,
        clock: Clock,
    ) -> Result<Self, ParameterError> {
        let service = ServiceClient::new(aws, "ssm", endpoint, TIMEOUTS, clock.clone())?;
        let service = Arc::new(service);
        Ok(Self { service, prefix: prefix.to_owned(), clock })
    }

    /// Reads a parameter.
    pub async fn get(&self, name: &str) -> Result<SecretString, ParameterError> {
        let name = self.name(name);
        let input = json!({ "Name": name, "WithDecryption": true });
        let found: Found = self.call("GetParameter", &name, &input).await?;
        Ok(found.parameter.value)
    }

    /// Creates or overwrites a parameter and returns its version.
    pub async fn put(&self, name: &str, value: &SecretString) -> Result<u64, ParameterError> {
        self.write(name, value, true).await
    }

    /// Writes a new parameter. `false` where one of that name exists.
    pub async fn create(&self, name: &str, value: &SecretString) -> Result<bool, ParameterError> {
        match self.write(name, value, false).await {
            Ok(_) => Ok(true),
            Err(ParameterError::Refused { code, .. }) if code == "ParameterAlreadyExists" => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        name: &str,
        value: &SecretString,
        overwrite: bool,
    ) -> Result<u64, ParameterError> {
        let name = self.name(name);
        let input = json!({
            "Name": name,
            "Value": value.expose_secret(),
            "Type": "SecureString",
            "Tier": "Standard",
            "Overwrite": overwrite,
        });
        let written: Written = self.call("PutParameter", &name, &input).await?;
        Ok(written.version)
    }

    /// Deletes a parameter. Idempotent: a missing parameter is not an error.
    pub async fn delete(&self, name: &str) -> Result<(), ParameterError> {
        let name = self.name(name);
        let input = json!({ "Name": name });
        match self.call::<Value>("DeleteParameter", &name, &input).await {
            Ok(_) | Err(ParameterError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        action: &str,
        name: &str,
        input: &Value,
    ) -> Result<T, ParameterError> {
        let body = input.to_string();
        let mut tries = 1;
        loop {
            match self.call_once(action, name, &body).await {
                Err(error) if error.is_transient() && tries < MAX_ATTEMPTS => {
                    self.clock.sleep(Duration::from_millis(100 << tries)).await;
                }
                outcome => return outcome,
            }
            tries += 1;
        }
    }

    async fn call_once<T: DeserializeOwned>(
        &self,
        action: &str,
        name: &str,
        body: &str,
    ) -> Result<T, ParameterError> {
        let target = format!("AmazonSSM.{action}");
        let headers = [(TARGET, target.as_str()), (CONTENT_TYPE.as_str(), JSON)];
        let ServiceAnswer { status, body } = self.service.post("/", &headers, body).await?;
        if status.is_success() {
            let unreadable = |_| ParameterError::Failed("its answer can't be read".to_owned());
            // An action without a result, such as `DeleteParameter`, has an empty body.
            let body = if body.is_empty() { &b"null"[..] } else { &body[..] };
            return serde_json::from_slice(body).map_err(unreadable);
        }
        let code = code_of(&body);
        Err(match code.as_str() {
            "ParameterNotFound" => ParameterError::Missing(name.to_owned()),
            "ThrottlingException" | "InternalServerError" => ParameterError::Failed(code),
            _ if status.is_server_error() => ParameterError::Failed(status.to_string()),
            _ => ParameterError::Refused { name: name.to_owned(), code },
        })
    }
}

/// The service's error code: the last part of `__type`.
fn code_of(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = body["__type"].as_str().unwrap_or("an unknown error");
    kind.rsplit('#').next().unwrap_or(kind).to_owned()
}

impl std::fmt::Debug for ParameterStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParameterStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

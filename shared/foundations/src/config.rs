//! Configuration, read from the environment once, at start. The start fails where a
//! variable is missing or invalid; the error names it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

/// The variables that Carillon reads, and what each is for. The SDK reads the standard AWS
/// variables (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS`, …).
pub const VARIABLES: [(&str, &str); 18] = [
    (TABLE, "the DynamoDB table's name"),
    (SENDS_QUEUE_URL, "the URL of the queue of batches of fast lanes, sends.fifo"),
    (PACED_QUEUE_URL, "the URL of the queue of batches of normal and slow lanes, paced.fifo"),
    (SENDS_DLQ_URL, "the URL of the dead-letter queue of both"),
    (JOBS_FUNCTION, "the name of the function that works jobs"),
    (
        SECRETS_PREFIX,
        "the Parameter Store prefix of connections' credentials, such as /carillon/connections/",
    ),
    (
        SECRETS_KEY,
        "32 bytes in base64: the key that encrypts connections' credentials where no prefix is set",
    ),
    (
        ADDRESS_KEY,
        "32 bytes in base64: the key that hashes contacts' addresses where no prefix is set; it must never change",
    ),
    (ADMIN_KEY, "the admin key: an API key with every scope"),
    (ADMIN_KEY_HASH, "the SHA-256 of the admin key in hex, instead of the key itself"),
    (PUBLIC_URL, "the public address of the API and of the webhooks"),
    (WEBHOOKS_URL, "the address of the webhooks, where it is not <public URL>/webhooks"),
    (GRAPH_URL, "the address of Meta's Graph API; https://graph.facebook.com by default"),
    (
        MINIMUM_SHARE,
        "the percentage of quota and lane capacity that each campaign gets regardless of priority, 0 to 50; 5 by default",
    ),
    (
        MESSAGE_RETENTION_DAYS,
        "how many days messages from contacts are kept, 0 for ever; 365 by default",
    ),
    (
        EVENTS,
        "which events the feed has: campaigns (and batches, connections, jobs), or recipients (and messages) too, which costs a write for each change of a recipient; campaigns by default",
    ),
    (STACK, "the stack's name, the dimension of all metrics; without it no metric is written"),
    (LOG, "what is logged, such as info or carillon=debug"),
];

const TABLE: &str = "CARILLON_TABLE";
const SENDS_QUEUE_URL: &str = "CARILLON_SENDS_QUEUE_URL";
const PACED_QUEUE_URL: &str = "CARILLON_PACED_QUEUE_URL";
const SENDS_DLQ_URL: &str = "CARILLON_SENDS_DLQ_URL";
const JOBS_FUNCTION: &str = "CARILLON_JOBS_FUNCTION";
const SECRETS_PREFIX: &str = "CARILLON_SECRETS_PREFIX";
const SECRETS_KEY: &str = "CARILLON_SECRETS_KEY";
const ADDRESS_KEY: &str = "CARILLON_ADDRESS_KEY";
const ADMIN_KEY: &str = "CARILLON_ADMIN_KEY";
const ADMIN_KEY_HASH: &str = "CARILLON_ADMIN_KEY_HASH";
const PUBLIC_URL: &str = "CARILLON_PUBLIC_URL";
const WEBHOOKS_URL: &str = "CARILLON_WEBHOOKS_URL";
const GRAPH_URL: &str = "CARILLON_GRAPH_URL";
const MINIMUM_SHARE: &str = "CARILLON_MINIMUM_SHARE";
const MESSAGE_RETENTION_DAYS: &str = "CARILLON_MESSAGE_RETENTION_DAYS";
const EVENTS: &str = "CARILLON_EVENTS";
const STACK: &str = "CARILLON_STACK";
const LOG: &str = "CARILLON_LOG";

/// The configuration of a process. Each function reads the variables that it needs.
#[derive(Clone)]
pub struct Config {
    values: Arc<BTreeMap<String, String>>,
    /// Reads a variable that is not in `values`.
    fallback: fn(&str) -> Option<String>,
}

/// A variable that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not set: {meaning}")]
pub struct Missing {
    name: &'static str,
    meaning: &'static str,
}

/// A variable that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} can't be read: {problem}")]
pub struct Unreadable {
    name: &'static str,
    problem: String,
}

impl Config {
    /// The configuration in the environment.
    pub fn from_env() -> Self {
        Self { values: Arc::default(), fallback: env }
    }

    /// The configuration with one more variable, which takes precedence.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        Arc::make_mut(&mut self.values).insert(name.to_owned(), value.to_owned());
        self
    }

    /// A configuration of these variables alone: for the host, which runs all functions in
    /// one process, and for tests.
    pub fn from_values(
        values: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let pairs = values.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { values: Arc::new(pairs.collect()), fallback: |_| None }
    }

    /// The table's name.
    pub fn table(&self) -> Result<String, Missing> {
        self.required(TABLE)
    }

    /// The URL of the queue of batches of fast lanes.
    pub fn sends_queue_url(&self) -> Result<String, Missing> {
        self.required(SENDS_QUEUE_URL)
    }

    /// The URL of the queue of batches of normal and slow lanes.
    pub fn paced_queue_url(&self) -> Result<String, Missing> {
        self.required(PACED_QUEUE_URL)
    }

    /// The URL of the dead-letter queue of batches, if there is one.
    pub fn sends_dlq_url(&self) -> Option<String> {
        self.optional(SENDS_DLQ_URL)
    }

    /// The name of the function that works jobs.
    pub fn jobs_function(&self) -> Result<String, Missing> {
        self.required(JOBS_FUNCTION)
    }

    /// The endpoint of Lambda, if another one than the region's is set, in the standard variables of
    /// the SDK.
    pub fn lambda_url(&self) -> Option<String> {
        self.optional("AWS_ENDPOINT_URL_LAMBDA").or_else(|| self.optional("AWS_ENDPOINT_URL"))
    }

    /// The Parameter Store prefix of connections' credentials, if they are there.
    pub fn secrets_prefix(&self) -> Option<String> {
        self.optional(SECRETS_PREFIX)
    }

    /// The endpoint of the Parameter Store, if another one than the region's is set, in the
    /// standard variables of the SDK.
    pub fn parameters_url(&self) -> Option<String> {
        self.optional("AWS_ENDPOINT_URL_SSM").or_else(|| self.optional("AWS_ENDPOINT_URL"))
    }

    /// The key that encrypts connections' credentials.
    pub fn secrets_key(&self) -> Result<SecretString, Missing> {
        self.required(SECRETS_KEY).map(Into::into)
    }

    /// The key that hashes addresses.
    pub fn address_key(&self) -> Result<SecretString, Missing> {
        self.required(ADDRESS_KEY).map(Into::into)
    }

    /// The admin key, if one is set.
    pub fn admin_key(&self) -> Option<SecretString> {
        self.optional(ADMIN_KEY).map(Into::into)
    }

    /// The SHA-256 of the admin key in lower-case hex, if one is set.
    pub fn admin_key_hash(&self) -> Option<String> {
        self.optional(ADMIN_KEY_HASH).map(|hash| hash.to_ascii_lowercase())
    }

    /// The public address of the API, if it is set.
    pub fn public_url(&self) -> Option<String> {
        self.optional(PUBLIC_URL)
    }

    /// The public address of the webhooks, if it is known, without the provider's path.
    pub fn webhooks_url(&self) -> Option<String> {
        let under = |base: String| format!("{}/webhooks", base.trim_end_matches('/'));
        let given = self.optional(WEBHOOKS_URL).map(|url| url.trim_end_matches('/').to_owned());
        given.or_else(|| self.public_url().map(under))
    }

    /// The address of Meta's Graph API, if another one than Meta's own is set.
    pub fn graph_url(&self) -> Option<String> {
        self.optional(GRAPH_URL)
    }

    /// The minimum share of each campaign; its default where it is not set.
    pub fn minimum_share<T>(&self) -> Result<T, Unreadable>
    where
        T: std::str::FromStr<Err: fmt::Display> + Default,
    {
        self.parsed(MINIMUM_SHARE)
    }

    /// How long messages from contacts are kept; its default where it is not set.
    pub fn message_retention<T>(&self) -> Result<T, Unreadable>
    where
        T: std::str::FromStr<Err: fmt::Display> + Default,
    {
        self.parsed(MESSAGE_RETENTION_DAYS)
    }

    /// Which events the feed has; the default where it is not set.
    pub fn event_detail<T>(&self) -> Result<T, Unreadable>
    where
        T: std::str::FromStr<Err: fmt::Display> + Default,
    {
        self.parsed(EVENTS)
    }

    /// The stack's name, the dimension of all metrics; without it no metric is written.
    pub fn stack(&self) -> Option<String> {
        self.optional(STACK)
    }

    /// What is logged, `info` by default.
    pub fn log(&self) -> String {
        self.optional(LOG).unwrap_or_else(|| "info".to_owned())
    }

    fn optional(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).cloned().or_else(|| (self.fallback)(name));
        value.filter(|value| !value.is_empty())
    }

    fn parsed<T>(&self, name: &'static str) -> Result<T, Unreadable>
    where
        T: std::str::FromStr<Err: fmt::Display> + Default,
    {
        let unreadable = |problem: T::Err| Unreadable { name, problem: problem.to_string() };
        let given = self.optional(name).map(|text| text.parse().map_err(unreadable));
        Ok(given.transpose()?.unwrap_or_default())
    }

    fn required(&self, name: &'static str) -> Result<String, Missing> {
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        let meaning = known.map_or("", |(_, meaning)| meaning);
        self.optional(name).ok_or(Missing { name, meaning })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Config")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named_and_explained() {
        let empty = Config::from_values(Vec::<(String, String)>::new());
        let message = empty.table().unwrap_err().to_string();
        assert_eq!(message, "CARILLON_TABLE is not set: the DynamoDB table's name");
        assert_eq!(empty.graph_url(), None);
    }
}

//! The HTTP client that all providers and the Parameter Store share.

use std::time::Duration;

/// The timeouts of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the whole of a request, its answer included.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(30) }
    }
}

/// How long an idle connection is kept. Short, because a provider may close it while the
/// process is frozen (AWS Lambda between two invocations), and the outcome of a request that
/// is written to a closed connection is unknown.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// An HTTP client and its connections. Clones share them.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

/// The HTTP client cannot be built: the TLS configuration of the machine is invalid.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be set up")]
pub struct HttpClientError(#[source] reqwest::Error);

/// Builds the HTTP client: HTTP/2 where the server supports it, no redirects, no proxies
/// from the environment, no automatic retries.
pub fn http_client(timeouts: Timeouts) -> Result<HttpClient, HttpClientError> {
    install_tls_provider();
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("carillon/", env!("CARGO_PKG_VERSION")))
        .build()
        .map(HttpClient)
        .map_err(HttpClientError)
}

/// Makes `ring` the TLS provider of this process. Call it before building a
/// [`reqwest::Client`], which panics without a provider. Idempotent: the first
/// provider stays.
pub fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl HttpClient {
    /// The client itself, for `client.rs` files.
    pub fn as_reqwest(&self) -> &reqwest::Client {
        &self.0
    }
}

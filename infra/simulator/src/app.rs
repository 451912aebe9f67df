//! What all requests share: the configuration, the HTTP client and the state.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::config::Config;
use crate::state::State;

pub(crate) struct App {
    pub(crate) config: Config,
    /// The simulator's base URL.
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    state: Mutex<State>,
}

impl App {
    pub(crate) fn new(config: Config, url: String) -> std::io::Result<Self> {
        // reqwest panics without a TLS provider. An error means that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.webhook_timeout_ms))
            .user_agent("facebookexternalua")
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        let mut state = State::new(&config)?;
        state.restore(&config)?;
        Ok(Self { config, url, http, state: Mutex::new(state) })
    }

    /// Locks the state. No caller holds the lock across an `await`.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let since = (self.config.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as u64
    }
}

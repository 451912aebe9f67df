use std::error::Error;
use std::io;
use std::net::SocketAddr;

use carillon_engines::EngineError;

/// Why a [`Host`](crate::Host) could not start or carry out a call.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// An embedded engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The listener's address is in use or does not belong to this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// A function failed, or its table or queue.
    #[error(transparent)]
    Function(Box<dyn Error + Send + Sync>),
}

impl HostError {
    pub(crate) fn function(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Function(Box::new(error))
    }
}

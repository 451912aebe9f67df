use std::io;

use tokio::signal;

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
#[cfg(unix)]
pub(crate) async fn wait_for_shutdown() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn wait_for_shutdown() -> io::Result<()> {
    signal::ctrl_c().await
}

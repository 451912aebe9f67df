//! The signals that end the program.

use std::io;

use tokio::signal;

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
pub(crate) async fn asked_to_end() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn asked_to_end() -> io::Result<()> {
    signal::ctrl_c().await
}

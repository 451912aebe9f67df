//! The HTTP server of an engine, on its own thread.
//!
//! The DynamoDB engine runs SQLite on the threads that serve its requests, so an
//! engine never shares a runtime with its callers. One thread is enough: one lock
//! guards the table, and two threads served no more updates a second in
//! `examples/throughput.rs`.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use crate::error::EngineError;

/// How long requests in flight may take to finish at a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves when the engine must shut down.
pub(crate) type ShutdownSignal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves requests until the shutdown signal.
pub(crate) type ServiceFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Creates the service of an engine.
pub(crate) type Service =
    Box<dyn FnOnce(tokio::net::TcpListener, ShutdownSignal) -> ServiceFuture + Send>;

/// A running engine. Dropping it shuts the engine down.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// Dropping the sender is the shutdown signal.
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(engine: &'static str, service: Service) -> Result<Self, EngineError> {
        Self::spawn(engine, service).map_err(|source| EngineError::Start { engine, source })
    }

    fn spawn(engine: &'static str, service: Service) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (shutdown, shutdown_requested) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("engine-{engine}"))
            .spawn(move || run(engine, listener, service, shutdown_requested))?;
        Ok(Self { address, shutdown: Some(shutdown), thread: Some(thread) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = joined {
            tracing::error!(address = %self.address, "an engine thread panicked");
        }
    }
}

fn run(
    engine: &'static str,
    listener: TcpListener,
    service: Service,
    shutdown_requested: oneshot::Receiver<()>,
) {
    let served =
        runtime().and_then(|runtime| serve(&runtime, listener, service, shutdown_requested));
    if let Err(error) = served {
        tracing::error!(engine, %error, "an engine cannot serve requests");
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    service: Service,
    shutdown_requested: oneshot::Receiver<()>,
) -> io::Result<()> {
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (start_timeout, timeout_started) = oneshot::channel::<()>();
        let service = service(
            listener,
            Box::pin(async move {
                // The error is the dropped sender, which is the signal.
                let _ = shutdown_requested.await;
                drop(start_timeout);
            }),
        );
        tokio::select! {
            () = service => {}
            () = shutdown_timeout(timeout_started) => {
                tracing::warn!("the shutdown timeout aborted requests in flight");
            }
        }
        Ok(())
    })
}

/// Resolves [`SHUTDOWN_TIMEOUT`] after the shutdown signal.
async fn shutdown_timeout(started: oneshot::Receiver<()>) {
    let _ = started.await;
    tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
}

//! An engine's HTTP service on a thread of its own.
//!
//! The table engine runs SQLite on the threads that serve its requests, so
//! an engine never shares a runtime with the code that calls it. One thread is
//! enough: the table is behind one lock, and two threads served no more updates
//! a second in `examples/throughput.rs`.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use crate::EngineError;

/// How long requests under way may take once the engine is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Resolves when the engine is to stop.
pub(crate) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until it is stopped.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes the service, given where to listen and when to stop.
pub(crate) type Service = Box<dyn FnOnce(tokio::net::TcpListener, Stopped) -> Serving + Send>;

/// A running engine; stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(engine: &'static str, service: Service) -> Result<Self, EngineError> {
        Self::launch(engine, service).map_err(|source| EngineError::Start { engine, source })
    }

    fn launch(engine: &'static str, service: Service) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("engine-{engine}"))
            .spawn(move || run(engine, listener, service, stopped))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended {
            tracing::error!(address = %self.address, "an engine's thread panicked");
        }
    }
}

/// The whole life of an engine's thread.
fn run(
    engine: &'static str,
    listener: TcpListener,
    service: Service,
    stopped: oneshot::Receiver<()>,
) {
    let served = runtime().and_then(|runtime| serve(&runtime, listener, service, stopped));
    if let Err(error) = served {
        tracing::error!(engine, %error, "an engine cannot serve");
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    service: Service,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (expire, expired) = oneshot::channel::<()>();
        let serving = service(
            listener,
            Box::pin(async move {
                // An error is the sender being dropped: the same signal.
                let _ = stopped.await;
                drop(expire);
            }),
        );
        tokio::select! {
            () = serving => {}
            () = overdue(expired) => tracing::warn!("requests were cut off at shutdown"),
        }
        Ok(())
    })
}

/// Resolves when the grace after the stop signal is over.
async fn overdue(expired: oneshot::Receiver<()>) {
    let _ = expired.await;
    tokio::time::sleep(GRACE).await;
}

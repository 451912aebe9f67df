use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use carillon::delivery::Sender;
use carillon::jobs::{Launch, Worker};
use carillon_engines::Engines;
use carillon_scheduler::Scheduler;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::SchedulerTrigger;
use crate::queue::Queues;
use crate::stream_consumer::StreamConsumer;
use crate::{job_runner, send_poller, timers};

/// The host's background tasks. The stream consumer stops last, because the others
/// write to the table until they end.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    closing: CancellationToken,
    running: JoinSet<()>,
    stream_closing: CancellationToken,
    stream: JoinSet<()>,
}

impl Tasks {
    pub(crate) fn serve_http(&mut self, listener: TcpListener, router: Router) {
        let closing = self.closing.clone().cancelled_owned();
        self.running.spawn(async move {
            // The API throttles authentication by client address.
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let _ = axum::serve(listener, service).with_graceful_shutdown(closing).await;
        });
    }

    /// Each queue has pollers of its own, so that slow batches hold up no fast one.
    pub(crate) fn poll_sends(&mut self, pollers: usize, queues: &Queues, sender: &Arc<Sender>) {
        for _ in 0..pollers.max(1) {
            for queue in [&queues.sends, &queues.paced] {
                let (queue, sender) = (queue.clone(), sender.clone());
                self.running.spawn(send_poller::run(queue, sender, self.closing.clone()));
            }
        }
    }

    pub(crate) fn run_jobs(&mut self, launches: UnboundedReceiver<Launch>, worker: &Arc<Worker>) {
        self.running.spawn(job_runner::run(launches, worker.clone(), self.closing.clone()));
    }

    pub(crate) fn start_timers(
        &mut self,
        trigger: SchedulerTrigger,
        scheduler: &Arc<Scheduler>,
        engines: Option<&Arc<Engines>>,
    ) {
        if trigger == SchedulerTrigger::Timer {
            self.running.spawn(timers::run_scheduler(scheduler.clone(), self.closing.clone()));
        }
        if let Some(engines) = engines.cloned() {
            self.running.spawn(timers::sweep_expired_items(engines, self.closing.clone()));
        }
    }

    pub(crate) fn consume_stream(&mut self, consumer: StreamConsumer) {
        self.stream.spawn(consumer.run(self.stream_closing.clone()));
    }

    /// Stops all tasks and waits until they have ended.
    pub(crate) async fn stop(mut self) {
        self.closing.cancel();
        while self.running.join_next().await.is_some() {}
        self.stream_closing.cancel();
        while self.stream.join_next().await.is_some() {}
    }
}

//! Runs of functions side by side: all of them are polled until each waits, and
//! only then does the clock move, to whoever waits least.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use carillon::time::{Clock, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};

use crate::fate::{FATE, Fate};

/// The runs that are under way.
#[derive(Default)]
pub(crate) struct Crowd {
    runs: FuturesUnordered<BoxFuture<'static, End>>,
    woken: Arc<Woken>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It came to its end.
    Over,
    /// Its process died.
    Died,
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Crowd {
    /// Begins a run, which ends after `limit` at the latest.
    pub(crate) fn begin(
        &mut self,
        fate: Arc<Fate>,
        clock: Clock,
        limit: Duration,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let mortal = {
            let fate = fate.clone();
            async move {
                tokio::select! {
                    biased;
                    () = fate.death() => End::Died,
                    () = clock.sleep(limit) => End::Died,
                    () = run => End::Over,
                }
            }
        };
        self.runs.push(FATE.scope(fate, mortal).boxed());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Ends all runs where they stand.
    pub(crate) fn kill(&mut self) {
        self.runs.clear();
    }

    /// Lets `time` pass; gives whether a process died meanwhile.
    pub(crate) fn pass(&mut self, clock: &Clock, time: Duration) -> End {
        let until = clock.now() + time;
        let mut end = self.poll();
        let mut standing = 0;
        while let Some(next) = clock.next_wake().filter(|next| *next <= until) {
            standing = if next <= clock.now() { standing + 1 } else { 0 };
            assert!(standing < 10_000, "somebody who waits is not polled any more");
            move_to(clock, next);
            if self.poll() == End::Died {
                end = End::Died;
            }
        }
        move_to(clock, until);
        if self.poll() == End::Died { End::Died } else { end }
    }

    /// Polls until everyone waits for the clock.
    fn poll(&mut self) -> End {
        let waker = Waker::from(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut end = End::Over;
        loop {
            self.woken.0.store(false, Ordering::Relaxed);
            match Pin::new(&mut self.runs).poll_next(&mut context) {
                Poll::Ready(Some(one)) => {
                    if one == End::Died {
                        end = End::Died;
                    }
                }
                Poll::Pending if self.woken.0.load(Ordering::Relaxed) => {}
                Poll::Ready(None) | Poll::Pending => return end,
            }
        }
    }
}

fn move_to(clock: &Clock, at: Timestamp) {
    if let Ok(by) = Duration::try_from(at.duration_since(clock.now())) {
        clock.advance(by);
    }
}

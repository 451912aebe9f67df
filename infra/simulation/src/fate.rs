//! What befalls a run of a function: nothing mostly, or its process dies or is
//! frozen at one of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::dice::Dice;

/// Within how many requests a run dies or freezes, if it does.
const MOST_REQUESTS: u64 = 45;

/// What is in store for one run.
#[derive(Debug)]
pub(crate) struct Fate {
    blow: Option<Blow>,
    /// In a thousand requests, how many meet a fault of the engine.
    faults: u64,
    requests: AtomicU64,
    thawed: AtomicBool,
    dead: CancellationToken,
}

/// A misfortune at the `at`-th request.
#[derive(Debug, Clone, Copy)]
struct Blow {
    at: u64,
    trouble: Trouble,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// The engine asks for patience.
    Throttled,
    /// The engine fails without having done it.
    FailedBefore,
    /// The engine fails after having done it.
    FailedAfter,
    /// The process dies before it is done.
    DiesBefore,
    /// The process dies after it was done.
    DiesAfter,
    /// The process is frozen, and thaws later, when it is done.
    Frozen(Duration),
}

tokio::task_local! {
    /// The fate of the run that is being polled.
    pub(crate) static FATE: Arc<Fate>;
}

/// The fate of the run that is being polled; none for what people do.
pub(crate) fn current() -> Option<Arc<Fate>> {
    FATE.try_with(Arc::clone).ok()
}

impl Fate {
    /// A fate in which `crashes` in a thousand runs die or freeze, and `faults`
    /// in a thousand requests fail.
    pub(crate) fn cast(dice: &Dice, crashes: u64, faults: u64) -> Arc<Self> {
        let blow = dice.permille(crashes).then(|| {
            let trouble = match dice.below(5) {
                0 => Trouble::DiesBefore,
                1 | 2 => Trouble::DiesAfter,
                _ => Trouble::Frozen(Duration::from_secs(dice.between(200, 5_000))),
            };
            Blow { at: dice.below(MOST_REQUESTS), trouble }
        });
        Arc::new(Self {
            blow,
            faults,
            requests: AtomicU64::new(0),
            thawed: AtomicBool::new(false),
            dead: CancellationToken::new(),
        })
    }

    /// What goes wrong with the next request.
    pub(crate) fn next(&self, dice: &Dice) -> Trouble {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        match self.blow {
            Some(blow) if blow.at == number => blow.trouble,
            _ if !dice.permille(self.faults) => Trouble::None,
            _ => match dice.below(3) {
                0 => Trouble::Throttled,
                1 => Trouble::FailedBefore,
                _ => Trouble::FailedAfter,
            },
        }
    }

    /// The process dies here and now: nothing of the run goes on.
    pub(crate) async fn die(&self) -> ! {
        self.dead.cancel();
        std::future::pending().await
    }

    /// Ends when the process is dead.
    pub(crate) async fn death(&self) {
        self.dead.cancelled().await;
    }

    pub(crate) fn thaw(&self) {
        self.thawed.store(true, Ordering::Relaxed);
    }

    /// Whether the process was frozen for a time: what it does afterwards it does
    /// too late, and no program can help that.
    pub(crate) fn was_frozen(&self) -> bool {
        self.thawed.load(Ordering::Relaxed)
    }
}

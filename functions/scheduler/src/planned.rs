use std::collections::BTreeSet;

use carillon::campaign::{Campaign, Requeues};
use carillon::ids::ContactId;
use carillon::time::Timestamp;

/// An active campaign as a run has read it.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) campaign: Campaign,
    /// Its pending recipients, by the counters.
    pub(crate) pending: u64,
    /// How often recipients had become pending behind its walk before the run moved it.
    pub(crate) requeues: Requeues,
    /// The recipients that are due and go before its walk, in this order.
    pub(crate) before_walk: Vec<ContactId>,
    /// The recipients that went before its walk and are in an open batch.
    pub(crate) in_batches: BTreeSet<ContactId>,
    /// The number of its open ranges.
    pub(crate) open_ranges: u32,
}

impl Active {
    /// Whether a batch of it is open.
    pub(crate) fn has_open_batch(&self) -> bool {
        self.open_ranges > 0 || !self.in_batches.is_empty()
    }

    /// Whether its scheduled end has passed.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.campaign.settings.scheduled_end.is_some_and(|end| end <= now)
    }
}

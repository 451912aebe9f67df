use std::collections::BTreeMap;

use carillon::batch::Batch;
use carillon::connection::{Lane, Slice};
use carillon::ids::ConnectionId;
use carillon::plan::{LaneKey, Slices};

/// What a run releases.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// The batches that are made and enqueued.
    pub(crate) batches: Vec<Batch>,
    /// The lanes, with these batches.
    pub(crate) lanes: Lanes,
}

/// The slices of the lanes and their open batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes(pub(crate) BTreeMap<LaneKey, Slices>);

impl Lanes {
    /// The slice for the next batch of a lane.
    pub(crate) fn next(&self, connection: ConnectionId, lane: Lane) -> Slice {
        self.0.get(&(connection, lane)).map_or(Slice::WHOLE, Slices::next)
    }

    /// Counts an open batch.
    pub(crate) fn add(&mut self, batch: &Batch) {
        let lane = self.0.entry((batch.connection, batch.lane));
        lane.or_insert_with(|| Slices::new(1)).add(batch.slice, batch.size);
    }
}

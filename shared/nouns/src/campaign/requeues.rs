use serde::{Deserialize, Serialize};

/// How often recipients became pending behind the walk. They are counted, not dated: clocks
/// differ. A pass that began before the latest one cannot show that nobody is pending.
///
/// The counts have an item of their own, so that webhooks do not change the campaign's version,
/// on which the planner's writes depend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeues {
    /// Recipients whose attempt failed and who wait for the next one.
    #[serde(default)]
    pub retried: u64,
    /// Uploads that ended.
    #[serde(default)]
    pub uploaded: u64,
}

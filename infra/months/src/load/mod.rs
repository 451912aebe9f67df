//! A load: many campaigns over many numbers at once, on a table with DynamoDB's limits and on
//! a simulated clock. The functions and the SDK are the real ones.

mod capacity;
mod client;
mod functions;
mod invocations;
mod memory;
mod meter;
mod network;
mod operator;
mod partition;
mod people_count;
mod person;
mod reports;
mod request;
mod rolling;
mod run;
mod stream;
mod summary;
mod table;
mod world;

pub use memory::FunctionMemory;
pub use meter::{Overload, Peak, TableLimits, Units};
pub use rolling::{RollingUse, simulate_rolling_limit};
pub use run::simulate_load;
pub use summary::LoadSummary;

/// What is sent, and over what.
#[derive(Debug, Clone, Copy)]
pub struct LoadPlan {
    /// Recipients of all campaigns.
    pub recipients: u64,
    /// Different people among them; each is in campaigns as far apart as possible.
    pub people: u64,
    /// Whether the campaigns' files have the people's user ids too, as after a first message: who
    /// is new costs four more written units.
    pub knows_user_ids: bool,
    /// Campaigns, of the same size.
    pub campaigns: u64,
    /// WhatsApp numbers, with the same number of campaigns each.
    pub numbers: u64,
    /// Messages a second that each number may send.
    pub throughput: u32,
    /// The rolling limit that the numbers share: unique people in 24 hours.
    pub quota_limit: u64,
    /// The sender's maximum concurrency, as `SenderConcurrency` in `template.yaml`.
    pub sender_concurrency: usize,
    /// What the table, and each index, takes in a second.
    pub table: TableLimits,
}

impl LoadPlan {
    /// The rate of all fast lanes, in messages a second.
    pub fn rate(&self) -> f64 {
        self.numbers as f64 * carillon::connection::Lane::Fast.rate(self.throughput)
    }

    /// The shortest time in which everything can be sent, in seconds.
    pub fn shortest_seconds(&self) -> f64 {
        self.recipients as f64 / self.rate()
    }
}

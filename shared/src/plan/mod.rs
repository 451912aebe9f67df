//! Planning: who is sent today, in which batches. The planner is a pure
//! function; the ledger keeps the portfolio's rolling 24-hour limit; the stores
//! write what was planned.

mod batch;
pub mod cost;
mod forecast;
pub mod ledger;
mod planner;
pub mod store;

pub use batch::{BATCH_SIZE, Batch, BatchRef, BatchStatus, Cursor, Lease, Sweep};
pub use forecast::{Forecast, ForecastDay, forecast};
pub use planner::{
    Allotment, Candidate, LANE_HORIZON_SECONDS, LaneKey, LaneLoad, Line, MinimumShare, NoShare,
    Outcome, Places, Plan, Reason, Wait, plan,
};

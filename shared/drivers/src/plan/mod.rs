//! Planning: which campaigns may send how many messages now. The planner is a pure
//! function.

mod candidate;
mod forecast;
mod planner;
mod share;
mod slices;
pub mod store;

pub use candidate::{Candidate, Wait, WaitReason, Work, wait};
pub use forecast::{Forecast, ForecastDay, forecast};
pub use planner::{
    Allotment, LANE_HORIZON_SECONDS, LaneKey, LaneLoad, Outcome, Plan, PlanLine, plan,
};
pub use share::{MinimumShare, MinimumShareError};
pub use slices::Slices;

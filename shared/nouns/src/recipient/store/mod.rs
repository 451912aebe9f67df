//! Recipients in the table.

mod attempts;
mod events;
mod ranges;
mod reads;
mod updates;
mod waiting;

pub use attempts::{claim_update, give_back, retry_update, settle, settle_accepted, settle_lost};
pub use events::{close_update, record};
pub use ranges::{in_turns, of_range, walk};
pub use reads::{before_walk, get, in_campaigns, many, sent_to};
pub use waiting::{
    add, cancel, cancel_update, defer, erase, go_before_walk, skip, skip_as_duplicate, skip_update,
    unlist,
};

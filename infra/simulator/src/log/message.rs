//! An accepted message in memory. There may be millions, so it is compact.

use std::sync::Arc;

use crate::delivery_plan::{DeliveryPlan, Steps};
use crate::ids::{self, Direction};
use crate::templates::Category;

pub(crate) struct Message {
    pub(crate) accepted_at: u64,
    pub(crate) user: u32,
    /// How many messages to the user were accepted before this one.
    pub(crate) ordinal: u32,
    /// The key of the user.
    pub(crate) to: Arc<str>,
    pub(crate) phone_number_id: Arc<str>,
    pub(crate) callback_data: Option<Box<str>>,
    pub(crate) template: Option<Arc<str>>,
    pub(crate) category: Category,
    pub(crate) plan: DeliveryPlan,
    pub(crate) reported: Steps,
    pub(crate) acknowledged: Steps,
    pub(crate) response_lost: bool,
}

impl Message {
    pub(crate) fn wamid(&self, seed: u64) -> String {
        ids::wamid(seed, Direction::Outbound, &self.to, self.ordinal)
    }
}

//! An accepted message in memory. There may be millions, so it is compact.

use std::sync::Arc;

use crate::delivery_plan::{DeliveryPlan, Steps};
use crate::ids::{self, Direction};
use crate::templates::{Category, TemplateName};
use crate::user::Identity;

pub(crate) struct Message {
    pub(crate) accepted_at: u64,
    pub(crate) user: u32,
    /// How many messages to the user were accepted before this one.
    pub(crate) ordinal: u32,
    /// The user's identity at the acceptance.
    pub(crate) to: Arc<Identity>,
    /// Whether the request named the user by user id.
    pub(crate) by_user_id: bool,
    pub(crate) phone_number_id: Arc<str>,
    pub(crate) callback_data: Option<Box<str>>,
    pub(crate) template: Option<Arc<TemplateName>>,
    pub(crate) category: Category,
    /// Whether the customer service window of the sending number was open.
    pub(crate) in_service_window: bool,
    pub(crate) plan: DeliveryPlan,
    pub(crate) reported: Steps,
    pub(crate) acknowledged: Steps,
    /// Steps that the webhook did not acknowledge in time.
    pub(crate) lost: Steps,
    pub(crate) response_lost: bool,
}

impl Message {
    pub(crate) fn wamid(&self, seed: u64) -> String {
        ids::wamid(seed, Direction::Outbound, &self.to.key, self.ordinal)
    }

    /// The template's name.
    pub(crate) fn template_name(&self) -> Option<String> {
        self.template.as_ref().map(|template| template.name.to_string())
    }
}

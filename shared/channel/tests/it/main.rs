//! The providers of the product, each through its ports and against a stand-in for
//! its API.

mod contract;
mod payloads;
mod stand_in;
mod whatsapp_cloud;

//! The fixture of the end-to-end tests: all of Carillon on the real engines, a
//! WhatsApp simulator, and a clock that tests can advance. Tests use the HTTP API;
//! only WhatsApp and its users are simulated.

mod builder;
mod contacts;
mod fault_proxy;
mod host_setup;
mod inspect;
pub mod logs;
mod response;
mod story;
mod streams;
pub mod webhook_body;
mod world;

pub use builder::WorldBuilder;
pub use contacts::{contacts_csv, phone, wa_id};
pub use fault_proxy::{Failure, FaultProxy, FaultRates, HeldRequest, Seen};
pub use host_setup::Proxies;
pub use response::Response;
pub use world::World;

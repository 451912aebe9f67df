//! A world for tests: the whole of Carillon on the real engines, a WhatsApp
//! simulator, and a clock that can be moved. Tests go in by the front door, the
//! HTTP API; only strangers are simulated.

mod answer;
mod contacts;
mod faults;
pub mod logs;
mod stream;
mod world;

pub use answer::Answer;
pub use contacts::{contacts_csv, phone};
pub use faults::{Faults, FaultyProxy};
pub use stream::StreamService;
pub use world::{Builder, World};

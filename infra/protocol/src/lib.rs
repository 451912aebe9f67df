//! The sending protocol as a model: claim, send, settle, status, retry, hand-back, audit and
//! opt-out, with crashes and freezes between any two steps. The model is explored exhaustively.
//!
//! Where the product's rule is a pure function, the model runs that very function ([`product`]).
//! Where it is a condition of a write, the model has its own version ([`store`]), and a test
//! compares both on a real table.
//!
//! A [`World`] is a bounded configuration: two senders, one scheduler, one webhook at a time, two
//! recipients who may be one person, and a budget of faults. Time is not a number: what a wait, a
//! lease or the age of a claim needs are steps of their own that may happen at any moment.

#![allow(missing_docs, reason = "the names of states and steps say what they are")]

mod canonical;
mod checks;
mod exploration;
mod liveness;
mod people;
pub mod product;
mod provider;
mod rule;
mod scheduler;
mod sender;
mod setting;
pub mod state;
mod step;
pub mod store;
mod webhook;
mod world;

pub use liveness::RUNS_OF_SCHEDULER;
pub use rule::{Rule, Rules};
pub use step::Step;
pub use world::World;

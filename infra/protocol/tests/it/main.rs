//! The tests of the model.

mod in_step;
mod mutations;
mod worlds;

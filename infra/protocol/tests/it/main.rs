//! The tests of the model.

mod worlds;

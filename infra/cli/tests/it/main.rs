//! Runs the program `carillon` as its users do: each server and each command is a
//! process of its own.

mod demo;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod transfer;

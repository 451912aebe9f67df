//! Tests of the program `carillon`. Each server and each command is a process of its
//! own.

mod demo;
#[cfg(unix)]
mod kill;
mod program;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod transfer;

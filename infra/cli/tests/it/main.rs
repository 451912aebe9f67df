//! Tests of the program `carillon`. Each server and each command is a process of its
//! own.

#[cfg(unix)]
mod client;
mod demo;
#[cfg(unix)]
mod documents;
#[cfg(unix)]
mod kill;
mod program;
#[cfg(unix)]
mod requests;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod stub;
#[cfg(unix)]
mod transfer;

//! `carillon export` and `carillon import`: all data of one Carillon to a file and into
//! another, on one machine or on AWS.

mod export;
mod export_file;
mod import;
mod location;

pub(crate) use export::{ExportArgs, run as export};
pub(crate) use import::{ImportArgs, run as import};

//! The logs of the tests: one file for each test process in `target/test-logs`. The
//! `logs` test searches them for data that must not be logged.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

static SUBSCRIBED: Once = Once::new();

/// The folder of the log files.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-logs"))
}

/// Writes the logs of this process to its file: Carillon's at all levels, and the
/// warnings of libraries.
pub(crate) fn write_to_file() {
    SUBSCRIBED.call_once(|| {
        let file = open().expect("a log file");
        // Fails where the process has a subscriber already.
        let _ = tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("info,carillon=trace,dynoxide=error"))
            .with_writer(Mutex::new(file))
            .try_init();
    });
}

fn open() -> std::io::Result<File> {
    std::fs::create_dir_all(folder())?;
    let name = std::env::current_exe()?;
    let name = name.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    OpenOptions::new().create(true).append(true).open(folder().join(format!("{name}.jsonl")))
}

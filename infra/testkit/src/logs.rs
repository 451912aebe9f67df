//! What Carillon logs in tests is kept, in a file for each test process under
//! `target/test-logs`, so that it can be looked through for what no log may show.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

static KEPT: Once = Once::new();

/// The folder with the files.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-logs"))
}

/// Keeps from now on what this process logs: all that Carillon says, the quietest
/// included, and what libraries warn of.
pub(crate) fn keep() {
    KEPT.call_once(|| {
        let file = open().expect("a file for the logs");
        // A test with a subscriber of its own goes without.
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

//! Sample payloads, one per file; `SOURCES.md` beside them names their sources.

use std::path::{Path, PathBuf};

/// The folder of all payloads.
pub(crate) fn payloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

/// A file beside the repository, or the one that the environment names. A named file
/// must be readable.
pub(crate) fn reference(variable: &str, file: &str) -> Option<Vec<u8>> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let required = named.is_some();
    let beside =
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/whatsapp").join(file);
    let content = std::fs::read(named.unwrap_or_else(beside));
    assert!(content.is_ok() || !required, "{variable} names no readable file");
    content.ok()
}

/// The files of a folder of payloads by name, without their extensions.
pub(crate) fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(payloads().join(folder)).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (stem, std::fs::read(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

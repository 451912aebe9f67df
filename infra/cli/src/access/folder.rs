use std::fs;

/// What `carillon serve` stores in the folder that it was started in.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Folder {
    /// The one of the folder that the command was started in.
    pub(super) fn current() -> Option<Self> {
        Some(Self { url: stored("./.carillon/address")?, key: stored("./.carillon/admin-key")? })
    }
}

fn stored(file: &str) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

//! The port of uploaded files.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::outcome::Refusal;
use crate::sender::SenderAccess;

/// The uploaded files of a provider. A message names a file by the id that the provider gave
/// it, which is valid for one sender and for some time.
pub trait MediaFiles: Send + Sync {
    /// How long a file is kept.
    fn lifetime(&self) -> Duration;

    /// Checks the type and the size, in bytes, of a file.
    ///
    /// # Errors
    /// What is wrong with it, in plain words.
    fn check(&self, mime_type: &str, bytes: u64) -> Result<(), String>;

    /// Uploads a file for a sender and returns its id.
    fn upload<'a>(
        &'a self,
        sender: &'a SenderAccess,
        file: MediaFile,
    ) -> BoxFuture<'a, Result<String, MediaError>>;

    /// Downloads a file that was uploaded for a sender.
    fn download<'a>(
        &'a self,
        sender: &'a SenderAccess,
        id: &'a str,
    ) -> BoxFuture<'a, Result<MediaFile, MediaError>>;
}

/// A file that is read as a stream.
pub struct MediaFile {
    /// Its type, such as `image/png`.
    pub mime_type: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it contains.
    pub content: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaFile({}, {} bytes)", self.mime_type, self.bytes)
    }
}

/// Why a file was not uploaded or downloaded.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The provider could not be reached, or is busy. A later attempt may succeed.
    #[error("the provider could not be reached: {0}")]
    Unavailable(String),
    /// The provider refused: the file cannot be uploaded, or there is none.
    #[error("the provider refused: {0}")]
    Refused(Refusal),
    /// The provider refuses the sender, whatever the file.
    #[error("the connection cannot be used: {0}")]
    SenderBroken(Refusal),
}

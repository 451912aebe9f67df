use carillon::table::StoreError;
use carillon::unreadable::Why;

/// Why an event is not stored as what it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    /// It never can be.
    #[error("the event cannot be read or stored ({})", .0.as_str())]
    Unreadable(Why),
    /// The table failed. A repetition may be stored.
    #[error(transparent)]
    Store(StoreError),
    /// It is an event of a connection whose secret cannot be read.
    #[error("the secret of a connection with events cannot be read")]
    SecretUnreadable,
}

impl From<StoreError> for EventError {
    fn from(error: StoreError) -> Self {
        if error.is_refusal() { Self::Unreadable(Why::Refused) } else { Self::Store(error) }
    }
}

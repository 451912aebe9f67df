use carillon_table::StoreError;

use super::queue::QueueError;
use super::routes::RouteError;

/// Why a run failed. Recipients that it had claimed and not settled become `unconfirmed`.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no route to the provider.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

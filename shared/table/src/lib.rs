//! The one DynamoDB table: its key grammar, its schema, and the few operations that
//! the stores use. No other crate builds or parses a key.

mod key;
mod shape;
mod store;

pub use key::{Key, ListedAs, shard_of};
pub use shape::Shape;
pub use store::{
    Cancelled, Guard, Item, Page, StoreError, Table, Unreadable, Update, Write, condition_held,
    ensure_table, exclusive_start_key, listed_start_key, read_item, stored_key,
};

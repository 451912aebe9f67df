//! The one DynamoDB table: its key grammar, its shape, and the few verbs with
//! which the stores speak to it. No other file makes or takes apart a key.

mod key;
mod shape;
mod store;

pub use key::{Key, ListedAs, shard_of};
pub use shape::{Shape, ensure_table};
pub use store::{
    Cancelled, Guard, Items, Page, StoreError, Table, Update, Write, listed_place, place, read_item,
};

//! Unreadable updates in the table, in partitions of the day on which they arrived.

use carillon_table::{Key, StoreError, Table, Write, condition_held};

use super::Unreadable;

/// Adds an update. Idempotent within a day: a provider's repetition of it changes nothing.
/// `false` where the day has it already.
pub async fn add(table: &Table, unreadable: &Unreadable) -> Result<bool, StoreError> {
    let key = Key::Unreadable { day: unreadable.day(), hash: unreadable.hash.clone() };
    condition_held(table.write(Write::create(&key, unreadable)?).await)
}

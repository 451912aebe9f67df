//! Uploaded files in the table.

use carillon_foundations::ids::MediaId;
use carillon_foundations::time::sortable;
use carillon_table::{
    Item, Key, ListedAs, Page, Shape, StoreError, Table, Update, Write, condition_held,
    exclusive_start_key,
};
use jiff::Timestamp;

use super::Media;

/// Stores a new file.
pub async fn create(table: &Table, media: &Media) -> Result<(), StoreError> {
    table.write(listed(Write::create(&Key::Media(media.id), media)?, media)).await
}

/// Reads a file.
pub async fn get(table: &Table, id: MediaId) -> Result<Option<Media>, StoreError> {
    table.get(&Key::Media(id)).await
}

/// One page of the files, oldest first.
pub async fn list(
    table: &Table,
    after: Option<Item>,
    limit: u32,
) -> Result<Page<Media>, StoreError> {
    table.query_prefix("MEDIA", "", after, limit).await
}

/// The start of the page that follows a file.
pub fn start_after(id: MediaId) -> Item {
    exclusive_start_key(&Key::Media(id))
}

/// Replaces a file, if it has the version `seen`; `false` where it has not.
pub async fn replace(table: &Table, media: &Media, seen: u64) -> Result<bool, StoreError> {
    let write = Write::put(&Key::Media(media.id), media)?;
    condition_held(table.write(listed(write, media).if_version(seen)).await)
}

/// The files whose renewal is due, at most 100, the earliest first.
pub async fn due(table: &Table, now: Timestamp) -> Result<Vec<Media>, StoreError> {
    let page = table.list::<Media>(ListedAs::Media, false, None, 100).await?;
    let is_due = |media: &Media| media.renew_at.is_some_and(|at| at <= now);
    Ok(page.items.into_iter().filter(is_due).collect())
}

/// Sets the next renewal of a file. `false` where the file has changed since it was read.
pub async fn postpone(table: &Table, media: &Media, at: Timestamp) -> Result<bool, StoreError> {
    let update =
        Update::of(&Key::Media(media.id)).set("renew_at", at).set(Shape::LISTED_AT, sortable(at));
    condition_held(table.write(Write::Update(update).if_version(media.version)).await)
}

/// Deletes a file, if there is one.
pub async fn delete(table: &Table, id: MediaId) -> Result<(), StoreError> {
    table.write(Write::delete(&Key::Media(id))).await
}

fn listed(write: Write, media: &Media) -> Write {
    match media.renew_at {
        Some(at) => write.listed(ListedAs::Media, &sortable(at)),
        None => write,
    }
}

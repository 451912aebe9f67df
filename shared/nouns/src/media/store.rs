//! Uploaded files in the table.

use carillon_foundations::ids::{ConnectionId, MediaId};
use carillon_foundations::time::sortable;
use carillon_table::{
    Item, Key, ListedAs, Page, Shape, StoreError, Table, Unreadable, Update, Write, condition_held,
    exclusive_start_key,
};
use jiff::Timestamp;

use super::{Media, MediaUpload};

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

/// Stores a new upload of a file over a connection. `false` where the file was deleted.
pub async fn add_upload(
    table: &Table,
    id: MediaId,
    connection: ConnectionId,
    upload: &MediaUpload,
    now: Timestamp,
) -> Result<bool, StoreError> {
    change(table, id, now, |media| media.uploaded(connection, upload.clone())).await
}

/// Forgets the upload of a file over a connection: the provider no longer takes its id.
pub async fn forget_upload(
    table: &Table,
    id: MediaId,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let forget = |mut media: Media| {
        media.uploads.remove(&connection);
        media
    };
    change(table, id, now, forget).await
}

/// Changes a file, again where another change came between.
async fn change(
    table: &Table,
    id: MediaId,
    now: Timestamp,
    change: impl Fn(Media) -> Media,
) -> Result<bool, StoreError> {
    loop {
        let Some(known) = get(table, id).await? else { return Ok(false) };
        let seen = known.version;
        if replace(table, &change(known).changed(now), seen).await? {
            return Ok(true);
        }
    }
}

/// The files whose renewal is due, at most 100, the earliest first. One that can't be read does
/// not hide the others.
pub async fn due(
    table: &Table,
    now: Timestamp,
) -> Result<Vec<Result<Media, Unreadable>>, StoreError> {
    table.list_until(ListedAs::Media, &sortable(now), 100).await
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

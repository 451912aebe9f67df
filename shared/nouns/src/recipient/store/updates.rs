//! What the changes of a recipient have in common.

use carillon_foundations::time::sortable;
use carillon_table::{ListedAs, Shape, StoreError, Table, Update, condition_held};
use jiff::Timestamp;

use crate::recipient::{Position, RecipientKey, Status};

pub(super) fn at(key: &RecipientKey, position: Position) -> Update {
    Update::of(&key.table_key())
        .when("#attempt = :attempt AND #rank = :rank AND #status = :status")
        .value("attempt", position.attempt)
        .value("rank", position.status.rank())
        .value("status", position.status)
}

pub(super) fn status(update: Update, status: Status) -> Update {
    update.set("status", status).set("rank", status.rank())
}

pub(super) fn listed(update: Update, key: &RecipientKey, due_at: Timestamp) -> Update {
    update
        .set(Shape::LISTED_AS, ListedAs::BeforeWalk(key.campaign).to_string())
        .set(Shape::LISTED_AT, sortable(due_at))
}

pub(super) fn unlisted(update: Update) -> Update {
    update.remove(Shape::LISTED_AS).remove(Shape::LISTED_AT)
}

pub(super) async fn passed(table: &Table, update: Update) -> Result<bool, StoreError> {
    condition_held(table.update(update).await)
}

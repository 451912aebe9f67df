//! Operations on items of any kind, for the export and import of a whole table.

use aws_sdk_dynamodb::types::AttributeValue;

use super::error::{condition_held, failure};
use super::{Item, Page, StoreError, Table};
use crate::Shape;

impl Table {
    /// One page of all items, in no order.
    pub async fn scan(&self, after: Option<Item>) -> Result<Page<Item>, StoreError> {
        let request = self
            .client
            .scan()
            .table_name(&self.name)
            .set_exclusive_start_key(after)
            .consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        Ok(Page {
            items: answer.items.unwrap_or_default(),
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Adds an item; `false` when there is one with its key already.
    pub async fn add(&self, item: Item) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(format!("attribute_not_exists({})", Shape::PK));
        condition_held(self.retry_conflicts(|| request.clone().send()).await)
    }

    /// Puts an item that was added without its list attributes on its work list.
    /// Returns `false` where the item has changed since.
    pub async fn restore_listing(&self, item: &Item) -> Result<bool, StoreError> {
        let [pk, sk, listed_as, listed_at] =
            [Shape::PK, Shape::SK, Shape::LISTED_AS, Shape::LISTED_AT]
                .map(|name| item.get(name).cloned().unwrap_or(AttributeValue::Null(true)));
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(Shape::PK, pk)
            .key(Shape::SK, sk)
            .update_expression("SET listed_as = :as, listed_at = :at")
            .expression_attribute_values(":as", listed_as)
            .expression_attribute_values(":at", listed_at);
        let unlisted = "attribute_exists(pk) AND attribute_not_exists(listed_as)";
        let request = match item.get("status") {
            Some(status) => request
                .condition_expression(format!("{unlisted} AND #status = :status"))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", status.clone()),
            None => request.condition_expression(unlisted),
        };
        condition_held(self.retry_conflicts(|| request.clone().send()).await)
    }
}

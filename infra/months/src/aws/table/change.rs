use std::sync::Arc;

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::table::Shape;
use carillon::time::Timestamp;
use chrono::DateTime;
use serde_dynamo::{AttributeValue, Item};

use super::request::ItemKey;

/// A change of an item.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: ItemKey,
    /// What it was; none before it existed.
    pub(crate) old: Option<Arc<Item>>,
    /// What it is; none after it was deleted.
    pub(crate) new: Option<Arc<Item>>,
}

impl Change {
    /// Its record on the table's stream.
    pub(crate) fn record(&self, sequence_number: u64, now: Timestamp) -> EventRecord {
        let image = |item: &Option<Arc<Item>>| item.as_deref().cloned().unwrap_or_default();
        let name = match (&self.old, &self.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let mut record = EventRecord::default();
        name.clone_into(&mut record.event_name);
        record.change.keys.insert(Shape::PK.to_owned(), AttributeValue::S(self.key.pk.clone()));
        record.change.keys.insert(Shape::SK.to_owned(), AttributeValue::S(self.key.sk.clone()));
        record.change.old_image = image(&self.old);
        record.change.new_image = image(&self.new);
        let at = &mut record.change.approximate_creation_date_time;
        *at = DateTime::from_timestamp_secs(now.as_second()).unwrap_or_default();
        record.change.sequence_number = Some(sequence_number.to_string());
        record
    }
}

//! The operations that the stores use, over the DynamoDB SDK.

mod conditions;
mod create;
mod error;
mod item;
mod page;
mod whole;
mod write;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::{AsyncSleep, SharedAsyncSleep};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use carillon_foundations::address::Address;
use carillon_foundations::address_key::{AddressKeyError, AddressKeys};
use carillon_foundations::aws::AwsConfig;
use carillon_foundations::ids::ContactId;
use carillon_foundations::time::sortable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

pub use self::create::ensure_table;
pub use self::error::{Cancelled, StoreError, Unreadable, condition_held};
pub use self::item::{exclusive_start_key, listed_start_key, read_item, stored_key};
pub use self::page::{Item, Page};
pub use self::write::{Guard, Update, Write};

use self::error::{ConditionFailure, failure, index_failure, unavailable};
use self::item::{each_item, key_item, page, string};
use crate::{Key, ListedAs, Shape};

/// The fingerprint of the key that hashes a table's addresses.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AddressKeyItem {
    fingerprint: String,
}

/// The table and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    addresses: AddressKeys,
    /// How the SDK sleeps; by tokio's timer where it has no way of its own.
    sleep: Option<SharedAsyncSleep>,
    /// Set once the key of the addresses is known to be this table's.
    checked: Arc<OnceCell<()>>,
}

// The SDK's futures are large and deep: each is boxed where it is made.
impl Table {
    /// The table of that name, reached with the DynamoDB configuration of `aws`. It handles
    /// no addresses, see [`Table::with_addresses`].
    pub fn new(aws: &AwsConfig, name: &str) -> Self {
        let addresses = AddressKeys::none();
        let client = Client::new(&aws.dynamodb);
        let sleep = aws.dynamodb.sleep_impl();
        Self { client, name: name.to_owned(), addresses, sleep, checked: Arc::default() }
    }

    /// The same table with the key that hashes addresses.
    #[must_use]
    pub fn with_addresses(self, addresses: AddressKeys) -> Self {
        Self { addresses, checked: Arc::default(), ..self }
    }

    /// The key of an address.
    ///
    /// # Errors
    /// As of [`Table::ensure_address_key`], which it calls once in a process.
    pub async fn address_key(&self, address: &Address) -> Result<Key, StoreError> {
        self.checked
            .get_or_try_init(|| async { self.ensure_address_key().await.map(drop) })
            .await?;
        let hash = self.addresses.hash(address).await.map_err(StoreError::AddressKey)?;
        Ok(Key::Address(hash))
    }

    /// Makes the key that hashes addresses, where this table has none yet, and returns its
    /// fingerprint.
    ///
    /// # Errors
    /// The key is lost, or is not the one with which this table's addresses were hashed:
    /// none of them would be found.
    pub async fn ensure_address_key(&self) -> Result<String, StoreError> {
        let mut known: Option<AddressKeyItem> = self.get(&Key::AddressKey).await?;
        if known.is_none() {
            self.addresses.create().await.map_err(StoreError::AddressKey)?;
        }
        let fingerprint = self.addresses.fingerprint().await.map_err(StoreError::AddressKey)?;
        let ours = AddressKeyItem { fingerprint };
        if known.is_none() {
            condition_held(self.write(Write::create(&Key::AddressKey, &ours)?).await)?;
            // Another process may have been first.
            known = self.get(&Key::AddressKey).await?;
        }
        if known.as_ref() == Some(&ours) {
            return Ok(ours.fingerprint);
        }
        Err(StoreError::AddressKey(AddressKeyError::Different))
    }

    /// Reads one item. The read is strongly consistent.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        answer.item.map(read_item).transpose()
    }

    /// Reads items, 100 with each request, and returns those that exist with
    /// their keys, in no order; one of several equal keys. The reads are strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the table throttles some of them for five seconds.
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<(Key, T)>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        // A request with a key twice is refused. Source: AWS, `BatchGetItem`.
        let mut seen = HashSet::with_capacity(keys.len());
        let unique = keys.iter().filter(|key| seen.insert((key.pk(), key.sk())));
        let mut wanted: Vec<Item> = unique.map(key_item).collect();
        let mut throttled = 0;
        while !wanted.is_empty() {
            let next = wanted.drain(..wanted.len().min(MAX_BATCH_GET)).collect();
            let (items, left) = self.get_some(next).await?;
            for item in items {
                if let Some(key) = stored_key(&item) {
                    found.push((key, read_item(item)?));
                }
            }
            if left.is_empty() {
                continue;
            }
            wanted.extend(left);
            if throttled == MAX_BATCH_GET_RETRIES {
                let code = "UnprocessedKeys".to_owned();
                let source = "the table throttles reads".into();
                return Err(StoreError::Unavailable { code, source });
            }
            self.pause(throttled).await;
            throttled += 1;
        }
        Ok(found)
    }

    /// Reads the items with these keys, and returns the keys that the table has not read: it
    /// throttles them, or the answer would be larger than 16 MB. Source: AWS, `BatchGetItem`.
    async fn get_some(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(unavailable)?;
        let request = self.client.batch_get_item().request_items(&self.name, request);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        let items = answer.responses.into_iter().flatten().flat_map(|(_, items)| items).collect();
        let mut left = answer.unprocessed_keys.unwrap_or_default();
        Ok((items, left.remove(&self.name).map(|rest| rest.keys).unwrap_or_default()))
    }

    /// One page of a partition in sort-key order. `range` bounds the sort key on both
    /// sides, inclusive. The read is strongly consistent.
    pub async fn query<T: DeserializeOwned>(
        &self,
        pk: &str,
        range: (&str, &str),
        after: Option<Item>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let request = self.ranged(pk, range, after, limit);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        page(answer.items, answer.last_evaluated_key)
    }

    /// As [`Table::query`], in reverse order.
    pub async fn query_back<T: DeserializeOwned>(
        &self,
        pk: &str,
        range: (&str, &str),
        after: Option<Item>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let request = self.ranged(pk, range, after, limit).scan_index_forward(false);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        page(answer.items, answer.last_evaluated_key)
    }

    fn ranged(
        &self,
        pk: &str,
        range: (&str, &str),
        after: Option<Item>,
        limit: u32,
    ) -> QueryFluentBuilder {
        let request = self.client.query().table_name(&self.name);
        // No key is an empty text, and DynamoDB refuses a condition with one.
        let request = if range.0.is_empty() {
            request.key_condition_expression("pk = :pk AND sk <= :to")
        } else {
            request
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":from", string(range.0))
        };
        request
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":to", string(range.1))
            .set_exclusive_start_key(after)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true)
    }

    /// One page of all items of a partition whose sort key starts with `prefix`.
    pub async fn query_prefix<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<Item>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let end = format!("{prefix}\u{10FFFF}");
        self.query(pk, (prefix, &end), after, limit).await
    }

    /// All items of a partition whose sort key starts with `prefix`.
    pub async fn query_all<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        all_pages(|after| self.query_prefix(pk, prefix, after, 1000)).await
    }

    /// As [`Table::query_all`], but an item that can't be read does not hide the others.
    pub async fn query_each<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<Result<T, Unreadable>>, StoreError> {
        let end = format!("{prefix}\u{10FFFF}");
        let items = all_pages(|after| async {
            let request = self.ranged(pk, (prefix, &end), after, 1000);
            let answer = Box::pin(request.send()).await.map_err(failure)?;
            Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
        });
        Ok(items.await?.into_iter().map(each_item).collect())
    }

    /// As [`Table::list_all`], oldest first, but an item that can't be read does not hide the
    /// others.
    pub async fn list_each<T: DeserializeOwned>(
        &self,
        listed_as: ListedAs,
    ) -> Result<Vec<Result<T, Unreadable>>, StoreError> {
        let items = all_pages(|after| async {
            let request = self.listed(listed_as, after, 500);
            let answer = Box::pin(request.send()).await.map_err(index_failure)?;
            Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
        });
        Ok(items.await?.into_iter().map(each_item).collect())
    }

    /// The first items of a work list up to the position `until`, inclusive. Eventually
    /// consistent.
    pub async fn list_until<T: DeserializeOwned>(
        &self,
        listed_as: ListedAs,
        until: &str,
        limit: u32,
    ) -> Result<Vec<Result<T, Unreadable>>, StoreError> {
        let request = self
            .listed(listed_as, None, limit)
            .key_condition_expression("listed_as = :list AND listed_at <= :until")
            .expression_attribute_values(":until", string(until));
        let answer = Box::pin(request.send()).await.map_err(index_failure)?;
        Ok(answer.items.unwrap_or_default().into_iter().map(each_item).collect())
    }

    /// All items of a work list.
    pub async fn list_all<T: DeserializeOwned>(
        &self,
        listed_as: ListedAs,
        newest_first: bool,
    ) -> Result<Vec<T>, StoreError> {
        all_pages(|after| self.list(listed_as, newest_first, after, 500)).await
    }

    /// One page of a work list.
    pub async fn list<T: DeserializeOwned>(
        &self,
        listed_as: ListedAs,
        newest_first: bool,
        after: Option<Item>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let request = self.listed(listed_as, after, limit).scan_index_forward(!newest_first);
        let answer = Box::pin(request.send()).await.map_err(index_failure)?;
        page(answer.items, answer.last_evaluated_key)
    }

    fn listed(&self, listed_as: ListedAs, after: Option<Item>, limit: u32) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(Shape::BY_STATUS)
            .key_condition_expression("listed_as = :list")
            .expression_attribute_values(":list", string(&listed_as.to_string()))
            .set_exclusive_start_key(after)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
    }

    /// The keys of the recipients of a contact that were sent to since `since`, newest
    /// first: all, or the latest 25. Eventually consistent.
    pub async fn sent_to(
        &self,
        contact: ContactId,
        since: jiff::Timestamp,
        all: bool,
    ) -> Result<Vec<Key>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(Shape::BY_CONTACT)
                .key_condition_expression("sk = :sk AND sent_at >= :since")
                .expression_attribute_values(":sk", string(&Key::recipient_sk(contact)))
                .expression_attribute_values(":since", string(&sortable(since)))
                .scan_index_forward(false)
                .set_exclusive_start_key(after)
                .limit(if all { 1000 } else { 25 });
            let answer = Box::pin(request.send()).await.map_err(index_failure)?;
            found.extend(answer.items.unwrap_or_default().iter().filter_map(stored_key));
            after = answer.last_evaluated_key.filter(|_| all);
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Executes one write.
    pub async fn write(&self, write: Write) -> Result<(), StoreError> {
        match write {
            Write::Put { item, guard } => {
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(item))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values());
                self.retry_conflicts(|| request.clone().send()).await?;
            }
            Write::Update(update) => {
                self.update(update).await?;
            }
            Write::Delete { key, guard } => {
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(key))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values());
                self.retry_conflicts(|| request.clone().send()).await?;
            }
            Write::Check { .. } => self.transact(vec![write]).await?,
        }
        Ok(())
    }

    /// Executes one update and returns the item after it. Where the condition fails,
    /// [`StoreError::Condition`] carries the item.
    pub async fn update(&self, update: Update) -> Result<Item, StoreError> {
        let (key, expression, guard) = update.parts();
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(expression)
            .set_condition_expression(guard.expression())
            .set_expression_attribute_names(guard.names())
            .set_expression_attribute_values(guard.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let answer = self.retry_conflicts(|| request.clone().send()).await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Executes all writes or none. The SDK adds a client request token, so that its
    /// own retry of a request is idempotent.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let items = writes
            .into_iter()
            .map(|write| write.in_transaction(&self.name))
            .collect::<Result<Vec<_>, _>>()?;
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let outcome = Box::pin(request.send()).await.map_err(failure);
        if let Err(StoreError::Cancelled(reasons)) = &outcome
            && reasons.iter().any(|reason| matches!(reason, Cancelled::Conflict))
        {
            // The caller retries: by then the other transaction should be over.
            self.pause(0).await;
        }
        outcome.map(drop)
    }

    /// Retries a plain write while a transaction holds its item.
    async fn retry_conflicts<T, E, F>(&self, send: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: std::error::Error + ProvideErrorMetadata + ConditionFailure + Send + Sync + 'static,
    {
        let mut tries = 0;
        loop {
            match Box::pin(send()).await.map_err(failure) {
                Err(conflict) if conflict.is_conflict() && tries < CONFLICT_RETRIES => {
                    self.pause(tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The pause before a retry, by the SDK's clock: a simulation has one of its own.
    async fn pause(&self, tries: u32) {
        let delay = CONFLICT_DELAY * 2u32.pow(tries);
        match &self.sleep {
            Some(sleep) => sleep.sleep(delay).await,
            None => tokio::time::sleep(delay).await,
        }
    }
}

/// The items of all pages. `page_after` reads the page that follows a key.
async fn all_pages<T, F>(page_after: impl Fn(Option<Item>) -> F) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<Page<T>, StoreError>>,
{
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = page_after(after).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// The delay before a write is retried that met a transaction on its item.
const CONFLICT_DELAY: Duration = Duration::from_millis(20);
/// The maximum number of keys of a batch of reads. Source: AWS, `BatchGetItem`.
const MAX_BATCH_GET: usize = 100;
/// Retries of a batch of reads of which some were throttled: about five seconds.
const MAX_BATCH_GET_RETRIES: u32 = 8;
/// Retries of a plain write that met a transaction.
const CONFLICT_RETRIES: u32 = 6;

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    #[test]
    fn no_condition_on_a_key_has_an_empty_text() {
        let config = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let table = Table {
            client: Client::from_conf(config),
            name: "table".to_owned(),
            addresses: AddressKeys::none(),
            sleep: None,
            checked: Arc::default(),
        };
        for range in [("", "\u{10FFFF}"), ("con_", "con_\u{10FFFF}")] {
            let request = table.ranged("CONNECTION", range, None, 10);
            let values = request.get_expression_attribute_values().clone().unwrap_or_default();
            let is_empty = |value: &AttributeValue| value.as_s().is_ok_and(String::is_empty);
            assert!(!values.values().any(is_empty), "{values:?}");
            let expression = request.get_key_condition_expression().clone().unwrap_or_default();
            assert!(values.keys().all(|name| expression.contains(name)), "{expression}");
        }
    }
}

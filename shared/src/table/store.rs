use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CancellationReason, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, StreamSpecification, StreamViewType,
    TimeToLiveSpecification, TransactWriteItem,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Key, ListedAs, Shape};

/// An item as `DynamoDB` hands it over.
pub type Items = HashMap<String, AttributeValue>;

/// What can go wrong between a store and the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; the item as it is, where there is one.
    #[error("the condition on the item did not hold")]
    Condition(Option<Box<Items>>),
    /// A transaction did not go through; one reason a write.
    #[error("the transaction was cancelled")]
    Cancelled(Vec<Cancelled>),
    /// An item doesn't read as what it should be.
    #[error("a stored item can't be read")]
    Malformed(#[source] serde_dynamo::Error),
    /// The table could not be asked; trying again may help.
    #[error("the table is not available ({code})")]
    Unavailable {
        /// AWS's name of the error.
        code: String,
        /// What the SDK says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// Why one write of a cancelled transaction stands in the way, or doesn't.
#[derive(Debug)]
pub enum Cancelled {
    /// This write would have gone through.
    Fine,
    /// Its condition did not hold; the item as it is.
    Condition(Items),
    /// Someone else is writing the item; trying again helps.
    Conflict,
}

/// The table and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

/// One page of a query, and where the next starts.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in key order.
    pub items: Vec<T>,
    /// The key to go on after; `None` at the end.
    pub next: Option<Items>,
}

// The SDK's futures are large and deep: each is boxed where it is made.
impl Table {
    /// The table of that name, reached with the standard AWS variables
    /// (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_REGION`, …).
    pub fn new(aws: &crate::AwsConfig, name: &str) -> Self {
        Self { client: Client::new(&aws.dynamodb), name: name.to_owned() }
    }

    /// Reads one item, strongly consistent.
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

    /// Reads up to 100 items, strongly consistent; the ones that exist, in no order.
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        let mut wanted: Vec<Items> = keys.iter().map(key_item).collect();
        while !wanted.is_empty() {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .build()
                .map_err(unavailable)?;
            let request = self.client.batch_get_item().request_items(&self.name, request);
            let answer = Box::pin(request.send()).await.map_err(failure)?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                found.push(read_item(item)?);
            }
            let mut left = answer.unprocessed_keys.unwrap_or_default();
            wanted = left.remove(&self.name).map(|rest| rest.keys).unwrap_or_default();
        }
        Ok(found)
    }

    /// One page of a partition, in sort-key order, strongly consistent.
    /// `range` bounds the sort key on both sides, inclusive.
    pub async fn query<T: DeserializeOwned>(
        &self,
        pk: &str,
        range: (&str, &str),
        after: Option<Items>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":from", string(range.0))
            .expression_attribute_values(":to", string(range.1))
            .set_exclusive_start_key(after)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        page(answer.items, answer.last_evaluated_key)
    }

    /// One page of all items of a partition whose sort key starts with `prefix`.
    pub async fn query_prefix<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<Items>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let end = format!("{prefix}\u{10FFFF}");
        self.query(pk, (prefix, &end), after, limit).await
    }

    /// One page of a working list, newest first when `newest_first`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        listed_as: ListedAs,
        newest_first: bool,
        after: Option<Items>,
        limit: u32,
    ) -> Result<Page<T>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(Shape::BY_STATUS)
            .key_condition_expression("listed_as = :list")
            .expression_attribute_values(":list", string(&listed_as.to_string()))
            .scan_index_forward(!newest_first)
            .set_exclusive_start_key(after)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        page(answer.items, answer.last_evaluated_key)
    }

    /// The keys of what a contact was sent since `since`, newest first, at most 25.
    pub async fn sent_to(
        &self,
        contact: &crate::contact::ContactKey,
        since: jiff::Timestamp,
    ) -> Result<Vec<Key>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(Shape::BY_CONTACT)
            .key_condition_expression("sk = :sk AND sent_at >= :since")
            .expression_attribute_values(":sk", string(&Key::recipient_sk(contact)))
            .expression_attribute_values(":since", string(&crate::time::sortable(since)))
            .scan_index_forward(false)
            .limit(25);
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        Ok(answer.items.unwrap_or_default().iter().filter_map(stored_key).collect())
    }

    /// Carries out one write.
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
                Box::pin(request.send()).await.map_err(failure)?;
            }
            Write::Update(update) => {
                self.update(update).await?;
            }
            Write::Delete(key) => {
                let request =
                    self.client.delete_item().table_name(&self.name).set_key(Some(key_item(&key)));
                Box::pin(request.send()).await.map_err(failure)?;
            }
            Write::DeleteUnchanged { key, version } => {
                let guard = Guard::version(version);
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values());
                Box::pin(request.send()).await.map_err(failure)?;
            }
        }
        Ok(())
    }

    /// Carries out one update and gives the item as it is afterwards. When the
    /// condition doesn't hold, [`StoreError::Condition`] carries the item.
    pub async fn update(&self, update: Update) -> Result<Items, StoreError> {
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
        let answer = Box::pin(request.send()).await.map_err(failure)?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Carries out all writes or none. `token` makes a repetition within ten
    /// minutes harmless.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let items = writes
            .into_iter()
            .map(|write| write.in_transaction(&self.name))
            .collect::<Result<Vec<_>, _>>()?;
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        Box::pin(request.send()).await.map_err(failure)?;
        Ok(())
    }

    pub(super) async fn exists(&self) -> Result<bool, StoreError> {
        let request = self.client.describe_table().table_name(&self.name);
        match Box::pin(request.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    pub(super) async fn create(&self) -> Result<(), StoreError> {
        let attributes = [Shape::PK, Shape::SK, Shape::SENT_AT, Shape::LISTED_AS, Shape::LISTED_AT];
        let definitions = attributes.into_iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(unavailable)?;
        let request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(definitions))
            .set_key_schema(Some(schema(Shape::PK, Shape::SK)?))
            .global_secondary_indexes(index(
                Shape::BY_CONTACT,
                schema(Shape::SK, Shape::SENT_AT)?,
                ProjectionType::KeysOnly,
            )?)
            .global_secondary_indexes(index(
                Shape::BY_STATUS,
                schema(Shape::LISTED_AS, Shape::LISTED_AT)?,
                ProjectionType::All,
            )?)
            .stream_specification(stream);
        Box::pin(request.send()).await.map_err(failure)?;
        let ttl = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(Shape::TTL)
            .build()
            .map_err(unavailable)?;
        let request = self
            .client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(ttl);
        Box::pin(request.send()).await.map_err(failure)?;
        Ok(())
    }
}

fn attribute(name: &str) -> Result<AttributeDefinition, StoreError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(unavailable)
}

fn schema(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
        .collect::<Result<_, _>>()
        .map_err(unavailable)
}

fn index(
    name: &str,
    schema: Vec<KeySchemaElement>,
    projection: ProjectionType,
) -> Result<GlobalSecondaryIndex, StoreError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema))
        .projection(Projection::builder().projection_type(projection).build())
        .build()
        .map_err(unavailable)
}

/// A write, alone or as part of a transaction.
#[derive(Debug)]
pub enum Write {
    /// Puts a whole item.
    Put {
        /// The item, keys included.
        item: Items,
        /// What must hold before.
        guard: Guard,
    },
    /// Changes attributes.
    Update(Update),
    /// Deletes an item, whatever it holds.
    Delete(Key),
    /// Deletes an item while it has that version.
    DeleteUnchanged {
        /// The item.
        key: Key,
        /// The version it must have.
        version: u64,
    },
}

impl Write {
    /// Puts an item only where none is.
    pub fn create<T: Serialize>(key: &Key, value: &T) -> Result<Self, StoreError> {
        let mut guard = Guard::default();
        guard.condition("attribute_not_exists(pk)");
        Ok(Self::Put { item: item_of(key, value)?, guard })
    }

    /// Puts an item, replacing what is there.
    pub fn put<T: Serialize>(key: &Key, value: &T) -> Result<Self, StoreError> {
        Ok(Self::Put { item: item_of(key, value)?, guard: Guard::default() })
    }

    /// Adds the attributes that show the item in a working list.
    #[must_use]
    pub fn listed(self, listed_as: ListedAs, listed_at: &str) -> Self {
        match self {
            Self::Put { mut item, guard } => {
                item.insert(Shape::LISTED_AS.to_owned(), string(&listed_as.to_string()));
                item.insert(Shape::LISTED_AT.to_owned(), string(listed_at));
                Self::Put { item, guard }
            }
            Self::Update(update) => Self::Update(
                update
                    .set(Shape::LISTED_AS, listed_as.to_string())
                    .set(Shape::LISTED_AT, listed_at),
            ),
            Self::Delete(_) | Self::DeleteUnchanged { .. } => self,
        }
    }

    /// Lets a write happen only while the item has that `version`.
    #[must_use]
    pub fn if_version(self, version: u64) -> Self {
        match self {
            Self::Put { item, mut guard } => {
                guard.condition("#version = :seen_version");
                guard.values.insert(":seen_version".to_owned(), attribute_value(version));
                Self::Put { item, guard }
            }
            Self::Update(update) => {
                Self::Update(update.when("#version = :seen_version").value("seen_version", version))
            }
            Self::Delete(key) | Self::DeleteUnchanged { key, .. } => {
                Self::DeleteUnchanged { key, version }
            }
        }
    }

    fn in_transaction(self, table: &str) -> Result<TransactWriteItem, StoreError> {
        use aws_sdk_dynamodb::types as sdk;
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        let item = match self {
            Self::Put { item: attributes, guard } => item.put(
                sdk::Put::builder()
                    .table_name(table)
                    .set_item(Some(attributes))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .return_values_on_condition_check_failure(old)
                    .build()
                    .map_err(unavailable)?,
            ),
            Self::Update(update) => {
                let (key, expression, guard) = update.parts();
                item.update(
                    sdk::Update::builder()
                        .table_name(table)
                        .set_key(Some(key))
                        .update_expression(expression)
                        .set_condition_expression(guard.expression())
                        .set_expression_attribute_names(guard.names())
                        .set_expression_attribute_values(guard.values())
                        .return_values_on_condition_check_failure(old)
                        .build()
                        .map_err(unavailable)?,
                )
            }
            Self::Delete(key) => item.delete(
                sdk::Delete::builder()
                    .table_name(table)
                    .set_key(Some(key_item(&key)))
                    .build()
                    .map_err(unavailable)?,
            ),
            Self::DeleteUnchanged { key, version } => {
                let guard = Guard::version(version);
                item.delete(
                    sdk::Delete::builder()
                        .table_name(table)
                        .set_key(Some(key_item(&key)))
                        .set_condition_expression(guard.expression())
                        .set_expression_attribute_names(guard.names())
                        .set_expression_attribute_values(guard.values())
                        .build()
                        .map_err(unavailable)?,
                )
            }
        };
        Ok(item.build())
    }
}

/// What must hold for a write, and the names and values its expressions use.
/// Every `#name` in an expression stands for the attribute `name`.
#[derive(Debug, Default)]
pub struct Guard {
    conditions: Vec<String>,
    names: BTreeSet<String>,
    values: HashMap<String, AttributeValue>,
}

impl Guard {
    fn version(version: u64) -> Self {
        let mut guard = Self::default();
        guard.condition("#version = :seen_version");
        guard.values.insert(":seen_version".to_owned(), attribute_value(version));
        guard
    }

    fn condition(&mut self, expression: &str) {
        let words = expression.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '_'));
        self.names.extend(words.filter_map(|word| word.strip_prefix('#')).map(str::to_owned));
        self.conditions.push(format!("({expression})"));
    }

    fn expression(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        let pairs = self.names.iter().map(|name| (format!("#{name}"), name.clone()));
        (!self.names.is_empty()).then(|| pairs.collect())
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// A change of some attributes of one item, under conditions.
#[derive(Debug)]
pub struct Update {
    key: Items,
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    guard: Guard,
}

impl Update {
    /// A change of the item with that key.
    pub fn of(key: &Key) -> Self {
        Self {
            key: key_item(key),
            sets: Vec::new(),
            adds: Vec::new(),
            removes: Vec::new(),
            guard: Guard::default(),
        }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        let placeholder = self.bind(name, value);
        self.sets.push(format!("#{name} = {placeholder}"));
        self
    }

    /// Sets an attribute where the item has none of that name.
    #[must_use]
    pub fn set_once(mut self, name: &str, value: impl Serialize) -> Self {
        let placeholder = self.bind(name, value);
        self.sets.push(format!("#{name} = if_not_exists(#{name}, {placeholder})"));
        self
    }

    /// Sets an attribute to a value, or removes it.
    #[must_use]
    pub fn set_or_remove(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Adds to a number, which starts at 0.
    #[must_use]
    pub fn add(mut self, name: &str, amount: i64) -> Self {
        let placeholder = self.bind(name, amount);
        self.adds.push(format!("#{name} {placeholder}"));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.guard.names.insert(name.to_owned());
        self.removes.push(format!("#{name}"));
        self
    }

    /// Adds a condition; `#name` stands for the attribute `name`, `:value` for
    /// what [`Update::value`] binds.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        self.guard.condition(condition);
        self
    }

    /// Binds a value of a condition.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Serialize) -> Self {
        self.guard.values.insert(format!(":{name}"), attribute_value(value));
        self
    }

    fn bind(&mut self, name: &str, value: impl Serialize) -> String {
        let placeholder = format!(":set_{name}");
        self.guard.names.insert(name.to_owned());
        self.guard.values.insert(placeholder.clone(), attribute_value(value));
        placeholder
    }

    fn parts(self) -> (Items, String, Guard) {
        let clauses = [("SET", self.sets), ("ADD", self.adds), ("REMOVE", self.removes)];
        let expression = clauses
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect::<Vec<_>>()
            .join(" ");
        (self.key, expression, self.guard)
    }
}

/// The place of an item, for a page that goes on after it.
pub fn place(key: &Key) -> Items {
    key_item(key)
}

/// The place of an item in a working list.
pub fn listed_place(key: &Key, listed_as: ListedAs, listed_at: &str) -> Items {
    let mut place = key_item(key);
    place.insert(Shape::LISTED_AS.to_owned(), string(&listed_as.to_string()));
    place.insert(Shape::LISTED_AT.to_owned(), string(listed_at));
    place
}

/// Reads an item as a value; attributes it doesn't know are passed over.
pub fn read_item<T: DeserializeOwned>(item: Items) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(StoreError::Malformed)
}

fn item_of<T: Serialize>(key: &Key, value: &T) -> Result<Items, StoreError> {
    let mut item: Items =
        serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(StoreError::Malformed)?;
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    item.extend(key_item(key));
    Ok(item)
}

fn attribute_value(value: impl Serialize) -> AttributeValue {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value)
        .unwrap_or(AttributeValue::Null(true))
}

fn key_item(key: &Key) -> Items {
    HashMap::from([
        (Shape::PK.to_owned(), string(&key.pk())),
        (Shape::SK.to_owned(), string(&key.sk())),
    ])
}

fn stored_key(item: &Items) -> Option<Key> {
    let pk = item.get(Shape::PK)?.as_s().ok()?;
    let sk = item.get(Shape::SK)?.as_s().ok()?;
    Key::parse(pk, sk)
}

fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn page<T: DeserializeOwned>(
    items: Option<Vec<Items>>,
    next: Option<Items>,
) -> Result<Page<T>, StoreError> {
    let items = items.unwrap_or_default().into_iter().map(read_item).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

fn unavailable(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { code: "client".to_owned(), source: Box::new(error) }
}

/// Sorts an SDK error into what a store can act on.
fn failure<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + ConditionFailure + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if let Some(refused) = error.as_service_error().and_then(ConditionFailure::refused) {
        return refused;
    }
    let code = error.code().unwrap_or("no answer").to_owned();
    StoreError::Unavailable { code, source: Box::new(error) }
}

/// Tells a failed condition from every other error of an operation.
trait ConditionFailure {
    fn refused(&self) -> Option<StoreError> {
        None
    }
}

mod conditions {
    use aws_sdk_dynamodb::operation as op;

    use super::{CancellationReason, Cancelled, ConditionFailure, StoreError};

    impl ConditionFailure for op::get_item::GetItemError {}
    impl ConditionFailure for op::batch_get_item::BatchGetItemError {}
    impl ConditionFailure for op::query::QueryError {}
    impl ConditionFailure for op::describe_table::DescribeTableError {}
    impl ConditionFailure for op::create_table::CreateTableError {}
    impl ConditionFailure for op::update_time_to_live::UpdateTimeToLiveError {}

    impl ConditionFailure for op::put_item::PutItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(failed) => {
                    Some(StoreError::Condition(failed.item.clone().map(Box::new)))
                }
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::delete_item::DeleteItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(_) => Some(StoreError::Condition(None)),
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::update_item::UpdateItemError {
        fn refused(&self) -> Option<StoreError> {
            match self {
                Self::ConditionalCheckFailedException(failed) => {
                    Some(StoreError::Condition(failed.item.clone().map(Box::new)))
                }
                _ => None,
            }
        }
    }

    impl ConditionFailure for op::transact_write_items::TransactWriteItemsError {
        fn refused(&self) -> Option<StoreError> {
            let Self::TransactionCanceledException(cancelled) = self else { return None };
            let reasons = cancelled.cancellation_reasons();
            (!reasons.is_empty())
                .then(|| StoreError::Cancelled(reasons.iter().map(Cancelled::from).collect()))
        }
    }

    impl From<&CancellationReason> for Cancelled {
        fn from(reason: &CancellationReason) -> Self {
            match reason.code() {
                Some("ConditionalCheckFailed") => {
                    Self::Condition(reason.item.clone().unwrap_or_default())
                }
                None | Some("None") => Self::Fine,
                Some(_) => Self::Conflict,
            }
        }
    }
}

//! Requests of the SDK, read.

use std::collections::HashMap;

use carillon::table::Shape;
use serde::Deserialize;
use serde_dynamo::{AttributeValue, Item};

use super::condition::{Comparison, Condition, Operand, Placeholders};
use super::reason::Reason;
use super::value::{is_valid, text};

/// A request to the table.
#[derive(Debug)]
pub(crate) enum Request {
    Get(ItemKey),
    GetMany(Vec<ItemKey>),
    Query(Box<Query>),
    Write(Box<Write>),
    Transaction(Transaction),
    CreateTable,
    DescribeTable,
    UpdateTimeToLive,
}

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ItemKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// Several writes, of which all take place or none.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) writes: Vec<Write>,
    /// A repetition with the same token has no effect.
    pub(super) token: Option<String>,
}

/// A write, or a check of a condition.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) key: ItemKey,
    pub(super) action: Action,
    pub(super) condition: Option<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
    pub(super) wants_new: bool,
    pub(super) wants_old: bool,
}

#[derive(Debug)]
pub(super) enum Action {
    Put(Item),
    Update(String),
    Delete,
    Check,
}

/// A query of the table or of an index.
#[derive(Debug)]
pub(crate) struct Query {
    /// The index; none for the table.
    pub(crate) index: Option<String>,
    /// The partition key.
    pub(crate) hash: String,
    /// The first range key.
    pub(super) from: Option<String>,
    /// The last range key.
    pub(super) to: Option<String>,
    pub(super) start: Option<Item>,
    pub(super) limit: Option<usize>,
    pub(super) is_forward: bool,
    pub(super) is_consistent: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    key: Option<Item>,
    item: Option<Item>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: HashMap<String, String>,
    expression_attribute_values: HashMap<String, AttributeValue>,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    index_name: Option<String>,
    exclusive_start_key: Option<Item>,
    limit: Option<usize>,
    scan_index_forward: Option<bool>,
    consistent_read: bool,
    request_items: HashMap<String, Keys>,
    transact_items: Vec<TransactItem>,
    client_request_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Vec<Item>,
}

#[derive(Debug, Deserialize)]
enum TransactItem {
    Put(Box<Body>),
    Update(Box<Body>),
    Delete(Box<Body>),
    ConditionCheck(Box<Body>),
}

impl Request {
    /// Reads the body of an operation.
    ///
    /// # Errors
    /// What the simulated table does not know, or what DynamoDB refuses as invalid.
    pub(crate) fn read(operation: &str, body: &[u8]) -> Result<Self, Reason> {
        match operation {
            "CreateTable" => return Ok(Self::CreateTable),
            "DescribeTable" => return Ok(Self::DescribeTable),
            "UpdateTimeToLive" => return Ok(Self::UpdateTimeToLive),
            _ => {}
        }
        let body: Body = serde_json::from_slice(body).map_err(Reason::unknown)?;
        if body.filter_expression.is_some() || body.projection_expression.is_some() {
            return Err(Reason::unknown("a filter or projection"));
        }
        match operation {
            "GetItem" => Ok(Self::Get(ItemKey::of(body.key.as_ref())?)),
            "BatchGetItem" => {
                let keys = body.request_items.into_values().flat_map(|keys| keys.keys);
                let keys = keys.map(|key| ItemKey::of(Some(&key)));
                Ok(Self::GetMany(keys.collect::<Result<_, _>>()?))
            }
            "Query" => Ok(Self::Query(Box::new(Query::read(body)?))),
            "PutItem" => Ok(Self::Write(Box::new(put(body)?))),
            "UpdateItem" => Ok(Self::Write(Box::new(update(body)?))),
            "DeleteItem" => Ok(Self::Write(Box::new(keyed(body, Action::Delete)?))),
            "TransactWriteItems" => {
                let token = body.client_request_token;
                let writes = body.transact_items.into_iter().map(Write::in_transaction);
                let writes = writes.collect::<Result<_, _>>()?;
                Ok(Self::Transaction(Transaction { writes, token }))
            }
            other => Err(Reason::unknown(other)),
        }
    }

    /// What it writes or checks.
    pub(crate) fn writes(&self) -> &[Write] {
        match self {
            Self::Write(write) => std::slice::from_ref(write),
            Self::Transaction(transaction) => &transaction.writes,
            Self::Get(_)
            | Self::GetMany(_)
            | Self::Query(_)
            | Self::CreateTable
            | Self::DescribeTable
            | Self::UpdateTimeToLive => &[],
        }
    }
}

impl ItemKey {
    /// The key of an item, or the key that a request names.
    ///
    /// # Errors
    /// It is not one that DynamoDB takes.
    pub(super) fn of(item: Option<&Item>) -> Result<Self, Reason> {
        const LENGTHS: [usize; 2] = [2_048, 1_024];
        let part = |name| item.and_then(|item| text(item, name)).unwrap_or_default();
        let parts = [part(Shape::PK), part(Shape::SK)];
        for (part, longest) in parts.into_iter().zip(LENGTHS) {
            if part.is_empty() || part.len() > longest {
                return Err(Reason::invalid(format!("a key of {} bytes", part.len())));
            }
        }
        let [pk, sk] = parts.map(str::to_owned);
        Ok(Self { pk, sk })
    }
}

impl Write {
    fn in_transaction(item: TransactItem) -> Result<Self, Reason> {
        match item {
            TransactItem::Put(body) => put(*body),
            TransactItem::Update(body) => update(*body),
            TransactItem::Delete(body) => keyed(*body, Action::Delete),
            TransactItem::ConditionCheck(body) => keyed(*body, Action::Check),
        }
    }

    /// The work list in which it puts the item.
    pub(crate) fn listed_as(&self) -> Option<&str> {
        match &self.action {
            Action::Put(item) => text(item, Shape::LISTED_AS),
            Action::Update(_) => match self.values.get(":set_listed_as") {
                Some(AttributeValue::S(list)) => Some(list),
                Some(_) | None => None,
            },
            Action::Delete | Action::Check => None,
        }
    }

    pub(super) fn placeholders(&self) -> Placeholders<'_> {
        Placeholders { names: &self.names, values: &self.values }
    }
}

fn put(mut body: Body) -> Result<Write, Reason> {
    let item = body.item.take().ok_or_else(|| Reason::invalid("no item"))?;
    let key = ItemKey::of(Some(&item))?;
    if !item.values().all(is_valid) {
        return Err(Reason::invalid("an empty set"));
    }
    write(body, key, Action::Put(item))
}

fn update(mut body: Body) -> Result<Write, Reason> {
    let expression = body.update_expression.take();
    let expression =
        expression.ok_or_else(|| Reason::unknown("an update without an expression"))?;
    keyed(body, Action::Update(expression))
}

fn keyed(body: Body, action: Action) -> Result<Write, Reason> {
    let key = ItemKey::of(body.key.as_ref())?;
    write(body, key, action)
}

fn write(body: Body, key: ItemKey, action: Action) -> Result<Write, Reason> {
    if !body.expression_attribute_values.values().all(is_valid) {
        return Err(Reason::invalid("an empty set"));
    }
    let is = |wanted: &Option<String>, value| wanted.as_deref() == Some(value);
    Ok(Write {
        key,
        action,
        condition: body.condition_expression,
        names: body.expression_attribute_names,
        values: body.expression_attribute_values,
        wants_new: is(&body.return_values, "ALL_NEW"),
        wants_old: is(&body.return_values_on_condition_check_failure, "ALL_OLD"),
    })
}

impl Query {
    fn read(body: Body) -> Result<Self, Reason> {
        let [hash_name, range_name] = Self::keys(body.index_name.as_deref())?;
        let (names, values) = (&body.expression_attribute_names, &body.expression_attribute_values);
        let placeholders = Placeholders { names, values };
        let text = |operand: &Operand| match operand {
            Operand::Value(name) => match placeholders.value(name)? {
                AttributeValue::S(text) if !text.is_empty() => Ok(text.clone()),
                _ => Err(Reason::invalid(format!("{name} is no key"))),
            },
            Operand::Path(path) => Err(Reason::unknown(path)),
        };
        let is_range = |operand: &Operand| *operand == Operand::Path(range_name.to_owned());
        let expression = body.key_condition_expression.unwrap_or_default();
        let parsed = Condition::parse(&expression)?;
        let parts = match &parsed {
            Condition::All(parts) => parts.as_slice(),
            part => std::slice::from_ref(part),
        };
        let (hash, from, to) = match parts {
            [Condition::Compared(name, Comparison::Equal, hash), range @ ..]
                if *name == Operand::Path(hash_name.to_owned()) =>
            {
                let (from, to) = match range {
                    [] => (None, None),
                    [Condition::Between(name, from, to)] if is_range(name) => {
                        (Some(text(from)?), Some(text(to)?))
                    }
                    [Condition::Compared(name, Comparison::AtLeast, from)] if is_range(name) => {
                        (Some(text(from)?), None)
                    }
                    [Condition::Compared(name, Comparison::AtMost, to)] if is_range(name) => {
                        (None, Some(text(to)?))
                    }
                    _ => return Err(Reason::unknown(expression)),
                };
                (text(hash)?, from, to)
            }
            _ => return Err(Reason::unknown(expression)),
        };
        let query = Self {
            hash,
            from,
            to,
            index: body.index_name,
            start: body.exclusive_start_key,
            limit: body.limit,
            is_forward: body.scan_index_forward.unwrap_or(true),
            is_consistent: body.consistent_read,
        };
        query.check([hash_name, range_name])?;
        Ok(query)
    }

    /// The partition key and the range key of the table or of an index.
    fn keys(index: Option<&str>) -> Result<[&'static str; 2], Reason> {
        match index {
            None => Ok([Shape::PK, Shape::SK]),
            Some(Shape::BY_CONTACT) => Ok([Shape::SK, Shape::SENT_AT]),
            Some(Shape::BY_STATUS) => Ok([Shape::LISTED_AS, Shape::LISTED_AT]),
            Some(other) => Err(Reason::unknown(other)),
        }
    }

    /// What DynamoDB refuses in a query that can be read.
    fn check(&self, [hash_name, range_name]: [&str; 2]) -> Result<(), Reason> {
        let Self { from, to, .. } = self;
        if self.limit == Some(0) {
            return Err(Reason::invalid("a limit of 0"));
        }
        if self.is_consistent && self.index.is_some() {
            return Err(Reason::invalid("a consistent read of an index"));
        }
        if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from > to) {
            return Err(Reason::invalid("a range that ends before it begins"));
        }
        let Some(start) = &self.start else { return Ok(()) };
        let at = text(start, range_name).unwrap_or_default();
        let is_within = from.as_deref().is_none_or(|from| from <= at)
            && to.as_deref().is_none_or(|to| at <= to);
        if text(start, hash_name) != Some(&self.hash) || !is_within {
            return Err(Reason::invalid("a start outside of the query"));
        }
        Ok(())
    }
}

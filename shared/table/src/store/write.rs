use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::Serialize;

use super::error::{StoreError, unavailable};
use super::item::{attribute_value, item_of, key_item, string};
use super::page::Item;
use crate::{Key, ListedAs, Shape};

/// A write, alone or as part of a transaction.
#[derive(Debug, Clone)]
pub enum Write {
    /// Puts a whole item.
    Put {
        /// The item, keys included.
        item: Item,
        /// Its conditions.
        guard: Guard,
    },
    /// Changes attributes.
    Update(Update),
    /// Deletes an item.
    Delete {
        /// Its key.
        key: Item,
        /// Its conditions.
        guard: Guard,
    },
    /// Changes nothing: the transaction fails unless the conditions on the item hold.
    Check {
        /// Its key.
        key: Item,
        /// Its conditions.
        guard: Guard,
    },
}

impl Write {
    /// Puts an item where none has its key.
    pub fn create<T: Serialize>(key: &Key, value: &T) -> Result<Self, StoreError> {
        let mut guard = Guard::default();
        guard.condition("attribute_not_exists(pk)");
        Ok(Self::Put { item: item_of(key, value)?, guard })
    }

    /// Puts an item or replaces the one with its key.
    pub fn put<T: Serialize>(key: &Key, value: &T) -> Result<Self, StoreError> {
        Ok(Self::Put { item: item_of(key, value)?, guard: Guard::default() })
    }

    /// Deletes an item.
    pub fn delete(key: &Key) -> Self {
        Self::Delete { key: key_item(key), guard: Guard::default() }
    }

    /// Adds the attributes that show the item in a work list.
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
            Self::Delete { .. } | Self::Check { .. } => self,
        }
    }

    /// Adds the condition that the item has that `version`.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Self {
        let guard = match &mut self {
            Self::Put { guard, .. } | Self::Delete { guard, .. } | Self::Check { guard, .. } => {
                guard
            }
            Self::Update(update) => &mut update.guard,
        };
        guard.condition("#version = :seen_version");
        guard.values.insert(":seen_version".to_owned(), attribute_value(version));
        self
    }

    pub(super) fn in_transaction(self, table: &str) -> Result<TransactWriteItem, StoreError> {
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
            Self::Delete { key, guard } => item.delete(
                sdk::Delete::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()
                    .map_err(unavailable)?,
            ),
            Self::Check { key, guard } => item.condition_check(
                sdk::ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(guard.expression())
                    .set_expression_attribute_names(guard.names())
                    .set_expression_attribute_values(guard.values())
                    .build()
                    .map_err(unavailable)?,
            ),
        };
        Ok(item.build())
    }
}

/// The conditions of a write, and the names and values of its expressions. Every `#name` in
/// an expression stands for the attribute `name`.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    conditions: Vec<String>,
    names: BTreeSet<String>,
    values: HashMap<String, AttributeValue>,
}

impl Guard {
    fn condition(&mut self, expression: &str) {
        let words = expression.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '_'));
        self.names.extend(words.filter_map(|word| word.strip_prefix('#')).map(str::to_owned));
        self.conditions.push(format!("({expression})"));
    }

    pub(super) fn expression(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let pairs = self.names.iter().map(|name| (format!("#{name}"), name.clone()));
        (!self.names.is_empty()).then(|| pairs.collect())
    }

    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// A change of some attributes of one item, under conditions.
#[derive(Debug, Clone)]
pub struct Update {
    key: Item,
    sets: Vec<String>,
    adds: Vec<String>,
    deletes: Vec<String>,
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
            deletes: Vec::new(),
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

    /// Adds a text to a set of texts, which starts empty.
    #[must_use]
    pub fn include(mut self, name: &str, member: &str) -> Self {
        let set = AttributeValue::Ss(vec![member.to_owned()]);
        let placeholder = self.bind_raw("add", name, set);
        self.adds.push(format!("#{name} {placeholder}"));
        self
    }

    /// Removes texts from a set of texts.
    #[must_use]
    pub fn exclude(mut self, name: &str, members: &BTreeSet<String>) -> Self {
        let set = AttributeValue::Ss(members.iter().cloned().collect());
        let placeholder = self.bind_raw("delete", name, set);
        self.deletes.push(format!("#{name} {placeholder}"));
        self
    }

    /// Sets an attribute to a set of texts, which may not be empty.
    #[must_use]
    pub fn set_texts(mut self, name: &str, members: &BTreeSet<String>) -> Self {
        let set = AttributeValue::Ss(members.iter().cloned().collect());
        let placeholder = self.bind_raw("set", name, set);
        self.sets.push(format!("#{name} = {placeholder}"));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.guard.names.insert(name.to_owned());
        self.removes.push(format!("#{name}"));
        self
    }

    /// Adds the condition that an attribute has the text that was read, or is absent.
    #[must_use]
    pub fn unchanged(self, name: &str, seen: Option<impl Serialize>) -> Self {
        match seen {
            Some(seen) => {
                self.when(&format!("#{name} = :seen_{name}")).value(&format!("seen_{name}"), seen)
            }
            None => self.when(&format!("attribute_not_exists(#{name})")),
        }
    }

    /// Adds the condition that a set of texts is as it was seen, or absent if it was empty.
    #[must_use]
    pub fn unchanged_texts(mut self, name: &str, seen: &BTreeSet<String>) -> Self {
        if seen.is_empty() {
            return self.when(&format!("attribute_not_exists(#{name})"));
        }
        let set = AttributeValue::Ss(seen.iter().cloned().collect());
        self.guard.values.insert(format!(":seen_{name}"), set);
        self.when(&format!("#{name} = :seen_{name}"))
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

    /// Whether it changes anything.
    pub fn changes_something(&self) -> bool {
        ![&self.sets, &self.adds, &self.deletes, &self.removes].into_iter().all(Vec::is_empty)
    }

    /// Checks the conditions of a change of the item, in a transaction.
    pub fn check(self) -> Write {
        Write::Check { key: self.key, guard: self.guard }
    }

    /// Deletes the item, under the conditions of a change of it.
    pub fn delete(self) -> Write {
        Write::Delete { key: self.key, guard: self.guard }
    }

    fn bind(&mut self, name: &str, value: impl Serialize) -> String {
        self.bind_raw("set", name, attribute_value(value))
    }

    fn bind_raw(&mut self, verb: &str, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{verb}_{name}");
        self.guard.names.insert(name.to_owned());
        self.guard.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn parts(self) -> (Item, String, Guard) {
        let clauses = [
            ("SET", self.sets),
            ("ADD", self.adds),
            ("DELETE", self.deletes),
            ("REMOVE", self.removes),
        ];
        let expression = clauses
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect::<Vec<_>>()
            .join(" ");
        (self.key, expression, self.guard)
    }
}

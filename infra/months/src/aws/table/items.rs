use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon::table::Shape;
use serde_dynamo::{AttributeValue, Item};
use serde_json::json;

use super::TABLE;
use super::answer::{Answer, Found, Refusal, read_units};
use super::change::Change;
use super::condition::Condition;
use super::indexes::Indexes;
use super::page::{Page, Reader};
use super::reason::Reason;
use super::request::{Action, ItemKey, Query, Request, Transaction, Write};
use super::tokens::placeholders_in;
use super::update::Update;
use super::value::{are_equal, item_size, text};

/// The largest item, in bytes. Source: AWS, "Quotas".
const MAX_ITEM: usize = 409_600;
/// The most writes of a transaction. Source: AWS, "Quotas".
const MAX_WRITES: usize = 100;
/// So many tokens of transactions are remembered: more than are written in the seconds that
/// the SDK takes to repeat one.
const TOKENS: usize = 20_000;

/// A table in memory. Each request is carried out at once.
#[derive(Debug, Default)]
pub(crate) struct SimulatedTable(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    exists: bool,
    partitions: HashMap<String, BTreeMap<String, Arc<Item>>>,
    indexes: Indexes,
    tokens: HashSet<String>,
    tokens_in_order: VecDeque<String>,
    /// Expressions are few, and are read once.
    conditions: HashMap<String, Arc<Condition>>,
    updates: HashMap<String, Arc<Update>>,
    placeholders: HashMap<String, Arc<Vec<String>>>,
}

impl SimulatedTable {
    /// Carries out a request.
    pub(crate) fn respond(&self, request: &Request) -> Answer {
        self.state().respond(request)
    }

    /// The work list that an item is in.
    pub(crate) fn list_of(&self, key: &ItemKey) -> Option<String> {
        let state = self.state();
        text(state.get(key)?, Shape::LISTED_AS).map(str::to_owned)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn respond(&mut self, request: &Request) -> Answer {
        match request {
            Request::CreateTable => {
                self.exists = true;
                Answer::of(&json!({ "TableDescription": described() }))
            }
            _ if !self.exists => Answer::missing_table(),
            Request::DescribeTable => Answer::of(&json!({ "Table": described() })),
            Request::UpdateTimeToLive => Answer::of(&json!({ "TimeToLiveSpecification": {} })),
            Request::Get(key) => self.respond_to_get(key),
            Request::GetMany(keys) => self.respond_to_many(keys),
            Request::Query(query) => self.respond_to_query(query),
            Request::Write(write) => self.respond_to_write(write),
            Request::Transaction(transaction) => self.respond_to_transaction(transaction),
        }
    }

    fn get(&self, key: &ItemKey) -> Option<&Arc<Item>> {
        self.partitions.get(&key.pk)?.get(&key.sk)
    }

    fn respond_to_get(&self, key: &ItemKey) -> Answer {
        let found = self.get(key);
        let read_units = read_units(found.map_or(0, |item| item_size(item)));
        Answer { read_units, ..Answer::with(found.map(|item| Found::Item(item))) }
    }

    fn respond_to_many(&self, keys: &[ItemKey]) -> Answer {
        if keys.len() > MAX_WRITES || BTreeSet::from_iter(keys).len() < keys.len() {
            return Answer::invalid("too many keys, or one key twice");
        }
        let found: Vec<Option<&Arc<Item>>> = keys.iter().map(|key| self.get(key)).collect();
        let units = found.iter().map(|item| read_units(item.map_or(0, |item| item_size(item))));
        let read_units = units.sum();
        let items: Vec<&Item> = found.into_iter().flatten().map(|item| &**item).collect();
        let body = json!({ "Responses": { TABLE: items }, "UnprocessedKeys": {} });
        Answer { read_units, ..Answer::of(&body) }
    }

    fn respond_to_query(&self, query: &Query) -> Answer {
        let page = match &query.index {
            Some(_) => self.indexes.query(query),
            None => self.query(query),
        };
        Answer::of_query(query, page)
    }

    fn query(&self, query: &Query) -> Result<Page, Reason> {
        let mut reader = Reader::new(query, &[Shape::PK, Shape::SK], false);
        let Some(partition) = self.partitions.get(&query.hash) else { return Ok(reader.end()) };
        let included = |key: &Option<String>| match key {
            Some(key) => Bound::Included(key.clone()),
            None => Bound::Unbounded,
        };
        let mut bounds = (included(&query.from), included(&query.to));
        if let Some(start) = &query.start {
            let start = Bound::Excluded(ItemKey::of(Some(start))?.sk);
            *if query.is_forward { &mut bounds.0 } else { &mut bounds.1 } = start;
        }
        Ok(reader.read(partition.range(bounds).map(|(_, item)| item)))
    }

    fn respond_to_write(&mut self, write: &Write) -> Answer {
        let planned = self.plan(write);
        let written = vec![self.bytes_of(write, &planned)];
        match planned {
            Ok(change) => {
                let wanted = change.new.as_deref().filter(|_| write.wants_new);
                let answer = Answer::with(wanted.map(Found::Attributes));
                Answer { changes: self.apply(vec![change]), written, ..answer }
            }
            Err(refusal @ Refusal::Condition(_)) => Answer { written, ..Answer::refused(refusal) },
            Err(refusal @ Refusal::Other(_)) => Answer::refused(refusal),
        }
    }

    /// The bytes of the item of a write, before or after it, whichever are more.
    fn bytes_of(&self, write: &Write, planned: &Result<Change, Refusal>) -> usize {
        let before = self.get(&write.key).map_or(0, |item| item_size(item));
        let after = planned.as_ref().ok().and_then(|change| change.new.as_deref());
        before.max(after.map_or(0, item_size))
    }

    fn respond_to_transaction(&mut self, transaction: &Transaction) -> Answer {
        let Transaction { writes, token } = transaction;
        if token.as_ref().is_some_and(|token| self.tokens.contains(token)) {
            // The answer to a repetition costs reads. Source: AWS, "TransactWriteItems".
            let read =
                writes.iter().map(|write| self.get(&write.key).map_or(0, |item| item_size(item)));
            let read_units = read.map(|bytes| 2.0 * read_units(bytes)).sum();
            return Answer { read_units, ..Answer::of(&json!({})) };
        }
        let keys: BTreeSet<&ItemKey> = writes.iter().map(|write| &write.key).collect();
        if writes.is_empty() || writes.len() > MAX_WRITES || keys.len() < writes.len() {
            return Answer::invalid("too many writes, or two of one item");
        }
        let (mut changes, mut refusals, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for write in writes {
            let planned = self.plan(write);
            written.push(self.bytes_of(write, &planned));
            match planned {
                Ok(change) => {
                    changes.push(change);
                    refusals.push(None);
                }
                Err(refusal) => refusals.push(Some(refusal)),
            }
        }
        if changes.len() < writes.len() {
            return Answer { written, ..Answer::cancelled(refusals) };
        }
        if let Some(token) = token {
            self.remember(token);
        }
        Answer { changes: self.apply(changes), written, ..Answer::of(&json!({})) }
    }

    fn remember(&mut self, token: &str) {
        self.tokens.insert(token.to_owned());
        self.tokens_in_order.push_back(token.to_owned());
        if self.tokens_in_order.len() > TOKENS
            && let Some(oldest) = self.tokens_in_order.pop_front()
        {
            self.tokens.remove(&oldest);
        }
    }

    /// What a write would change.
    fn plan(&mut self, write: &Write) -> Result<Change, Refusal> {
        self.check_placeholders(write).map_err(Refusal::Other)?;
        let old = self.get(&write.key).cloned();
        if let Some(expression) = &write.condition {
            let condition = self.condition(expression).map_err(Refusal::Other)?;
            let holds = condition.holds(old.as_deref(), write.placeholders());
            if !holds.map_err(Refusal::Other)? {
                let found = old.filter(|_| write.wants_old).map(|item| Item::clone(&item));
                return Err(Refusal::Condition(found));
            }
        }
        let new = self.changed(write, old.as_ref()).map_err(Refusal::Other)?;
        if let Some(item) = &new {
            check(item).map_err(Refusal::Other)?;
        }
        Ok(Change { key: write.key.clone(), old, new })
    }

    /// The item after a write.
    fn changed(
        &mut self,
        write: &Write,
        old: Option<&Arc<Item>>,
    ) -> Result<Option<Arc<Item>>, Reason> {
        Ok(match &write.action {
            Action::Put(item) => Some(Arc::new(item.clone())),
            Action::Delete => None,
            Action::Check => old.cloned(),
            Action::Update(expression) => {
                let update = self.update(expression)?;
                let mut item = old.map_or_else(|| key_item(&write.key), |item| Item::clone(item));
                update.apply(&mut item, write.placeholders())?;
                if ItemKey::of(Some(&item))? != write.key {
                    return Err(Reason::invalid("an update of the key"));
                }
                Some(Arc::new(item))
            }
        })
    }

    /// DynamoDB refuses placeholders that are not used, and those that are not defined.
    fn check_placeholders(&mut self, write: &Write) -> Result<(), Reason> {
        let update = match &write.action {
            Action::Update(expression) => Some(expression),
            Action::Put(_) | Action::Delete | Action::Check => None,
        };
        let mut used = BTreeSet::new();
        for expression in write.condition.iter().chain(update) {
            let known = self.placeholders.get(expression).cloned().unwrap_or_else(|| {
                let found: Vec<String> =
                    placeholders_in(expression).into_iter().map(str::to_owned).collect();
                let found = Arc::new(found);
                self.placeholders.insert(expression.clone(), found.clone());
                found
            });
            used.extend(known.iter().cloned());
        }
        let given = write.names.keys().chain(write.values.keys());
        let unused = given.clone().find(|name| !used.contains(*name));
        if let Some(unused) = unused {
            return Err(Reason::invalid(format!("{unused} is not used")));
        }
        if used.len() != given.count() {
            return Err(Reason::invalid("a placeholder is not defined"));
        }
        Ok(())
    }

    /// Makes changes. Returns those that change something.
    fn apply(&mut self, mut changes: Vec<Change>) -> Vec<Change> {
        changes.retain(|Change { old, new, .. }| match (old, new) {
            (None, None) => false,
            (Some(old), Some(new)) => !are_equal(old, new),
            (_, _) => true,
        });
        for change in &changes {
            let Change { key, new, .. } = change;
            let partition = self.partitions.entry(key.pk.clone()).or_default();
            match new {
                Some(item) => partition.insert(key.sk.clone(), item.clone()),
                None => partition.remove(&key.sk),
            };
            if partition.is_empty() {
                self.partitions.remove(&key.pk);
            }
            self.indexes.apply(change);
        }
        changes
    }

    fn condition(&mut self, expression: &str) -> Result<Arc<Condition>, Reason> {
        if let Some(known) = self.conditions.get(expression) {
            return Ok(known.clone());
        }
        let parsed = Arc::new(Condition::parse(expression)?);
        self.conditions.insert(expression.to_owned(), parsed.clone());
        Ok(parsed)
    }

    fn update(&mut self, expression: &str) -> Result<Arc<Update>, Reason> {
        if let Some(known) = self.updates.get(expression) {
            return Ok(known.clone());
        }
        let parsed = Arc::new(Update::parse(expression)?);
        self.updates.insert(expression.to_owned(), parsed.clone());
        Ok(parsed)
    }
}

fn described() -> serde_json::Value {
    json!({ "TableName": TABLE, "TableStatus": "ACTIVE" })
}

fn key_item(key: &ItemKey) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let parts = [(Shape::PK, text(&key.pk)), (Shape::SK, text(&key.sk))];
    HashMap::from(parts.map(|(name, value)| (name.to_owned(), value))).into()
}

/// What DynamoDB refuses in an item: its size, and index keys that are no texts or empty.
fn check(item: &Item) -> Result<(), Reason> {
    if item_size(item) > MAX_ITEM {
        return Err(Reason::invalid("the item is larger than 400 KB"));
    }
    for name in [Shape::SENT_AT, Shape::LISTED_AS, Shape::LISTED_AT] {
        match item.get(name) {
            None => {}
            Some(AttributeValue::S(text)) if !text.is_empty() => {}
            Some(_) => return Err(Reason::invalid(format!("{name} is no key of an index"))),
        }
    }
    Ok(())
}

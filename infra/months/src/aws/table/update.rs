//! Updates of items, as DynamoDB carries them out.

use std::collections::BTreeSet;

use serde_dynamo::{AttributeValue, Item};

use super::condition::Placeholders;
use super::reason::Reason;
use super::tokens::Tokens;

/// What an update expression changes. Only attributes of the item itself, which is all that
/// Carillon's expressions do.
#[derive(Debug, Default)]
pub(super) struct Update {
    sets: Vec<(String, Set)>,
    adds: Vec<(String, String)>,
    deletes: Vec<(String, String)>,
    removes: Vec<String>,
}

#[derive(Debug)]
enum Set {
    Value(String),
    /// The value where the attribute is missing.
    Once(String),
}

impl Update {
    /// Reads an expression.
    pub(super) fn parse(expression: &str) -> Result<Self, Reason> {
        let mut tokens = Tokens::of(expression);
        let mut update = Self::default();
        let mut targets = BTreeSet::new();
        while tokens.peek().is_some() {
            let clause = tokens.take()?;
            loop {
                let name = tokens.take()?.to_owned();
                if !targets.insert(name.clone()) {
                    return Err(Reason::invalid(format!("{name} is changed twice")));
                }
                if name.contains('.') {
                    return Err(Reason::unknown(format_args!("an update of {name}")));
                }
                match clause {
                    "SET" => {
                        tokens.expect("=")?;
                        let set = Set::read(&name, &mut tokens)?;
                        update.sets.push((name, set));
                    }
                    "ADD" => update.adds.push((name, tokens.take()?.to_owned())),
                    "DELETE" => update.deletes.push((name, tokens.take()?.to_owned())),
                    "REMOVE" => update.removes.push(name),
                    other => return Err(Reason::unknown(other)),
                }
                if !tokens.take_if(",") {
                    break;
                }
            }
        }
        if targets.is_empty() {
            return Err(Reason::invalid("an update of nothing"));
        }
        Ok(update)
    }

    /// Changes the item.
    pub(super) fn apply(
        &self,
        item: &mut Item,
        placeholders: Placeholders<'_>,
    ) -> Result<(), Reason> {
        let members = item.inner_mut();
        for (name, set) in &self.sets {
            let name = placeholders.name(name)?;
            match set {
                Set::Value(value) => {
                    members.insert(name.to_owned(), placeholders.value(value)?.clone());
                }
                Set::Once(value) => {
                    let value = placeholders.value(value)?;
                    members.entry(name.to_owned()).or_insert_with(|| value.clone());
                }
            }
        }
        for name in &self.removes {
            members.remove(placeholders.name(name)?);
        }
        for (name, value) in &self.adds {
            let name = placeholders.name(name)?;
            let added = placeholders.value(value)?;
            let sum = sum(members.get(name), added)
                .ok_or_else(|| Reason::invalid(format!("ADD {name}")))?;
            members.insert(name.to_owned(), sum);
        }
        for (name, value) in &self.deletes {
            let name = placeholders.name(name)?;
            let AttributeValue::Ss(removed) = placeholders.value(value)? else {
                return Err(Reason::invalid(format!("DELETE {name}")));
            };
            if let Some(AttributeValue::Ss(texts)) = members.get_mut(name) {
                texts.retain(|text| !removed.contains(text));
                if texts.is_empty() {
                    members.remove(name);
                }
            }
        }
        Ok(())
    }
}

impl Set {
    fn read(name: &str, tokens: &mut Tokens<'_>) -> Result<Self, Reason> {
        if !tokens.take_if("if_not_exists") {
            return Ok(Self::Value(tokens.take()?.to_owned()));
        }
        tokens.expect("(")?;
        tokens.expect(name)?;
        tokens.expect(",")?;
        let value = tokens.take()?.to_owned();
        tokens.expect(")")?;
        Ok(Self::Once(value))
    }
}

/// A number and another one, or a set and more members.
fn sum(found: Option<&AttributeValue>, added: &AttributeValue) -> Option<AttributeValue> {
    match (found, added) {
        (None, AttributeValue::N(_) | AttributeValue::Ss(_)) => Some(added.clone()),
        (Some(AttributeValue::N(one)), AttributeValue::N(other)) => {
            let sum = one.parse::<i64>().ok()?.checked_add(other.parse().ok()?)?;
            Some(AttributeValue::N(sum.to_string()))
        }
        (Some(AttributeValue::Ss(texts)), AttributeValue::Ss(more)) => {
            let mut all = texts.clone();
            all.extend(more.iter().filter(|text| !texts.contains(text)).cloned());
            Some(AttributeValue::Ss(all))
        }
        (_, _) => None,
    }
}

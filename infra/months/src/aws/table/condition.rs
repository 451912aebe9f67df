//! Conditions on items, as DynamoDB evaluates them.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_dynamo::{AttributeValue, Item};

use super::reason::Reason;
use super::tokens::Tokens;
use super::value::{compare, equal};

/// The names and values that an expression's placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placeholders<'a> {
    pub(super) names: &'a HashMap<String, String>,
    pub(super) values: &'a HashMap<String, AttributeValue>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn name(self, name: &'a str) -> Result<&'a str, Reason> {
        if !name.starts_with('#') {
            return Ok(name);
        }
        self.names
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| Reason::invalid(format!("{name} is not defined")))
    }

    pub(super) fn value(self, placeholder: &str) -> Result<&'a AttributeValue, Reason> {
        self.values
            .get(placeholder)
            .ok_or_else(|| Reason::invalid(format!("{placeholder} is not defined")))
    }
}

/// A condition on an item.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Exists(String),
    Contains(String, String),
    Compared(Operand, Comparison, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
}

/// What is compared.
#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    /// The attribute at a path: names with points between them.
    Path(String),
    /// The placeholder of a value.
    Value(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Different,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    fn read(token: &str) -> Option<Self> {
        Some(match token {
            "=" => Self::Equal,
            "<>" => Self::Different,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::Greater,
            ">=" => Self::AtLeast,
            _ => return None,
        })
    }

    fn holds(self, one: &AttributeValue, other: &AttributeValue) -> bool {
        let order = compare(one, other);
        match self {
            Self::Equal => equal(one, other),
            Self::Different => !equal(one, other),
            Self::Less => order == Some(Ordering::Less),
            Self::AtMost => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }
}

impl Condition {
    /// Reads an expression.
    pub(super) fn parse(expression: &str) -> Result<Self, Reason> {
        let mut tokens = Tokens::of(expression);
        let condition = Self::any(&mut tokens)?;
        tokens.end()?;
        Ok(condition)
    }

    fn any(tokens: &mut Tokens<'_>) -> Result<Self, Reason> {
        let mut parts = vec![Self::all(tokens)?];
        while tokens.take_if("OR") {
            parts.push(Self::all(tokens)?);
        }
        Ok(one_or(parts, Self::Any))
    }

    fn all(tokens: &mut Tokens<'_>) -> Result<Self, Reason> {
        let mut parts = vec![Self::one(tokens)?];
        while tokens.take_if("AND") {
            parts.push(Self::one(tokens)?);
        }
        Ok(one_or(parts, Self::All))
    }

    fn one(tokens: &mut Tokens<'_>) -> Result<Self, Reason> {
        if tokens.take_if("NOT") {
            return Ok(Self::Not(Box::new(Self::one(tokens)?)));
        }
        if tokens.take_if("(") {
            let inner = Self::any(tokens)?;
            tokens.expect(")")?;
            return Ok(inner);
        }
        let first = tokens.take()?;
        match first {
            "attribute_exists" => Ok(Self::Exists(argument(tokens)?)),
            "attribute_not_exists" => Ok(Self::Not(Box::new(Self::Exists(argument(tokens)?)))),
            "contains" => {
                tokens.expect("(")?;
                let path = tokens.take()?.to_owned();
                tokens.expect(",")?;
                let value = tokens.take()?.to_owned();
                tokens.expect(")")?;
                Ok(Self::Contains(path, value))
            }
            operand => Self::compared(Operand::read(operand), tokens),
        }
    }

    fn compared(left: Operand, tokens: &mut Tokens<'_>) -> Result<Self, Reason> {
        let operator = tokens.take()?;
        if operator == "BETWEEN" {
            let low = Operand::read(tokens.take()?);
            tokens.expect("AND")?;
            return Ok(Self::Between(left, low, Operand::read(tokens.take()?)));
        }
        if operator == "IN" {
            tokens.expect("(")?;
            let mut options = vec![Operand::read(tokens.take()?)];
            while tokens.take_if(",") {
                options.push(Operand::read(tokens.take()?));
            }
            tokens.expect(")")?;
            return Ok(Self::In(left, options));
        }
        let comparison = Comparison::read(operator).ok_or_else(|| Reason::unknown(operator))?;
        Ok(Self::Compared(left, comparison, Operand::read(tokens.take()?)))
    }

    /// Whether an item, or its absence, meets it. What is missing is different from anything.
    pub(super) fn holds<'a>(
        &'a self,
        item: Option<&'a Item>,
        placeholders: Placeholders<'a>,
    ) -> Result<bool, Reason> {
        let value = |operand: &'a Operand| operand.value(item, placeholders);
        Ok(match self {
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(item, placeholders)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(item, placeholders)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(part) => !part.holds(item, placeholders)?,
            Self::Exists(path) => at_path(item, path, placeholders)?.is_some(),
            Self::Contains(path, wanted) => {
                let wanted = placeholders.value(wanted)?;
                at_path(item, path, placeholders)?.is_some_and(|value| contains(value, wanted))
            }
            Self::Compared(left, comparison, right) => match (value(left)?, value(right)?) {
                (Some(left), Some(right)) => comparison.holds(left, right),
                (_, _) => *comparison == Comparison::Different,
            },
            Self::Between(operand, low, high) => {
                match (value(operand)?, value(low)?, value(high)?) {
                    (Some(value), Some(low), Some(high)) => {
                        Comparison::AtLeast.holds(value, low)
                            && Comparison::AtMost.holds(value, high)
                    }
                    (_, _, _) => false,
                }
            }
            Self::In(operand, options) => {
                let Some(found) = value(operand)? else { return Ok(false) };
                for option in options {
                    if value(option)?.is_some_and(|option| equal(found, option)) {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

impl Operand {
    pub(super) fn read(token: &str) -> Self {
        if token.starts_with(':') {
            Self::Value(token.to_owned())
        } else {
            Self::Path(token.to_owned())
        }
    }

    fn value<'a>(
        &'a self,
        item: Option<&'a Item>,
        placeholders: Placeholders<'a>,
    ) -> Result<Option<&'a AttributeValue>, Reason> {
        match self {
            Self::Path(path) => at_path(item, path, placeholders),
            Self::Value(name) => placeholders.value(name).map(Some),
        }
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

fn argument(tokens: &mut Tokens<'_>) -> Result<String, Reason> {
    tokens.expect("(")?;
    let path = tokens.take()?.to_owned();
    tokens.expect(")")?;
    Ok(path)
}

fn at_path<'a>(
    item: Option<&'a Item>,
    path: &'a str,
    placeholders: Placeholders<'a>,
) -> Result<Option<&'a AttributeValue>, Reason> {
    let mut names = path.split('.');
    let first = placeholders.name(names.next().unwrap_or_default())?;
    let mut found = item.and_then(|item| item.get(first));
    for name in names {
        let name = placeholders.name(name)?;
        found = match found {
            Some(AttributeValue::M(members)) => members.get(name),
            Some(_) | None => None,
        };
    }
    Ok(found)
}

/// Whether a set or a list has the member, or a text the part.
fn contains(value: &AttributeValue, wanted: &AttributeValue) -> bool {
    match (value, wanted) {
        (AttributeValue::Ss(members), AttributeValue::S(text)) => members.contains(text),
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part),
        (AttributeValue::L(members), wanted) => members.iter().any(|one| equal(one, wanted)),
        (_, _) => false,
    }
}

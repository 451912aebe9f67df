use axum::http::Method;
use carillon::address::Address;
use serde_json::Value;

use crate::whatsapp::{Person, SuppressedBy};

/// A call of the API.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: CallBody,
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone)]
pub(crate) enum CallBody {
    None,
    Json(Value),
    /// Recipients to import.
    Csv(String),
}

/// What a call changes that the rules depend on.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    None,
    /// The person with this address is suppressed.
    Suppresses(Person, SuppressedBy, Address),
    /// The person with this address is taken off the blacklist.
    Lifts(Person, Address),
}

impl Effect {
    /// The person whom it is about.
    pub(crate) fn person(&self) -> Option<Person> {
        match self {
            Self::None => None,
            Self::Suppresses(person, ..) | Self::Lifts(person, _) => Some(*person),
        }
    }
}

//! The schema of what Meta may know and Carillon does not.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// Any object whose `type` is none of those that have a schema.
pub(crate) fn other_kind(words: &str, known: &[&str]) -> RefOr<Schema> {
    let kind = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^(?!({})$)", known.join("|"))))
        .description(Some("Its kind: none of the others."));
    let other = ObjectBuilder::new().description(Some(words));
    other.property("type", kind).required("type").into()
}

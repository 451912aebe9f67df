//! Enumerations in the description: closed in requests, open in answers. A generated client then
//! refuses a value that this version does not know before it sends it, and takes one that a
//! later version answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, Ref, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// The extension that lists the values of an open enumeration.
pub(crate) const VALUES: &str = "x-extensible-enum";

/// Opens every enumeration of the components; where a request names one, the closed one stands
/// in place of its name.
pub(crate) fn open(api: &mut OpenApi) {
    let Some(components) = &mut api.components else { return };
    let closed = enumerations(&components.schemas);
    let mut of_requests = Vec::new();
    for schema in api.paths.paths.values_mut().flat_map(schemas_of_requests) {
        of_requests.extend(references(schema));
        visit(schema, &mut |schema| close(schema, &closed));
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = of_requests.pop() {
        if closed.contains_key(&name) || !seen.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = components.schemas.get_mut(&name) {
            of_requests.extend(references(schema));
            visit(schema, &mut |schema| close(schema, &closed));
        }
    }
    let mut answered: BTreeSet<String> =
        components.schemas.values_mut().flat_map(references).collect();
    answered.extend(api.paths.paths.values_mut().flat_map(schemas_of_answers).flat_map(references));
    for name in closed.keys() {
        if !answered.contains(name) {
            components.schemas.remove(name);
        } else if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name) {
            open_values(object);
        }
    }
}

/// The named enumerations with more than one value.
fn enumerations(schemas: &Schemas) -> BTreeMap<String, Object> {
    let of = |(name, schema): (&String, &RefOr<Schema>)| match schema {
        RefOr::T(Schema::Object(object))
            if object.enum_values.as_ref().is_some_and(|values| values.len() > 1) =>
        {
            Some((name.clone(), object.clone()))
        }
        _ => None,
    };
    schemas.iter().filter_map(of).collect()
}

fn open_values(object: &mut Object) {
    let values = object.enum_values.take().unwrap_or_default();
    let words: Vec<_> =
        values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
    let description = object.description.take().unwrap_or_default();
    let list = format!("One of {}, or a value of a later version.", words.join(", "));
    object.description = Some(format!("{description}\n\n{list}").trim().to_owned());
    let extension = Extensions::builder().add(VALUES, Value::Array(values)).build();
    object.extensions.get_or_insert_default().merge(extension);
}

/// Replaces the name of an enumeration by the enumeration.
fn close(schema: &mut RefOr<Schema>, closed: &BTreeMap<String, Object>) {
    let RefOr::Ref(reference) = schema else { return };
    let Some(enumeration) = closed.get(name_of(reference)) else { return };
    let mut enumeration = enumeration.clone();
    if !reference.description.is_empty() {
        enumeration.description = Some(reference.description.clone());
    }
    *schema = RefOr::T(Schema::Object(enumeration));
}

fn name_of(reference: &Ref) -> &str {
    reference.ref_location.rsplit('/').next().unwrap_or_default()
}

/// The names in a schema.
fn references(schema: &mut RefOr<Schema>) -> Vec<String> {
    let mut names = Vec::new();
    visit(schema, &mut |schema| {
        if let RefOr::Ref(reference) = schema {
            names.push(name_of(reference).to_owned());
        }
    });
    names
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
    all.into_iter().flatten()
}

/// The schemas of the answers of a path's operations.
fn schemas_of_answers(item: &mut PathItem) -> Vec<&mut RefOr<Schema>> {
    let answers = operations(item).flat_map(|one| one.responses.responses.values_mut());
    let contents = answers.filter_map(|answer| match answer {
        RefOr::T(answer) => Some(answer.content.values_mut()),
        RefOr::Ref(_) => None,
    });
    contents.flatten().filter_map(schema_of).collect()
}

fn schema_of(content: &mut RefOr<Content>) -> Option<&mut RefOr<Schema>> {
    match content {
        RefOr::T(content) => content.schema.as_mut(),
        RefOr::Ref(_) => None,
    }
}

/// The schemas of the parameters and bodies of a path's operations.
fn schemas_of_requests(item: &mut PathItem) -> Vec<&mut RefOr<Schema>> {
    let mut schemas = Vec::new();
    for operation in operations(item) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                schemas.extend(parameter.schema.as_mut());
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            schemas.extend(body.content.values_mut().filter_map(schema_of));
        }
    }
    schemas
}

/// Calls `change` for a schema and all schemas in it.
fn visit(schema: &mut RefOr<Schema>, change: &mut impl FnMut(&mut RefOr<Schema>)) {
    change(schema);
    let RefOr::T(schema) = schema else { return };
    let parts: Vec<&mut RefOr<Schema>> = match schema {
        Schema::Array(array) => match &mut array.items {
            ArrayItems::RefOrSchema(items) => vec![&mut **items],
            ArrayItems::False => Vec::new(),
        },
        Schema::Object(object) => {
            let values = match object.additional_properties.as_deref_mut() {
                Some(AdditionalProperties::RefOr(values)) => Some(values),
                _ => None,
            };
            object.properties.values_mut().chain(values).collect()
        }
        Schema::OneOf(choice) => choice.items.iter_mut().collect(),
        Schema::AllOf(all) => all.items.iter_mut().collect(),
        Schema::AnyOf(any) => any.items.iter_mut().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        visit(part, change);
    }
}

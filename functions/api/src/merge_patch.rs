//! Changes by JSON Merge Patch (RFC 7396): a member replaces, `null` clears, objects merge. The
//! document that GET answers can be sent back: read-only members may be there, unchanged.

use carillon::channel::{FieldCode, FieldProblem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::body::{members, read_body};
use crate::problem::{Answer, Problem};

/// The schema of a patch of what is created as `T`: all members may be absent.
pub(crate) fn patch_schema<T: PartialSchema>() -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.required.clear();
        let words = "Changes: an absent member stays as it is, `null` clears.";
        object.description = Some(words.to_owned());
        for member in object.properties.values_mut() {
            if let RefOr::T(Schema::Object(member)) = member {
                member.default = None;
            }
        }
    }
    schema
}

/// Gives a type the schema of a patch of what is created as another type.
macro_rules! patch_of {
    ($name:ident, $created:ty) => {
        #[doc = concat!("The schema of a patch of [`", stringify!($created), "`].")]
        pub(crate) struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                crate::merge_patch::patch_schema::<$created>()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schemas(
                schemas: &mut Vec<(
                    String,
                    utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
                )>,
            ) {
                <$created as utoipa::ToSchema>::schemas(schemas);
            }
        }
    };
}

pub(crate) use patch_of;

/// The changed form of a resource, in the form in which it is created. The members `moving` can
/// only be read and change by themselves: an older value of them is ignored.
pub(crate) fn patched<T: DeserializeOwned + PartialSchema>(
    current: &impl Serialize,
    patch: Value,
    moving: &[&str],
) -> Answer<T> {
    let Value::Object(patch) = patch else {
        let reason = "must be an object with the members to change";
        return Err(Problem::fields([FieldProblem::new("", FieldCode::WrongType, reason)]));
    };
    let current = serde_json::to_value(current).map_err(Problem::internal)?;
    let settable = members::<T>();
    let (own, others): (Map<_, _>, Map<_, _>) =
        patch.into_iter().partition(|(name, _)| settable.contains(name.as_str()));
    let fixed = others.into_iter().filter_map(|(name, value)| match current.get(&name) {
        Some(known) if *known == value || moving.contains(&name.as_str()) => None,
        Some(_) => Some(FieldProblem::new(name, FieldCode::ReadOnly, "can only be read")),
        None => Some(FieldProblem::new(name, FieldCode::Unknown, "is not a member of it")),
    });
    let fixed: Vec<FieldProblem> = fixed.collect();
    let mut changed = current;
    if let Value::Object(members) = &mut changed {
        members.retain(|name, _| settable.contains(name.as_str()));
    }
    apply(&mut changed, Value::Object(own));
    match read_body(&changed) {
        Ok(changed) if fixed.is_empty() => Ok(changed),
        Ok(_) => Err(Problem::fields(fixed)),
        Err(found) => Err(Problem::fields(found.into_iter().chain(fixed))),
    }
}

/// Applies a patch. Source: RFC 7396, section 2.
fn apply(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(members) = target {
        for (name, value) in patch {
            if value.is_null() {
                members.remove(&name);
            } else {
                apply(members.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn patches_are_applied_as_the_standard_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut patched = target.clone();
            apply(&mut patched, patch.clone());
            assert_eq!(patched, result, "{target} with {patch}");
        }
    }
}

//! Named variants in the description: each variant of a choice is a schema of its own, with the
//! member that tells the variants apart.

use std::collections::BTreeMap;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Discriminator, Object, OneOf, Ref, Schema};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// A variant of a choice, with its tag.
struct Variant {
    /// The name of its schema.
    name: String,
    tag: String,
    /// The tag's value; none of a variant for all values that no other variant has.
    value: Option<String>,
    schema: Object,
}

/// Names the variants of all choices whose variants have tags.
pub(crate) fn name_variants(schemas: &mut Schemas) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(RefOr::T(Schema::OneOf(choice))) = schemas.get(&name) else { continue };
        let variants = choice.items.iter().map(|item| Variant::of(&name, item, schemas));
        if let Some(variants) = variants.collect::<Option<Vec<_>>>() {
            let choice = choice_of(choice, &variants);
            schemas.insert(name, RefOr::T(choice.into()));
            let named = variants.into_iter().map(|one| (one.name, RefOr::T(one.schema.into())));
            schemas.extend(named);
        }
    }
}

fn choice_of(choice: &OneOf, variants: &[Variant]) -> OneOf {
    let mut choice = choice.clone();
    choice.items = variants.iter().map(|one| Ref::from_schema_name(&one.name).into()).collect();
    let mapping = variants.iter().map(|one| {
        let location = Ref::from_schema_name(&one.name).ref_location;
        one.value.clone().map(|value| (value, location))
    });
    // Where a variant is for all other values, no mapping is complete.
    choice.discriminator = mapping.collect::<Option<Vec<_>>>().and_then(|mapping| {
        let tag = &variants.first()?.tag;
        Some(Discriminator::with_mapping(tag, mapping))
    });
    choice
}

impl Variant {
    /// Reads what the derive writes: an object with a tag, or all of a named schema and of an
    /// object with only a tag.
    fn of(choice: &str, item: &RefOr<Schema>, schemas: &Schemas) -> Option<Self> {
        match item {
            RefOr::T(Schema::Object(object)) => {
                let (tag, value) = tag_of(object)?;
                let name = format!("{}{choice}", pascal_case(&value));
                Some(Self { name, tag, value: Some(value), schema: object.clone() })
            }
            RefOr::T(Schema::AllOf(all)) => match all.items.as_slice() {
                [RefOr::Ref(reference), RefOr::T(Schema::Object(tagged))] => {
                    Self::of_reference(reference, tagged, schemas)
                }
                _ => None,
            },
            RefOr::T(_) | RefOr::Ref(_) => None,
        }
    }

    fn of_reference(reference: &Ref, tagged: &Object, schemas: &Schemas) -> Option<Self> {
        let name = reference.ref_location.rsplit('/').next()?.to_owned();
        let Some(RefOr::T(Schema::Object(object))) = schemas.get(&name) else { return None };
        let (tag, value) = tag_of(tagged)?;
        let mut schema = object.clone();
        let schema_of_tag = tagged.properties.get(&tag)?;
        let own = schema.properties.get(&tag).filter(|own| *own != schema_of_tag);
        let value = if own.is_some() { None } else { Some(value) };
        if !schema.properties.contains_key(&tag) {
            schema.properties.insert(tag.clone(), schema_of_tag.clone());
            schema.required.insert(0, tag.clone());
        }
        Some(Self { name, tag, value, schema })
    }
}

/// The member with only one value, and the value.
fn tag_of(object: &Object) -> Option<(String, String)> {
    object.properties.iter().find_map(|(name, schema)| {
        let RefOr::T(Schema::Object(schema)) = schema else { return None };
        match schema.enum_values.as_deref()? {
            [value] => Some((name.clone(), value.as_str()?.to_owned())),
            _ => None,
        }
    })
}

/// `limited_time_offer` as `LimitedTimeOffer`.
fn pascal_case(value: &str) -> String {
    let words = value.split('_').map(|word| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        format!("{}{}", first.to_uppercase(), rest.to_lowercase())
    });
    words.collect()
}

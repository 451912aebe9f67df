//! Named variants in the description: the schema of a variant has the member that tells the
//! variants apart.

use std::collections::BTreeMap;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Discriminator, OneOf, Ref, Schema};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// A variant as the derive writes it: all of a schema, and of an object with the tag only. No
/// value is valid for both where the schema has no other members than its own.
struct Variant {
    reference: Ref,
    schema: String,
    tag: String,
    tag_schema: RefOr<Schema>,
}

/// Moves the tags of all choices into the schemas of their variants.
pub(crate) fn name_variants(schemas: &mut Schemas) {
    let choices: Vec<String> = schemas.keys().cloned().collect();
    for name in choices {
        let Some(RefOr::T(Schema::OneOf(mut choice))) = schemas.get(&name).cloned() else {
            continue;
        };
        if name_variants_of(&mut choice, schemas) {
            schemas.insert(name, RefOr::T(Schema::OneOf(choice)));
        }
    }
}

/// Whether the choice had such variants.
fn name_variants_of(choice: &mut OneOf, schemas: &mut Schemas) -> bool {
    let Some(variants) = choice.items.iter().map(Variant::of).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let mut discriminator = variants.first().map(|first| Discriminator::new(&first.tag));
    for variant in &variants {
        match variant.insert_tag(schemas) {
            Some(value) => discriminator
                .iter_mut()
                .map(|one| {
                    one.mapping.insert(value.clone(), variant.reference.ref_location.clone())
                })
                .for_each(drop),
            // A variant for all other values: no mapping leads to it.
            None => discriminator = None,
        }
    }
    choice.discriminator = discriminator;
    choice.items = variants.into_iter().map(|variant| RefOr::Ref(variant.reference)).collect();
    true
}

impl Variant {
    fn of(schema: &RefOr<Schema>) -> Option<Self> {
        let RefOr::T(Schema::AllOf(all)) = schema else { return None };
        let [RefOr::Ref(reference), RefOr::T(Schema::Object(object))] = all.items.as_slice() else {
            return None;
        };
        let mut properties = object.properties.iter();
        let (Some((tag, tag_schema)), None) = (properties.next(), properties.next()) else {
            return None;
        };
        let schema = reference.ref_location.rsplit('/').next()?.to_owned();
        let reference = Ref::new(reference.ref_location.clone());
        Some(Self { reference, schema, tag: tag.clone(), tag_schema: tag_schema.clone() })
    }

    /// Adds the tag to the schema of the variant. The tag's value; none where the schema has a
    /// tag of its own.
    fn insert_tag(&self, schemas: &mut Schemas) -> Option<String> {
        let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(&self.schema) else {
            return None;
        };
        match object.properties.get(&self.tag) {
            Some(known) if *known != self.tag_schema => return None,
            Some(_) => {}
            None => {
                object.properties.insert(self.tag.clone(), self.tag_schema.clone());
                object.required.insert(0, self.tag.clone());
            }
        }
        let RefOr::T(Schema::Object(tag)) = &self.tag_schema else { return None };
        tag.enum_values.as_ref()?.first()?.as_str().map(str::to_owned)
    }
}

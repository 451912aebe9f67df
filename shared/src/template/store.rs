//! Local templates in the table.

use super::TemplateDefinition;
use crate::table::{Items, Key, Page, StoreError, Table, Write};

fn key(name: &str, language: &str) -> Key {
    Key::Template { name: name.to_owned(), language: language.to_owned() }
}

/// Stores a new template; `false` when there is one of that name and language.
pub async fn create(table: &Table, template: &TemplateDefinition) -> Result<bool, StoreError> {
    let key = key(&template.name, &template.language);
    match table.write(Write::create(&key, template)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a template.
pub async fn get(
    table: &Table,
    name: &str,
    language: &str,
) -> Result<Option<TemplateDefinition>, StoreError> {
    table.get(&key(name, language)).await
}

/// One page of the templates, by name and language.
pub async fn list(
    table: &Table,
    after: Option<Items>,
    limit: u32,
) -> Result<Page<TemplateDefinition>, StoreError> {
    table.query_prefix("TEMPLATE", "", after, limit).await
}

/// The place of a template among all, for a page that goes on after it.
pub fn place(name: &str, language: &str) -> Items {
    crate::table::place(&key(name, language))
}

/// Deletes a template, if there is one.
pub async fn delete(table: &Table, name: &str, language: &str) -> Result<(), StoreError> {
    table.write(Write::Delete(key(name, language))).await
}

//! Local templates in the table.

use carillon_channel::TemplateRef;
use carillon_table::{
    Item, Key, Page, StoreError, Table, Write, condition_held, exclusive_start_key,
};

use super::Template;

fn key(template: &TemplateRef) -> Key {
    Key::Template { name: template.name.clone(), language: template.language.clone() }
}

/// Stores a new template; `false` where there is one of that name and language.
pub async fn create(table: &Table, template: &Template) -> Result<bool, StoreError> {
    condition_held(table.write(Write::create(&key(&template.template), template)?).await)
}

/// Reads a template.
pub async fn get(table: &Table, template: &TemplateRef) -> Result<Option<Template>, StoreError> {
    table.get(&key(template)).await
}

/// One page of the templates, by name and language.
pub async fn list(
    table: &Table,
    after: Option<Item>,
    limit: u32,
) -> Result<Page<Template>, StoreError> {
    table.query_prefix("TEMPLATE", "", after, limit).await
}

/// The start of the page that follows a template.
pub fn start_after(template: &TemplateRef) -> Item {
    exclusive_start_key(&key(template))
}

/// Deletes a template, if there is one.
pub async fn delete(table: &Table, template: &TemplateRef) -> Result<(), StoreError> {
    table.write(Write::delete(&key(template))).await
}

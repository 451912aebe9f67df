use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use carillon::message::{Component, Content, Parameter, TemplateContent};
use carillon::recipient::upload::column_name;
use carillon::template::{self, HeaderSlot, ParameterFormat, Preview, TemplateDefinition};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::{Asked, Body, Named, cursor, page_size};
use crate::problem::{Answer, Problem};

/// Which page of the templates.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// How many, 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which language of a template.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LanguageAsked {
    /// The template's language, such as `es` or `en_US`.
    language: String,
}

/// A page of templates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TemplatePage {
    /// The templates, by name and language.
    items: Vec<TemplateDefinition>,
    /// Where the next page begins; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a preview is made with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewAsked {
    /// The template's language.
    language: String,
    /// What fills the template's variables; may have placeholders such as
    /// `{first_name}`. Left out, `variables` fill the template's by their names.
    #[serde(default)]
    components: Vec<Component>,
    /// What fills the placeholders: a recipient's columns.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
struct Place(String, String);

/// Make a local template
///
/// In the shape of Meta's creation request, checked against Meta's rules.
#[utoipa::path(post, path = "/v1/templates", operation_id = "createTemplate", tag = "Templates", request_body = TemplateDefinition,
    responses((status = 201, description = "The template.", body = TemplateDefinition)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Body(new): Body<TemplateDefinition>,
) -> Answer<(StatusCode, Json<TemplateDefinition>)> {
    new.validate().map_err(Problem::fields)?;
    if template::store::create(&api.table, &new).await? {
        return Ok((StatusCode::CREATED, Json(new)));
    }
    let (name, language) = (&new.name, &new.language);
    Err(Problem::conflict(format!("There is a template {name} in {language} already.")))
}

/// List the local templates
#[utoipa::path(get, path = "/v1/templates", operation_id = "listTemplates", tag = "Templates", params(PageAsked),
    responses((status = 200, description = "A page of templates.", body = TemplatePage)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<TemplatePage>> {
    let limit = page_size(asked.limit)?;
    let after: Option<Place> = cursor::read(asked.cursor.as_deref())?;
    let after = after.map(|Place(name, language)| template::store::place(&name, &language));
    let page = template::store::list(&api.table, after, limit).await?;
    let last = page.items.last().filter(|_| page.next.is_some());
    let place = last.map(|last| Place(last.name.clone(), last.language.clone()));
    let next_cursor = place.and_then(|place| cursor::write(&place));
    Ok(Json(TemplatePage { items: page.items, next_cursor }))
}

/// Show a local template
#[utoipa::path(get, path = "/v1/templates/{name}", operation_id = "getTemplate", tag = "Templates",
    params(("name" = String, Path, description = "The template's name."), LanguageAsked),
    responses((status = 200, description = "The template.", body = TemplateDefinition)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(asked): Asked<LanguageAsked>,
) -> Answer<Json<TemplateDefinition>> {
    Ok(Json(find(&api, &name, &asked.language).await?))
}

/// Delete a local template
///
/// Meta's template of that name, if there is one, stays.
#[utoipa::path(delete, path = "/v1/templates/{name}", operation_id = "deleteTemplate", tag = "Templates",
    params(("name" = String, Path, description = "The template's name."), LanguageAsked),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(asked): Asked<LanguageAsked>,
) -> Answer<StatusCode> {
    find(&api, &name, &asked.language).await?;
    template::store::delete(&api.table, &name, &asked.language).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what a contact will see
#[utoipa::path(post, path = "/v1/templates/{name}/preview", operation_id = "previewTemplate", tag = "Templates",
    params(("name" = String, Path, description = "The template's name.")), request_body = PreviewAsked,
    responses((status = 200, description = "The message.", body = Preview)))]
pub(crate) async fn preview(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Body(asked): Body<PreviewAsked>,
) -> Answer<Json<Preview>> {
    let template = find(&api, &name, &asked.language).await?;
    let given = asked.variables.into_iter().map(|(name, value)| (column_name(&name), value));
    let variables: BTreeMap<String, String> = given.collect();
    if asked.components.is_empty() {
        return Ok(Json(template.preview(&by_name(&template, &variables))));
    }
    let content = TemplateContent { name, language: asked.language, components: asked.components };
    let rendered = Content::Template(content)
        .render(&variables)
        .map_err(|missing| Problem::field("variables", missing.to_string()))?;
    match rendered {
        Content::Template(filled) => Ok(Json(template.preview(&filled.components))),
        Content::Text(_) | Content::Media(_) | Content::Interactive(_) => Err(Problem::failed()),
    }
}

/// Values for the header's and the body's variables, by their names.
fn by_name(template: &TemplateDefinition, variables: &BTreeMap<String, String>) -> Vec<Component> {
    let is_named = template.parameter_format == ParameterFormat::Named;
    let text = |name: &String| Parameter::Text {
        parameter_name: is_named.then(|| name.clone()),
        text: variables.get(name).cloned().unwrap_or_else(|| format!("{{{{{name}}}}}")),
    };
    let slots = template.slots();
    let mut values = vec![Component::Body { parameters: slots.body.iter().map(text).collect() }];
    if let HeaderSlot::Text(names) = &slots.header {
        values.push(Component::Header { parameters: names.iter().map(text).collect() });
    }
    values
}

async fn find(api: &Api, name: &str, language: &str) -> Answer<TemplateDefinition> {
    let found = template::store::get(&api.table, name, language).await?;
    found.ok_or_else(|| Problem::not_found("template"))
}

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use carillon::channel::{Preview, PreviewRequest, TemplateRef};
use carillon::import::column_name;
use carillon::template::{self, Template};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::body::{Asked, Body, JsonBody, Named, PageAsked, page_size};
use crate::problem::{Answer, Code, Problem};
use crate::{Api, App};

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
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// Where the next page begins; null at the end.
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
    #[schema(value_type = Vec<Object>)]
    components: Vec<Value>,
    /// What fills the placeholders: a recipient's columns.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// Create a local template
///
/// In the shape of Meta's creation request, checked against Meta's rules.
#[utoipa::path(post, path = "/v1/templates", operation_id = "createTemplate", tag = "Templates",
    security(("api_key" = ["settings"])),
    request_body(content = ref("#/components/schemas/TemplateDefinition"), content_type = "application/json", example = json!({
        "name": "opening", "language": "es", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Abrimos en noviembre. Te esperamos."}]})),
    responses((status = 201, description = "The template.", body = ref("#/components/schemas/TemplateDefinition"))))]
pub(crate) async fn create(
    State(api): App,
    JsonBody(definition): JsonBody,
) -> Answer<(StatusCode, Json<Value>)> {
    let Some((provider, rules)) = api.routes.providers().templates() else {
        return Err(Problem::new(
            Code::ProviderMissing,
            "No provider of this version keeps templates.",
        ));
    };
    let summary = rules.validate(&definition).map_err(Problem::fields)?;
    let template = Template {
        provider: provider.name().to_owned(),
        category: summary.category,
        template: summary.template,
        definition,
    };
    if template::store::create(&api.table, &template).await? {
        return Ok((StatusCode::CREATED, Json(template.definition)));
    }
    let TemplateRef { name, language } = template.template;
    let detail = format!("There is a template {name} in {language} already.");
    Err(Problem::new(Code::TemplateExists, detail))
}

/// List the local templates
#[utoipa::path(get, path = "/v1/templates", operation_id = "listTemplates", tag = "Templates",
    security(("api_key" = ["read"])), params(PageAsked),
    responses((status = 200, description = "A page of templates.", body = TemplatePage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<TemplatePage>> {
    let limit = page_size(asked.limit)?;
    let cursors = api.cursors().await?;
    let after: Option<TemplateRef> = cursors.read(asked.cursor.as_deref())?;
    let after = after.as_ref().map(template::store::start_after);
    let page = template::store::list(&api.table, after, limit).await?;
    let last = page.items.last().filter(|_| page.next.is_some());
    let next_cursor = last.and_then(|last| cursors.write(&last.template));
    let items = page.items.into_iter().map(|template| template.definition).collect();
    Ok(Json(TemplatePage { items, next_cursor }))
}

/// Show a local template
#[utoipa::path(get, path = "/v1/templates/{name}", operation_id = "getTemplate", tag = "Templates",
    security(("api_key" = ["read"])),
    params(("name" = String, Path, description = "The template's name."), LanguageAsked),
    responses((status = 200, description = "The template.", body = ref("#/components/schemas/TemplateDefinition"))))]
pub(crate) async fn get(
    State(api): App,
    Named(name): Named,
    Asked(asked): Asked<LanguageAsked>,
) -> Answer<Json<Value>> {
    let template = TemplateRef { name, language: asked.language };
    Ok(Json(find(&api, &template).await?.definition))
}

/// Delete a local template
///
/// Meta's template of that name, if there is one, stays.
#[utoipa::path(delete, path = "/v1/templates/{name}", operation_id = "deleteTemplate", tag = "Templates",
    security(("api_key" = ["settings"])),
    params(("name" = String, Path, description = "The template's name."), LanguageAsked),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(api): App,
    Named(name): Named,
    Asked(asked): Asked<LanguageAsked>,
) -> Answer<StatusCode> {
    let template = TemplateRef { name, language: asked.language };
    find(&api, &template).await?;
    template::store::delete(&api.table, &template).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what a contact will see
#[utoipa::path(post, path = "/v1/templates/{name}/preview", operation_id = "previewTemplate", tag = "Templates",
    security(("api_key" = ["read"])),
    params(("name" = String, Path, description = "The template's name.")), request_body = PreviewAsked,
    responses((status = 200, description = "The message.", body = Preview)))]
pub(crate) async fn preview(
    State(api): App,
    Named(name): Named,
    Body(asked): Body<PreviewAsked>,
) -> Answer<Json<Preview>> {
    let template = find(&api, &TemplateRef { name, language: asked.language }).await?;
    let given = asked.variables.into_iter().map(|(name, value)| (column_name(&name), value));
    let request = PreviewRequest { components: asked.components, variables: given.collect() };
    let provider = api.routes.providers().get(&template.provider);
    let rules = provider.and_then(|provider| provider.templates()).ok_or_else(|| {
        let detail = "The template's provider is not part of this version.";
        Problem::new(Code::ProviderMissing, detail)
    })?;
    rules.preview(&template.definition, &request).map(Json).map_err(Problem::fields)
}

async fn find(api: &Api, template: &TemplateRef) -> Answer<Template> {
    let found = template::store::get(&api.table, template).await?;
    found.ok_or_else(|| Problem::not_found("template"))
}

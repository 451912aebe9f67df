//! Meta's templates behind the templates port.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::content::{Component, Parameter, TemplateContent, WhatsappContent, parse};
use super::template::{HeaderSlot, ParameterFormat, TemplateDefinition};
use crate::content::{Content, FieldCode, FieldProblem, Native};
use crate::templates::{Preview, PreviewRequest, TemplateRef, TemplateSummary, Templates};

/// Meta's templates: definitions in the form of Meta's creation request.
pub(super) struct CloudTemplates;

impl Templates for CloudTemplates {
    fn validate(&self, definition: &Value) -> Result<TemplateSummary, Vec<FieldProblem>> {
        let definition = read(definition)?;
        definition.validate()?;
        let TemplateDefinition { name, language, category, .. } = definition;
        Ok(TemplateSummary {
            template: TemplateRef { name, language },
            category: category.as_str().to_owned(),
        })
    }

    fn fits(&self, definition: &Value, content: &Content) -> Result<(), Vec<FieldProblem>> {
        match WhatsappContent::read(content).map_err(|problem| vec![problem])? {
            WhatsappContent::Template(content) => read(definition)?.fits(&content),
            WhatsappContent::Text(_)
            | WhatsappContent::Media(_)
            | WhatsappContent::Interactive(_) => Ok(()),
        }
    }

    fn preview(
        &self,
        definition: &Value,
        request: &PreviewRequest,
    ) -> Result<Preview, Vec<FieldProblem>> {
        let definition = read(definition)?;
        if request.components.is_empty() {
            return Ok(definition.preview(&values_by_name(&definition, &request.variables)));
        }
        let payload = json!({
            "name": definition.name, "language": definition.language,
            "components": request.components,
        });
        let content = Content::Native(Native { kind: "template".to_owned(), payload });
        let rendered = content.render(&request.variables).map_err(|missing| {
            vec![FieldProblem::new("variables", FieldCode::Required, missing.to_string())]
        })?;
        match WhatsappContent::read(&rendered).map_err(|problem| vec![problem])? {
            WhatsappContent::Template(TemplateContent { components, .. }) => {
                Ok(definition.preview(&components))
            }
            WhatsappContent::Text(_)
            | WhatsappContent::Media(_)
            | WhatsappContent::Interactive(_) => Ok(Preview::default()),
        }
    }
}

fn read(definition: &Value) -> Result<TemplateDefinition, Vec<FieldProblem>> {
    parse("", definition).map_err(|problem| {
        let field = problem.field.trim_start_matches('.').to_owned();
        vec![FieldProblem { field, ..problem }]
    })
}

/// The values of the variables of the header and the body, by name.
fn values_by_name(
    template: &TemplateDefinition,
    variables: &BTreeMap<String, String>,
) -> Vec<Component> {
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

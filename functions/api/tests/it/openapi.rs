use std::collections::BTreeSet;

use carillon::api_key::Scope;
use serde_json::{Value, json};

use crate::fixture::{UNREACHABLE, standard_providers};

pub(crate) fn description() -> Value {
    serde_json::to_value(carillon_api::openapi(&standard_providers(UNREACHABLE))).unwrap()
}

/// Every operation: its path, its method and its description.
pub(crate) fn operations(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, item) in paths {
        for method in ["get", "put", "post", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                found.push((path.as_str(), method, operation));
            }
        }
    }
    found
}

#[test]
fn the_description_matches_the_snapshot() {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("openapi", description());
    });
}

#[test]
fn the_description_is_openapi_3_1() {
    let description = description();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(description["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
}

#[test]
fn every_operation_has_a_unique_id_and_a_summary() {
    let description = description();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&description) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is used twice");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{method} {path}");
    }
    assert_eq!(names.len(), 73);
}

#[test]
fn every_operation_lists_its_errors_and_parameters() {
    let description = description();
    for (path, method, operation) in operations(&description) {
        if !path.starts_with("/v1/") {
            continue;
        }
        assert!(operation["security"].is_array(), "{method} {path}");
        for status in ["401", "403", "503", "default"] {
            let problem = &operation["responses"][status]["content"]["application/problem+json"];
            assert!(problem.is_object(), "{method} {path} {status}");
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        // Their answers are not remembered: uploads are streamed, searches read, contacts are people.
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_forgotten =
            matches!(last, "recipients" | "media" | "search" | "preview" | "suppressions")
                || path.starts_with("/v1/contacts");
        let expected = method == "post" && !is_forgotten;
        assert_eq!(named("idempotency-key"), expected, "{method} {path}");
        for name in path.split('{').skip(1).filter_map(|part| part.split_once('}')) {
            assert!(named(name.0), "{method} {path} {}", name.0);
        }
    }
}

#[test]
fn every_reference_resolves() {
    let description = description();
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

/// Nobody finds a schema that nothing refers to.
#[test]
fn every_schema_is_used() {
    let description = description();
    let mut references = Vec::new();
    collect(&description, &mut references);
    for schema in description["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{schema}");
        assert!(references.contains(&reference.as_str()), "{schema}");
    }
}

/// A body may be left out where all its members may.
#[test]
fn a_request_body_is_required_where_one_of_its_members_is() {
    let description = description();
    for (path, method, operation) in operations(&description) {
        let Some(body) = operation.get("requestBody") else { continue };
        let schema = body["content"]["application/json"]["schema"]["$ref"].as_str();
        let members = schema.and_then(|schema| description.pointer(&schema[1..]));
        let is_optional = method == "post"
            && members.is_some_and(|one| {
                one["type"] == "object"
                    && one.get("required").is_none()
                    && one.get("minProperties").is_none()
            });
        assert_eq!(body["required"], !is_optional, "{method} {path}");
    }
}

#[test]
fn every_operation_names_the_scope_that_it_needs() {
    let description = description();
    for (path, method, operation) in operations(&description) {
        let needs_key = operation["security"][0]["api_key"].is_array();
        assert_eq!(needs_key, path.starts_with("/v1/"), "{method} {path}");
        let scope = operation["x-required-scope"].as_str();
        let has_scope = scope.is_some_and(|scope| scope.parse::<Scope>().is_ok());
        assert_eq!(has_scope, needs_key && path != "/v1/me", "{method} {path}: {scope:?}");
    }
}

/// Of two types with one name, one would replace the other.
#[test]
fn every_schema_name_is_unique() {
    let description = description();
    let words = |schema: &str| {
        let words = &description["components"]["schemas"][schema]["x-extensible-enum"];
        words.as_array().unwrap_or_else(|| panic!("{schema} is no enumeration")).len()
    };
    assert_eq!((words("CampaignStatus"), words("RecipientStatus")), (7, 11));
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for schema in ["Status", "Report", "Kind"] {
        assert!(!schemas.contains_key(schema), "{schema} of what?");
    }
}

/// A client takes a value of a later version, and refuses to send one that this version does not
/// know.
#[test]
fn enumerations_are_closed_in_requests_and_open_in_answers() {
    let description = description();
    let schemas = &description["components"]["schemas"];
    let speeds = json!(["fast", "normal", "slow"]);
    assert_eq!(schemas["Speed"]["x-extensible-enum"], speeds);
    assert!(schemas["Speed"]["enum"].is_null());
    let speed = &schemas["NewCampaign"]["properties"]["speed"];
    assert!(speed.to_string().contains(&format!("\"enum\":{speeds}")), "{speed}");
    let answered = &schemas["CampaignView"]["properties"]["speed"];
    assert!(answered.to_string().contains("#/components/schemas/Speed"), "{answered}");

    let parameters = &description["paths"]["/v1/campaigns"]["get"]["parameters"];
    let of_status = |one: &&Value| one["name"] == "status";
    let status = parameters.as_array().unwrap().iter().find(of_status).unwrap();
    assert!(status["schema"].to_string().contains("\"enum\""), "{status}");
    let open = schemas.as_object().unwrap().values().filter(|one| one["enum"].is_array());
    for one in open {
        assert_eq!(one["enum"].as_array().unwrap().len(), 1, "{one}");
    }
}

#[test]
fn links_lead_to_operations_and_name_what_they_need() {
    let description = description();
    let all = operations(&description);
    let mut links = 0;
    for (path, _, operation) in &all {
        let responses = operation["responses"].as_object().unwrap().values();
        for link in responses.filter_map(|response| response["links"].as_object()).flatten() {
            let target = all.iter().find(|(_, _, one)| one["operationId"] == link.0.as_str());
            let parameters = target.unwrap().2["parameters"].as_array().unwrap();
            let needed = parameters.iter().filter(|one| one["required"] == true);
            let needed: BTreeSet<_> = needed.map(|one| one["name"].as_str().unwrap()).collect();
            let named = link.1["parameters"].as_object().unwrap();
            let named: BTreeSet<_> = named.keys().map(String::as_str).collect();
            assert_eq!(named, needed, "{path}: {}", link.0);
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

//! The reference in `docs/api`, made from the description. Its examples are requests that this
//! test sends, and their answers. `just reference` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use axum::http::Request;
use carillon::time::Timestamp;
use serde_json::{Map, Value};

use crate::every_operation::{Operation, Stage};
use crate::openapi::description;

/// What stands for every UUID and every time, which differ from run to run.
const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TIME: &str = "2026-11-21T12:00:00.000Z";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api")
}

#[tokio::test]
async fn the_reference_is_what_the_api_does() {
    let pages = pages().await;
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, text) in &pages {
            fs::write(folder().join(name), text).unwrap();
        }
    }
    for (name, text) in pages {
        let found = fs::read_to_string(folder().join(&name)).unwrap_or_default();
        assert!(found == text, "docs/api/{name} is out of date: run `just reference`");
    }
}

/// The pages by file name: one for each tag, and their list.
async fn pages() -> BTreeMap<String, String> {
    let description = description();
    let mut pages = BTreeMap::new();
    let mut index = String::from("# The HTTP API\n\n");
    let intro = description["info"]["description"].as_str().unwrap();
    writeln!(index, "{intro}\n\nMade from the API's description; each example was sent.\n")
        .unwrap();
    for tag in description["tags"].as_array().unwrap() {
        let (name, words) = (text(&tag["name"]), text(&tag["description"]));
        let operations: Vec<Operation> =
            Operation::all().into_iter().filter(|one| one.tag == name).collect();
        if operations.is_empty() {
            continue;
        }
        let file = format!("{}.md", name.to_lowercase());
        writeln!(index, "## [{name}]({file})\n\n{words}\n").unwrap();
        let mut page = format!("# {name}\n\n{words}\n");
        for operation in operations {
            let Operation { method, path, .. } = &operation;
            let summary = text(&operation.described["summary"]);
            writeln!(index, "- `{method} {path}`: {summary}").unwrap();
            page.push_str(&section(&description, &operation).await);
        }
        index.push('\n');
        pages.insert(file, page);
    }
    pages.insert("README.md".to_owned(), index.trim_end().to_owned() + "\n");
    pages
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

async fn section(description: &Value, operation: &Operation) -> String {
    let Operation { name, method, path, described, .. } = operation;
    let mut page =
        format!("\n## {}\n\n`{method} {path}` (`{name}`)\n", text(&described["summary"]));
    let words = text(&described["description"]);
    if !words.is_empty() {
        writeln!(page, "\n{words}").unwrap();
    }
    let parameters = described["parameters"].as_array().into_iter().flatten();
    let rows: Vec<[String; 3]> = parameters
        .map(|one| [text(&one["name"]), text(&one["in"]), one_line(&one["description"])])
        .collect();
    table(&mut page, ["parameter", "in", "meaning"], &rows);
    let schema = &described["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    if let Some(schema) = schema.as_str().and_then(|path| description.pointer(&path[1..])) {
        table(&mut page, ["member of the body", "", "meaning"], &members(schema));
    }
    example(&mut page, operation).await;
    page
}

fn one_line(value: &Value) -> String {
    text(value).replace('\n', " ").replace('|', "\\|")
}

fn members(schema: &Value) -> Vec<[String; 3]> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let row = |(name, member): (&String, &Value)| {
        let is_required = required.iter().any(|one| one == name);
        let mark = if is_required { "required" } else { "" };
        [name.clone(), mark.to_owned(), one_line(&member["description"])]
    };
    properties.map(row).collect()
}

fn table(page: &mut String, head: [&str; 3], rows: &[[String; 3]]) {
    if rows.is_empty() {
        return;
    }
    writeln!(page, "\n| {} |\n|---|---|---|", head.join(" | ")).unwrap();
    for [name, mark, words] in rows {
        writeln!(page, "| `{name}` | {mark} | {words} |").unwrap();
    }
}

/// Sends the request to an API that has one of everything. Where the example would need the
/// provider, there is none.
async fn example(page: &mut String, operation: &Operation) {
    let stage = Stage::set().await;
    let response = stage.send(operation, &Request::builder().body(()).unwrap(), |_| {}).await;
    if !response.status.is_success() {
        return;
    }
    let path = fixed_path(&stage.path(operation));
    write!(page, "\n```http\n{} {path}\n", operation.method).unwrap();
    if let Some(body) = stage.body(operation) {
        let body = serde_json::to_string_pretty(&fixed("", body)).unwrap();
        write!(page, "Content-Type: application/json\n\n{body}\n").unwrap();
    }
    write!(page, "```\n\n```http\nHTTP/1.1 {}\n", response.status).unwrap();
    if let Some(location) = response.header("location") {
        writeln!(page, "Location: {}", fixed_path(location)).unwrap();
    }
    if response.json.is_null() {
        let kind = response.header("content-type").map(|kind| format!("Content-Type: {kind}\n"));
        page.push_str(&kind.unwrap_or_default());
    } else {
        let body = serde_json::to_string_pretty(&fixed("", response.json)).unwrap();
        write!(page, "\n{body}\n").unwrap();
    }
    page.push_str("```\n");
}

fn fixed_path(path: &str) -> String {
    path.split('/').map(fixed_text).collect::<Vec<_>>().join("/")
}

/// A document without what differs from run to run, and without secrets.
fn fixed(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let value = fixed(&name, value);
                (name, value)
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(|item| fixed(name, item)).collect();
            // Items that sort by their ids come in another order in each run.
            if name == "items" {
                items.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::String(_) if matches!(name, "key" | "verify_token" | "next_cursor") => "…".into(),
        Value::String(text) => fixed_text(&text).into(),
        other => other,
    }
}

fn fixed_text(text: &str) -> String {
    if text.parse::<Timestamp>().is_ok() {
        return TIME.to_owned();
    }
    match text.rsplit_once('_') {
        Some((prefix, rest)) if uuid::Uuid::try_parse(rest).is_ok() => format!("{prefix}_{UUID}"),
        _ => text.to_owned(),
    }
}

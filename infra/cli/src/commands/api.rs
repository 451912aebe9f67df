//! `carillon api`.

use std::fs;
use std::io::{self, Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::body::{Body, pair};
use crate::client::{ApiPath, Request};
use crate::error::CommandError;
use crate::output;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon api GET /v1/campaigns -f status=active -f limit=5
  carillon api PATCH /v1/campaigns/cmp_… -f daily_send_limit=500 -f send_window.from=09:00
  carillon api POST /v1/keys -f name=reporting -f 'scopes=[\"read\"]'
  carillon api POST /v1/connections --input connection.json
  carillon api GET /openapi.json

A value that is JSON is taken as such: 500, true, null, [\"read\"], \"500\" (a text with quotation
marks). Everything else is text. The answer's body is printed unchanged.";

/// Sends one request of the HTTP API and prints the answer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApiArgs {
    /// GET, POST, PATCH, PUT or DELETE.
    #[arg(value_parser = method)]
    method: Method,
    /// Path, such as /v1/campaigns.
    #[arg(value_parser = path)]
    path: ApiPath,
    /// Member of the JSON body, with dots for members inside; for GET and DELETE a parameter of
    /// the query. Repeat for several.
    #[arg(short = 'f', long = "field", value_name = "KEY=VALUE", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// File that is sent as the body, or `-` for the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    input: Option<PathBuf>,
    /// Type of the file.
    #[arg(long, value_name = "TYPE", default_value = "application/json", requires = "input")]
    content_type: String,
}

pub(crate) async fn run(args: ApiArgs, session: &Session) -> Result<(), CommandError> {
    let answer = session.client.send(&request(args)?).await?;
    let text = answer.text.strip_suffix('\n').unwrap_or(&answer.text);
    if text.is_empty() { Ok(()) } else { output::line(text) }
}

fn request(args: ApiArgs) -> Result<Request, CommandError> {
    let mut request = Request::new(args.method.clone(), &args.path);
    if let Some(file) = args.input {
        let content = read(&file).map_err(CommandError::file(&file))?;
        return Ok(request.file(&args.content_type, content));
    }
    if matches!(args.method, Method::GET | Method::DELETE) {
        for (name, value) in &args.fields {
            request = request.query(name, [value]);
        }
        return Ok(request);
    }
    if args.fields.is_empty() {
        return Ok(request);
    }
    let mut body = Body::default();
    for (path, text) in args.fields {
        body.set(&path, Some(value(text)));
    }
    Ok(request.json(body.into_value()))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut content = Vec::new();
    stdin().read_to_end(&mut content)?;
    Ok(content)
}

/// What is valid JSON, or a text.
fn value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn method(text: &str) -> Result<Method, String> {
    let method = text.to_ascii_uppercase();
    match method.as_str() {
        "GET" | "POST" | "PATCH" | "PUT" | "DELETE" => {
            method.parse().map_err(|_| "expected a method".to_owned())
        }
        _ => Err("expected GET, POST, PATCH, PUT or DELETE".to_owned()),
    }
}

fn path(text: &str) -> Result<ApiPath, String> {
    if text.contains("://") {
        return Err("expected a path such as /v1/campaigns: the address is --url".to_owned());
    }
    let slash = if text.starts_with('/') { "" } else { "/" };
    Ok(ApiPath::raw(&format!("{slash}{text}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ApiArgs,
    }

    fn built(line: &[&str]) -> String {
        let line = Line::try_parse_from([&["test"], line].concat()).unwrap();
        format!("{:?}", request(line.args).unwrap())
    }

    #[test]
    fn fields_are_a_body_or_a_query() {
        let post = built(&["post", "v1/keys", "-f", "name=5 a", "-f", "a.b=7", "-f", "a.c=\"7\""]);
        for part in ["POST", "\"/v1/keys\"", "\"name\": String(\"5 a\")", "\"b\": Number(7)"] {
            assert!(post.contains(part), "{part}: {post}");
        }
        assert!(post.contains("\"c\": String(\"7\")"), "{post}");
        let get = built(&["GET", "/v1/campaigns", "-f", "status=active", "-f", "status=paused"]);
        assert!(get.contains("[(\"status\", \"active\"), (\"status\", \"paused\")]"), "{get}");
        assert!(get.contains("body: Empty"), "{get}");
    }

    #[test]
    fn another_address_or_method_is_refused() {
        for line in [["GET", "https://example.com/v1/me"], ["BREW", "/v1/me"]] {
            assert!(Line::try_parse_from([&["test"], &line[..]].concat()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn values_are_json_where_they_can_be() {
        assert_eq!(value("null".into()), Value::Null);
        assert_eq!(value("true".into()), Value::Bool(true));
        assert_eq!(value("09:00".into()), Value::from("09:00"));
    }
}

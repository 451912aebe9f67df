//! `carillon templates`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::body::{Body, pair};
use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon templates create template.json
  carillon templates get spring_offer --language es
  carillon templates preview spring_offer --language es --var first_name=Ana

The file has the shape of Meta's creation request. A local template is checked against Meta's
rules; it is not submitted to Meta.";

const COLUMNS: [Column; 4] = [
    ("NAME", "name"),
    ("LANGUAGE", "language"),
    ("CATEGORY", "category"),
    ("VARIABLES", "parameter_format"),
];

/// Creates, shows and deletes local templates.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TemplatesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List templates.
    List,
    /// Show a template.
    Get(TemplateName),
    /// Create a template from a JSON file.
    Create {
        /// The file, or `-` for the standard input.
        file: PathBuf,
    },
    /// Delete a template.
    Delete(TemplateName),
    /// Show what a contact will see.
    Preview {
        #[command(flatten)]
        template: TemplateName,
        /// Value of a variable, such as `first_name=Ana`, or 1=Ana for the first one. Repeat for
        /// several.
        #[arg(long = "var", value_name = "VARIABLE=VALUE", value_parser = pair)]
        variables: Vec<(String, String)>,
    },
}

#[derive(Debug, Args)]
struct TemplateName {
    /// Name of the template.
    name: Segment,
    /// Language of the template, such as es or `en_US`.
    #[arg(long, value_name = "CODE")]
    language: String,
}

impl TemplateName {
    fn path(&self) -> ApiPath {
        ApiPath::of("templates", &self.name)
    }
}

pub(crate) async fn run(args: TemplatesArgs, session: &Session) -> Result<(), CommandError> {
    let templates = ApiPath::new("templates");
    match args.command {
        Command::List => session.list(Request::get(&templates), None, &COLUMNS).await,
        Command::Get(template) => {
            let request = Request::get(&template.path()).query("language", [&template.language]);
            session.print(&session.client.send(&request).await?, output::fields)
        }
        Command::Create { file } => {
            let body = Body::of_file(Some(&file))?.into_value();
            let created = session.client.send(&Request::post(&templates).json(body)).await?;
            session.print(&created, output::fields)
        }
        Command::Delete(template) => {
            session.confirm("Delete the template? This cannot be undone.")?;
            // A template cannot be changed, so it has no entity tag.
            let request = Request::delete(&template.path()).query("language", [&template.language]);
            let deleted = session.client.send(&request).await?;
            session.print(&deleted, |_| output::line("Deleted."))
        }
        Command::Preview { template, variables } => {
            let variables: serde_json::Map<_, _> =
                variables.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let body = json!({ "language": template.language, "variables": variables });
            let request = Request::post(&template.path().then("preview")).json(body);
            session.print(&session.client.send(&request).await?, print_preview)
        }
    }
}

/// The parts of the message, as they stand on the phone.
fn print_preview(preview: &Value) -> Result<(), CommandError> {
    for part in ["header", "body", "footer"] {
        if let Some(text) = preview[part].as_str() {
            output::line(text)?;
        }
    }
    for button in preview["buttons"].as_array().into_iter().flatten() {
        output::line(&format!("[{}]", output::text(button)))?;
    }
    preview["cards"].as_array().into_iter().flatten().try_for_each(|card| {
        output::line("---")?;
        print_preview(card)
    })
}

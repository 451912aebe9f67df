//! `carillon media`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon media upload offer.png --connection con_…
  carillon media upload offer.png --connection con_… --replaces med_…

A message or template names the file by its id (med_…). Carillon renews the file at the provider.
On AWS a file may have 4 MB.";

const COLUMNS: [Column; 6] = [
    ("ID", "id"),
    ("FILE", "filename"),
    ("TYPE", "mime_type"),
    ("BYTES", "bytes"),
    ("AVAILABLE", "available"),
    ("CREATED", "created_at"),
];

/// The types of files that WhatsApp takes, by the end of the file's name.
const TYPES: [(&str, &str); 19] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("mp4", "video/mp4"),
    ("3gp", "video/3gpp"),
    ("aac", "audio/aac"),
    ("amr", "audio/amr"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("doc", "application/msword"),
    ("xls", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// Uploads, lists and deletes files for messages.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MediaArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List files.
    List,
    /// Show a file's data.
    Get(MediaId),
    /// Upload a file.
    Upload {
        /// The file.
        file: PathBuf,
        /// Connection that sends it first.
        #[arg(long, value_name = "ID")]
        connection: Segment,
        /// Uploaded file that it takes the place of, under its id.
        #[arg(long, value_name = "ID")]
        replaces: Option<Segment>,
        /// Type of the file, such as image/png [default: by the end of its name].
        #[arg(long = "type", value_name = "TYPE")]
        mime_type: Option<String>,
    },
    /// Delete a file. Campaigns that name it are halted.
    Delete(MediaId),
}

#[derive(Debug, Args)]
struct MediaId {
    /// ID of the file.
    id: Segment,
}

impl MediaId {
    fn path(&self) -> ApiPath {
        ApiPath::of("media", &self.id)
    }
}

pub(crate) async fn run(args: MediaArgs, session: &Session) -> Result<(), CommandError> {
    let media = ApiPath::new("media");
    match args.command {
        Command::List => session.list(Request::get(&media), None, &COLUMNS).await,
        Command::Get(of) => session.show(&of.path()).await,
        Command::Upload { file, connection, replaces, mime_type } => {
            let content = fs::read(&file).map_err(CommandError::file(&file))?;
            let mime_type = mime_type.map_or_else(|| type_of(&file), Ok)?;
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
            let request = Request::post(&media)
                .query("connection_id", [connection])
                .query("filename", name)
                .query("replaces", replaces)
                .file(&mime_type, content);
            session.print(&session.client.send(&request).await?, output::fields)
        }
        Command::Delete(of) => session.delete(&of.path(), "the file").await,
    }
}

fn type_of(file: &Path) -> Result<String, CommandError> {
    let end = file.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    let found = TYPES.iter().find(|(known, _)| Some(*known) == end.as_deref());
    found.map(|(_, mime_type)| (*mime_type).to_owned()).ok_or_else(|| {
        CommandError::Usage(format!("the type of {} is not known: give --type", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_that_of_the_files_name() {
        assert_eq!(type_of(Path::new("a/Offer.PNG")).unwrap(), "image/png");
        assert_eq!(type_of(Path::new("offer")).unwrap_err().exit_code(), 2);
    }
}

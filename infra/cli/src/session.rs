//! What every command of the API has: the client, and how the user wants the results.

use serde_json::Value;

use crate::ask;
use crate::client::{Answer, ApiPath, Client, List, Request};
use crate::error::CommandError;
use crate::output::{self, Column};

/// The client of one command and its global flags.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Print the API's documents instead of text.
    pub(crate) json: bool,
    /// Do not ask before what cannot be undone.
    pub(crate) yes: bool,
}

impl Session {
    /// Prints an answer: the document unchanged, or as text.
    pub(crate) fn print(
        &self,
        answer: &Answer,
        as_text: impl FnOnce(&Value) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        if !self.json {
            return as_text(&answer.value());
        }
        // Deletions answer nothing.
        if answer.text.is_empty() { Ok(()) } else { output::line(&answer.text) }
    }

    /// Prints the members of what is at a path.
    pub(crate) async fn show(&self, path: &ApiPath) -> Result<(), CommandError> {
        self.print(&self.client.send(&Request::get(path)).await?, output::fields)
    }

    /// Prints a list that has pages.
    pub(crate) async fn list(
        &self,
        request: Request,
        limit: Option<usize>,
        columns: &[Column],
    ) -> Result<(), CommandError> {
        self.print_list(&self.client.list(&request, limit).await?, columns)
    }

    fn print_list(&self, list: &List, columns: &[Column]) -> Result<(), CommandError> {
        if self.json {
            return output::line(&list.document());
        }
        output::table(&list.values(), columns)?;
        match list.next_cursor() {
            Some(_) => output::line("There are more: raise --limit."),
            None => Ok(()),
        }
    }

    /// Prints a list that is always one page.
    pub(crate) async fn list_all(
        &self,
        path: &ApiPath,
        columns: &[Column],
    ) -> Result<(), CommandError> {
        let answer = self.client.send(&Request::get(path)).await?;
        self.print(&answer, |list| output::table(items(list), columns))
    }

    /// Reads a resource and sends a request on condition that it is still as it was read:
    /// somebody else's change in between is answered 412.
    pub(crate) async fn change(
        &self,
        resource: &ApiPath,
        request: Request,
    ) -> Result<Answer, CommandError> {
        let current = self.client.send(&Request::get(resource)).await?;
        Ok(self.client.send(&request.if_match(current.etag)).await?)
    }

    /// Asks, and deletes a resource. `what` names it, such as `the key`.
    pub(crate) async fn delete(&self, path: &ApiPath, what: &str) -> Result<(), CommandError> {
        self.confirm(&format!("Delete {what}? This cannot be undone."))?;
        let answer = self.change(path, Request::delete(path)).await?;
        self.print(&answer, |_| output::line("Deleted."))
    }

    pub(crate) fn confirm(&self, question: &str) -> Result<(), CommandError> {
        ask::confirm(question, self.yes)
    }
}

/// The items of a list's document.
pub(crate) fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::args::ServeArgs;
use super::provider::Provider;
use crate::error::CommandError;
use crate::output;

/// What `serve` prints when it has started.
pub(super) struct Startup<'a> {
    pub(super) args: &'a ServeArgs,
    pub(super) url: String,
    pub(super) admin_key: SecretString,
    pub(super) provider: &'a Provider,
    pub(super) created_connection: Option<String>,
}

impl Startup<'_> {
    pub(super) fn print(&self, json: bool) -> Result<(), CommandError> {
        if !self.args.listen.ip().is_loopback() {
            eprintln!(
                "carillon: warning: other machines can reach this listener over plain HTTP; \
                 put a TLS proxy in front of it"
            );
        }
        if json { self.print_json() } else { self.print_text() }
    }

    fn print_json(&self) -> Result<(), CommandError> {
        let key_is_configured = self.args.admin_key.is_some();
        output::json(&json!({
            "url": self.url,
            "api_key": (!key_is_configured).then(|| self.admin_key.expose_secret()),
            "data": self.args.data,
            "graph_url": self.provider.url(),
            "simulator": self.provider.is_simulator(),
            "connection_created": self.created_connection,
        }))
    }

    fn print_text(&self) -> Result<(), CommandError> {
        let data = self.args.data.display();
        output::line(&format!("Carillon listens on {}\n", self.url))?;
        match self.args.admin_key {
            Some(_) => {
                output::line("  API key     the one from --admin-key or CARILLON_ADMIN_KEY")?;
            }
            None => output::line(&format!(
                "  API key     {}\n              stored in {data}/admin-key",
                self.admin_key.expose_secret()
            ))?,
        }
        output::line(&format!("  data        {data}"))?;
        let url = self.provider.url();
        if self.provider.is_simulator() {
            output::line(&format!(
                "  sends to    the built-in simulator ({url}): no message leaves this machine"
            ))?;
        } else {
            output::line(&format!("  sends to    {url}"))?;
        }
        if let Some(id) = &self.created_connection {
            output::line(&format!("  connection  {id}, \"Simulator\", created"))?;
        }
        output::line("\nNext: carillon campaigns --help. Ctrl-C stops.")
    }
}

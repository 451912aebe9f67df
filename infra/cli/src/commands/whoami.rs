//! `carillon whoami`.

use serde::Deserialize;

use crate::access::Access;
use crate::client::{ApiPath, Client, Request};
use crate::error::CommandError;
use crate::output;
use crate::session::Session;

/// The answer of `GET /v1/me`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Me {
    pub(super) key: Key,
    mode: String,
    pub(super) version: String,
    pub(super) now: String,
}

/// The key of the request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: Option<String>,
}

impl Me {
    pub(super) fn is_live(&self) -> bool {
        self.mode == "live"
    }

    pub(super) fn mode_text(&self) -> &'static str {
        if self.is_live() {
            "live, messages reach people"
        } else {
            "simulator, messages reach nobody"
        }
    }
}

pub(crate) async fn run(access: &Access, session: &Session) -> Result<(), CommandError> {
    let target = access.target()?;
    let client: &Client = &session.client;
    let answer = client.send(&Request::get(&ApiPath::new("me"))).await?;
    session.print(&answer, |me| {
        let me: Me = serde_json::from_value(me.clone()).unwrap_or_default();
        for (name, value) in [
            ("url", client.base_url()),
            ("from", &target.source),
            ("key", &me.key.name),
            ("scopes", &me.key.scopes.join(", ")),
            (
                "expires",
                &me.key
                    .expires_at
                    .as_ref()
                    .map_or_else(|| "never".into(), |time| output::text(&time.clone().into())),
            ),
            ("mode", me.mode_text()),
            ("version", &me.version),
        ] {
            output::line(&format!("{name:8} {value}"))?;
        }
        Ok(())
    })
}

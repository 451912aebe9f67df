use carillon::time::Timestamp;
use serde_json::Value;

use super::finding::Finding;
use super::resources;
use crate::access::Access;
use crate::client::{ApiPath, Client, ClientError};
use crate::commands::whoami::Me;
use crate::error::CommandError;
use crate::{output, when};

/// Clocks that differ by more, in seconds, make times and expiries confusing.
const MAX_CLOCK_DIFFERENCE: i64 = 60;
/// A key that expires within this time is worth a warning.
const EXPIRY_WARNING_DAYS: i64 = 7;

/// Checks one thing after the other. What cannot be checked without the one before is left out.
pub(super) async fn run(access: &Access) -> Vec<Finding> {
    let (client, detail) = match target(access) {
        Ok(target) => target,
        Err(error) => return vec![no_profile(&error)],
    };
    let mut findings = vec![address(client.base_url(), detail)];
    match client.get::<Value>(&ApiPath::raw("/health")).await {
        Ok(health) => findings.push(server(&output::text(&health["version"]))),
        Err(error) => {
            findings.push(unreachable(&error));
            return findings;
        }
    }
    match client.get::<Me>(&ApiPath::new("me")).await {
        Ok(me) => {
            findings.extend(caller(&me, when::now()));
            findings.extend(resources::check(&client, &me).await);
        }
        Err(error) => findings.push(Finding::problem(
            "key",
            error.to_string(),
            "Log in again with `carillon login`.",
        )),
    }
    findings
}

/// The client, and which address it calls and why.
fn target(access: &Access) -> Result<(Client, String), CommandError> {
    let target = access.target()?;
    let detail = format!("{}, by {}", target.url, target.source);
    Ok((Client::new(&target.url, target.key)?, detail))
}

fn no_profile(error: &CommandError) -> Finding {
    Finding::problem("profile", error.to_string(), "Log in with `carillon login`.")
}

fn address(url: &str, detail: String) -> Finding {
    let is_local = ["http://127.", "http://localhost", "http://[::1]"];
    if url.starts_with("http://") && !is_local.iter().any(|start| url.starts_with(start)) {
        return Finding::warning(
            "profile",
            format!("{detail}: the key travels over plain HTTP"),
            "Put a proxy that terminates TLS in front of Carillon, and use its https address.",
        );
    }
    Finding::ok("profile", detail)
}

fn server(version: &str) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    if version == own {
        return Finding::ok("server", format!("it answers, version {version}"));
    }
    Finding::warning(
        "server",
        format!("it has version {version}, this program {own}"),
        "Install the program of the server's version.",
    )
}

fn unreachable(error: &ClientError) -> Finding {
    Finding::problem("server", error.to_string(), "Start it, or check --url.")
}

/// What the server says of the key, of itself and of the time.
fn caller(me: &Me, now: Timestamp) -> Vec<Finding> {
    let scopes = me.key.scopes.join(", ");
    let key = format!("{:?} with the scopes {scopes}", me.key.name);
    let expires = me.key.expires_at.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let soon = expires.filter(|expires| days_between(now, *expires) < EXPIRY_WARNING_DAYS);
    let key = match soon {
        Some(_) => Finding::warning(
            "key",
            format!("{key} expires soon"),
            "Rotate it with `carillon keys rotate`, or change its expiry.",
        ),
        None => Finding::ok("key", key),
    };
    vec![key, Finding::ok("mode", me.mode_text()), clocks(&me.now, now)]
}

fn days_between(now: Timestamp, then: Timestamp) -> i64 {
    then.duration_since(now).as_hours() / 24
}

fn clocks(server: &str, now: Timestamp) -> Finding {
    let Ok(server) = server.parse::<Timestamp>() else {
        return Finding::warning("clocks", "the server's time is not known", "Check --url.");
    };
    let seconds = server.duration_since(now).as_secs();
    if seconds.abs() <= MAX_CLOCK_DIFFERENCE {
        return Finding::ok("clocks", "the server's and this machine's agree");
    }
    Finding::warning(
        "clocks",
        format!("the server's differs by {} seconds from this machine's", seconds.abs()),
        "Set the clock of this machine by NTP.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        assert_eq!(clocks("2026-12-01T12:00:30.000Z", now).level, Level::Ok);
        assert_eq!(clocks("2026-12-01T11:50:00.000Z", now).level, Level::Warning);
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        assert_eq!(address("http://127.0.0.1:8080", String::new()).level, Level::Ok);
        assert_eq!(address("https://api.example.com", String::new()).level, Level::Ok);
        assert_eq!(address("http://api.example.com", String::new()).level, Level::Warning);
    }
}

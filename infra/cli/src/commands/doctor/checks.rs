use carillon::time::Timestamp;
use serde_json::{Value, json};

use super::finding::Finding;
use crate::access::Access;
use crate::client::{ApiPath, Client, ClientError, Request, Segment};
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
            findings.extend(resources(&client, &me).await);
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

/// Connections, campaigns and queues. They need the scope `read`.
async fn resources(client: &Client, me: &Me) -> Vec<Finding> {
    if !me.key.scopes.iter().any(|scope| scope == "read") {
        return vec![Finding::warning(
            "resources",
            "the key may not read them",
            "Use a key with the scope read to check connections, campaigns and queues.",
        )];
    }
    let mut findings = Vec::new();
    match list(client, "connections", &[]).await {
        Ok(connections) if connections.is_empty() => findings.push(Finding::warning(
            "connections",
            "there is none: nothing can be sent",
            "Create one with `carillon connections create`.",
        )),
        Ok(connections) => {
            for connection in &connections {
                findings.push(health(client, me, connection).await);
            }
        }
        Err(error) => findings.push(unreadable("connections", &error)),
    }
    findings.push(match list(client, "campaigns", &["halted"]).await {
        Ok(halted) => campaigns(&halted),
        Err(error) => unreadable("campaigns", &error),
    });
    findings.push(match client.get::<Value>(&ApiPath::new("queues")).await {
        Ok(found) => queues(&found),
        Err(error) => unreadable("queues", &error),
    });
    findings
}

async fn list(client: &Client, path: &str, status: &[&str]) -> Result<Vec<Value>, ClientError> {
    let request = Request::get(&ApiPath::new(path)).query("status", status);
    Ok(client.list(&request, None).await?.values())
}

fn unreadable(check: &'static str, error: &ClientError) -> Finding {
    Finding::problem(check, error.to_string(), "Run the command again.")
}

/// A connection by its settings and, where the key allows it, by the provider's answer.
async fn health(client: &Client, me: &Me, connection: &Value) -> Finding {
    let id = connection["id"].as_str().unwrap_or_default().parse::<Segment>();
    let may_check = me.key.scopes.iter().any(|scope| scope == "settings");
    let probe = match id {
        Ok(id) if may_check => {
            client.post(&ApiPath::of("connections", &id).then("check"), json!({})).await
        }
        _ => Ok(Value::Null),
    };
    match probe {
        Ok(probe) => connection_finding(connection, &probe),
        Err(error) => unreadable("connection", &error),
    }
}

fn connection_finding(connection: &Value, probe: &Value) -> Finding {
    let name =
        format!("{} ({})", output::text(&connection["name"]), output::text(&connection["id"]));
    let quality = probe["quality"].as_str().or(connection["quality"].as_str());
    let is_simulated = connection["simulated"] == true;
    if let Some(obstacle) = probe["obstacle"].as_str() {
        return Finding::problem(
            "connection",
            format!("{name} cannot send: {obstacle}"),
            "Fix it at the provider, then `carillon connections check`.",
        );
    }
    if connection["webhook_url"].is_null() && !is_simulated {
        return Finding::problem(
            "connection",
            format!("{name} has no webhook URL: statuses and replies cannot arrive"),
            "Start the server with --public-url, and enter the URL in Meta's App Dashboard.",
        );
    }
    if let Some(quality @ ("red" | "yellow")) = quality {
        return Finding::warning(
            "connection",
            format!("{name} has the quality {quality}: contacts block or report its messages"),
            "Send less, to people who expect it. Meta lowers the limits of a bad number.",
        );
    }
    if let Some(note) = connection["note"]["text"].as_str() {
        return Finding::warning(
            "connection",
            format!("{name}: the provider reported: {note}"),
            "Look at the account at the provider.",
        );
    }
    Finding::ok("connection", name)
}

fn campaigns(halted: &[Value]) -> Finding {
    let Some(first) = halted.first() else {
        return Finding::ok("campaigns", "none is halted");
    };
    let halt = &first["halt"];
    Finding::problem(
        "campaigns",
        format!(
            "{} halted, such as {}: {}",
            halted.len(),
            output::text(&first["id"]),
            output::text(&halt["detail"])
        ),
        format!("{} Then `carillon campaigns resume`.", output::text(&halt["remedy"])),
    )
}

fn queues(found: &Value) -> Finding {
    let queues = found["items"].as_array().into_iter().flatten();
    let dead: u64 = queues.filter_map(|queue| queue["dead_letters"].as_u64()).sum();
    if dead == 0 {
        return Finding::ok("queues", "no dead letters");
    }
    Finding::problem(
        "queues",
        format!("{dead} dead letters"),
        "`carillon queues list` shows the reasons; then `carillon queues redrive`.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_connection_is_judged_by_the_worst() {
        let level = |connection: Value, probe: Value| connection_finding(&connection, &probe).level;
        let good = json!({"name": "Shop", "id": "con_1", "simulated": false, "quality": "green",
            "webhook_url": "https://x"});
        assert_eq!(level(good.clone(), Value::Null), Level::Ok);
        assert_eq!(level(good.clone(), json!({"obstacle": "expired token"})), Level::Problem);
        assert_eq!(level(good, json!({"quality": "red"})), Level::Warning);
        assert_eq!(level(json!({"webhook_url": null}), Value::Null), Level::Problem);
        let simulated = json!({"webhook_url": null, "simulated": true});
        assert_eq!(level(simulated, Value::Null), Level::Ok);
    }

    #[test]
    fn dead_letters_and_halted_campaigns_are_problems() {
        assert_eq!(queues(&json!({"items": [{"dead_letters": 0}]})).level, Level::Ok);
        assert_eq!(queues(&json!({"items": [{"dead_letters": 2}]})).level, Level::Problem);
        assert_eq!(campaigns(&[]).level, Level::Ok);
        assert_eq!(campaigns(&[json!({"id": "cmp_1"})]).level, Level::Problem);
    }

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

use serde_json::{Value, json};

use super::finding::Finding;
use crate::client::{ApiPath, Client, ClientError, Request, Segment};
use crate::commands::whoami::Me;
use crate::output;

/// Connections, campaigns and queues. They need the scope `read`.
pub(super) async fn check(client: &Client, me: &Me) -> Vec<Finding> {
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
    let is_reachable =
        connection["webhook_url"].as_str().is_some_and(|url| url.starts_with("https://"));
    if !is_reachable && !is_simulated {
        return Finding::problem(
            "connection",
            format!("{name} has no webhook URL with https: statuses and replies cannot arrive"),
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
        for url in [Value::Null, json!("http://127.0.0.1:8080/webhooks/whatsapp")] {
            assert_eq!(level(json!({ "webhook_url": url }), Value::Null), Level::Problem);
        }
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
}

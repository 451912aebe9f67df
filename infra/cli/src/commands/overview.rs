//! `carillon overview`.

use serde_json::Value;

use super::quota_groups;
use crate::client::{ApiPath, Request};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;

const HALTED: [Column; 4] =
    [("HALTED", "id"), ("NAME", "name"), ("REASON", "halt.detail"), ("WHAT TO DO", "halt.remedy")];
const ACTIVE: [Column; 6] = [
    ("ACTIVE", "id"),
    ("NAME", "name"),
    ("RECIPIENTS", "counts.recipients"),
    ("SENT", "counts.sent"),
    ("READ", "counts.read"),
    ("REPLIED", "counts.replied"),
];
const CONNECTIONS: [Column; 5] = [
    ("CONNECTION", "id"),
    ("NAME", "name"),
    ("QUALITY", "quality"),
    ("MSG/S", "effective_throughput_mps"),
    ("NOTE", "note.text"),
];

pub(crate) async fn run(session: &Session) -> Result<(), CommandError> {
    let answer = session.client.send(&Request::get(&ApiPath::new("overview"))).await?;
    session.print(&answer, print)
}

fn print(overview: &Value) -> Result<(), CommandError> {
    output::line(&campaigns(&overview["campaigns"]))?;
    let sections: [(&str, &[Column]); 4] = [
        ("halted", &HALTED),
        ("active", &ACTIVE),
        ("connections", &CONNECTIONS),
        ("quota_groups", &quota_groups::COLUMNS),
    ];
    for (name, columns) in sections {
        if let Some(items) = overview[name].as_array().filter(|items| !items.is_empty()) {
            output::line("")?;
            output::table(items, columns)?;
        }
    }
    Ok(())
}

/// How many campaigns have which status.
fn campaigns(counts: &Value) -> String {
    let counts = counts.as_object().into_iter().flatten();
    let some = counts.filter(|(_, count)| count.as_u64() != Some(0));
    let texts: Vec<_> =
        some.map(|(status, count)| format!("{} {status}", output::text(count))).collect();
    if texts.is_empty() {
        return "No campaigns are under way.".to_owned();
    }
    format!("Campaigns: {}.", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_statuses_with_campaigns_are_named() {
        assert_eq!(campaigns(&json!({"paused": 0, "active": 2})), "Campaigns: 2 active.");
        assert_eq!(campaigns(&json!({"paused": 0})), "No campaigns are under way.");
    }
}

//! `carillon campaigns plan`.

use serde_json::Value;

use crate::client::{ApiPath, Request};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;

const DAY_COLUMNS: [Column; 2] = [("DAY", "date"), ("MESSAGES", "messages")];
const COST_COLUMNS: [Column; 5] = [
    ("COUNTRY", "country"),
    ("RECIPIENTS", "recipients"),
    ("RATE", "rate.amount"),
    ("COST", "cost.amount"),
    ("CURRENCY", "cost.currency"),
];

pub(super) async fn run(session: &Session, campaign: &ApiPath) -> Result<(), CommandError> {
    let answer = session.client.send(&Request::get(&campaign.then("plan"))).await?;
    session.print(&answer, print)
}

fn print(plan: &Value) -> Result<(), CommandError> {
    let days = plan["forecast"]["days"].as_array().map_or(&[][..], Vec::as_slice);
    if days.is_empty() {
        output::line("No recipient is pending.")?;
    } else {
        output::table(days, &DAY_COLUMNS)?;
    }
    for line in lines(plan) {
        output::line(&line)?;
    }
    let Some(countries) = plan["estimate"]["by_country"].as_array() else { return Ok(()) };
    output::line("")?;
    output::table(countries, &COST_COLUMNS)
}

/// What the plan says beside its tables.
fn lines(plan: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let forecast = &plan["forecast"];
    if let Some(date) = forecast["finish_date"].as_str() {
        lines.push(format!("The last message is sent on {date}."));
    }
    if let Some(left) = forecast["left_over"].as_u64().filter(|left| *left > 0) {
        let left = output::format_count(left);
        lines.push(format!("{left} recipients are left at the scheduled end, or after 366 days."));
    }
    if let Some(detail) = plan["waiting"]["detail"].as_str() {
        lines.push(format!("It waits: {detail}."));
    }
    for (title, counts) in [("skipped", "skipped_by_reason"), ("waiting", "waiting_by_reason")] {
        for (reason, count) in plan[counts].as_object().into_iter().flatten() {
            lines.push(format!("{title} for {reason}: {}", output::text(count)));
        }
    }
    let warnings = plan["warnings"].as_array().into_iter().flatten();
    lines.extend(
        warnings.filter_map(|warning| Some(format!("Warning: {}", warning["text"].as_str()?))),
    );
    lines.extend(estimate(&plan["estimate"]));
    lines
}

fn estimate(estimate: &Value) -> Option<String> {
    let total = &estimate["total"];
    let (amount, currency) = (total["amount"].as_str()?, total["currency"].as_str()?);
    let without: Vec<_> = estimate["unpriced"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| output::text(&c["country"]))
        .collect();
    let without = if without.is_empty() {
        String::new()
    } else {
        format!(", without {}, whose prices are not known", without.join(", "))
    };
    Some(format!("Estimated cost: {amount} {currency}{without}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_told_in_sentences() {
        let plan = json!({
            "forecast": {"days": [], "finish_date": "2026-12-04", "left_over": 1200},
            "waiting": {"code": "daily_limit", "detail": "daily limit reached, more tomorrow"},
            "skipped_by_reason": {"opted_out": 3}, "waiting_by_reason": {},
            "warnings": [{"code": "us", "text": "WhatsApp delivers no marketing there."}],
            "estimate": {"total": {"amount": "12.50", "currency": "USD"}, "by_country": [],
                "unpriced": [{"country": "ZZ", "recipients": 1}]},
        });
        assert_eq!(
            lines(&plan),
            [
                "The last message is sent on 2026-12-04.",
                "1,200 recipients are left at the scheduled end, or after 366 days.",
                "It waits: daily limit reached, more tomorrow.",
                "skipped for opted_out: 3",
                "Warning: WhatsApp delivers no marketing there.",
                "Estimated cost: 12.50 USD, without ZZ, whose prices are not known.",
            ]
        );
    }
}

use carillon::time::Timestamp;
use clap::Args;
use serde_json::{Value, json};

use super::id::CampaignId;
use crate::body::Body;
use crate::client::{ApiPath, Request};
use crate::commands::whoami::Me;
use crate::error::CommandError;
use crate::output;
use crate::session::Session;
use crate::when;

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    #[command(flatten)]
    of: CampaignId,
    /// When it starts. Default: its scheduled start, or now.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<Timestamp>,
    /// Refuse to start where it has more or fewer recipients to send to. Without it, a start
    /// in live mode asks.
    #[arg(long, value_name = "N")]
    expect_recipients: Option<u64>,
    /// Refuse to start where the estimate is higher, such as '12.50 USD'.
    #[arg(long, value_name = "AMOUNT CURRENCY", value_parser = money)]
    max_cost: Option<Value>,
}

pub(super) async fn start(session: &Session, args: StartArgs) -> Result<(), CommandError> {
    let StartArgs { of, at, expect_recipients, max_cost } = args;
    if expect_recipients.is_none() {
        let me: Me = session.client.get(&ApiPath::new("me")).await?;
        if me.is_live() {
            session.confirm(
                "Start the campaign? Its messages reach people, and the provider charges for them.",
            )?;
        }
    }
    let mut body = Body::default();
    body.set("scheduled_start", at.map(when::rfc3339));
    body.set("expected_recipients", expect_recipients);
    body.set("max_cost", max_cost);
    act(session, &of, "start", body.into_value()).await
}

pub(super) async fn cancel(session: &Session, of: &CampaignId) -> Result<(), CommandError> {
    session.confirm(
        "Cancel the campaign? Recipients that were not sent to get no message. This cannot be undone.",
    )?;
    act(session, of, "cancel", json!({})).await
}

/// Changes the campaign's status.
pub(super) async fn act(
    session: &Session,
    of: &CampaignId,
    verb: &str,
    body: Value,
) -> Result<(), CommandError> {
    let request = Request::post(&of.path().then(verb)).json(body);
    let answer = session.change(&of.path(), request).await?;
    session.print(&answer, |campaign| {
        for warning in campaign["warnings"].as_array().into_iter().flatten() {
            let text = warning["text"].as_str().unwrap_or_default();
            output::line(&format!("Warning: {text}"))?;
        }
        let status = campaign["status"].as_str().unwrap_or_default();
        output::line(&format!("The campaign is {status}."))
    })
}

/// Parses an amount such as `12.50 USD`.
fn money(text: &str) -> Result<Value, String> {
    let parts: Vec<_> = text.split_whitespace().collect();
    match parts.as_slice() {
        [amount, currency] if amount.parse::<f64>().is_ok() => {
            Ok(json!({ "amount": amount, "currency": currency.to_ascii_uppercase() }))
        }
        _ => Err("expected an amount and a currency, such as '12.50 USD'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_an_amount_and_a_currency() {
        assert_eq!(money("12.50 usd"), Ok(json!({"amount": "12.50", "currency": "USD"})));
        assert!(money("12.50").is_err() && money("USD 12.50").is_err());
    }
}

//! `carillon contacts why`.

use carillon::time::Timestamp;
use serde_json::{Value, json};

use crate::client::{ApiPath, Segment};
use crate::error::CommandError;
use crate::output;
use crate::person::Person;
use crate::session::Session;
use crate::when;

/// What a recipient can go through, in order.
const STEPS: [(&str, &str); 6] = [
    ("sent_at", "Sent"),
    ("delivered_at", "Delivered"),
    ("read_at", "Read"),
    ("replied_at", "Replied to"),
    ("failed_at", "Failed"),
    ("closed_at", "Closed"),
];

pub(super) async fn run(
    session: &Session,
    person: &Person,
    campaign: Option<&Segment>,
) -> Result<(), CommandError> {
    let id = person.id(&session.client).await?;
    let contact: Value = session.client.get(&ApiPath::of("contacts", &id)).await?;
    let recipient = match campaign {
        Some(campaign) => recipient(session, campaign, &id).await?,
        None => None,
    };
    if session.json {
        return output::json(&json!({ "contact": contact, "recipient": recipient }));
    }
    let mut sentences = about_contact(&contact, when::now());
    match (campaign, &recipient) {
        (Some(_), Some(recipient)) => sentences.extend(about_recipient(recipient)),
        (Some(_), None) => sentences.push("It is not a recipient of the campaign.".to_owned()),
        (None, _) => {}
    }
    output::line(&sentences.join("\n"))
}

/// The contact's recipient in a campaign; `None` where it has none.
async fn recipient(
    session: &Session,
    campaign: &Segment,
    contact: &Segment,
) -> Result<Option<Value>, CommandError> {
    let path = ApiPath::of("campaigns", campaign);
    match session.client.get(&path.then("recipients").item(contact)).await {
        Ok(recipient) => Ok(Some(recipient)),
        // Either the campaign or the recipient is missing.
        Err(error) if error.is_not_found() => {
            session.client.get::<Value>(&path).await.map(|_| None).map_err(CommandError::from)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether campaigns send to the contact.
fn about_contact(contact: &Value, now: Timestamp) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut add = |field: &str, sentence: &str| {
        if let Some(time) = time(contact, field) {
            sentences.push(sentence.replace("TIME", &time));
        }
    };
    add("erased_at", "Erased on TIME: only the hash of the address is left.");
    add("blacklisted_at", "Suppressed: on the blacklist since TIME. No campaign sends to it.");
    add("opted_out_at", "Suppressed: the contact opted out on TIME. No campaign sends to it.");
    let is_suppressed = !sentences.is_empty();
    let hold = contact["marketing_held_until"].as_str();
    if hold.and_then(|hold| hold.parse().ok()).is_some_and(|hold: Timestamp| hold > now) {
        let until = time(contact, "marketing_held_until").unwrap_or_default();
        sentences.push(format!("Meta holds marketing messages to the contact back until {until}."));
    } else if !is_suppressed {
        sentences.push("Not suppressed: campaigns may send to it.".to_owned());
    }
    if let Some(time) = time(contact, "last_sent_at") {
        sentences.push(format!("The last message to the contact was sent on {time}."));
    }
    sentences
}

/// What became of the contact in one campaign.
fn about_recipient(recipient: &Value) -> Vec<String> {
    let status = recipient["status"].as_str().unwrap_or_default();
    let mut sentences = vec![format!("In the campaign the recipient is {status}.")];
    if status == "unconfirmed" {
        sentences.push(
            "The provider's answer was lost: the message may have been sent. A status settles it."
                .to_owned(),
        );
    }
    if let Some(reason) = recipient["skip_reason"].as_str() {
        sentences.push(format!("It was skipped for: {}.", reason.replace('_', " ")));
    }
    if let Some(reason) = recipient["failure_reason"].as_str() {
        let code = &recipient["failure_code"];
        let code = if code.is_null() { String::new() } else { format!(" (code {code})") };
        sentences.push(format!("The reason: {}{code}.", reason.trim_end_matches('.')));
    }
    if let Some(time) = time(recipient, "not_before") {
        sentences.push(format!("It is not sent to before {time}."));
    }
    for (field, step) in STEPS {
        sentences.extend(time(recipient, field).map(|time| format!("{step} on {time}.")));
    }
    sentences
}

/// The time in a field, as a person reads it.
fn time(item: &Value, field: &str) -> Option<String> {
    Some(&item[field]).filter(|time| !time.is_null()).map(output::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-12-01T12:00:00Z";

    fn contact(contact: &Value) -> Vec<String> {
        about_contact(contact, NOW.parse().unwrap())
    }

    #[test]
    fn a_suppressed_contact_is_not_called_free() {
        let opted_out = contact(&json!({"opted_out_at": "2026-11-30T12:00:00.000Z"}));
        assert_eq!(opted_out.len(), 1);
        assert!(opted_out[0].contains("opted out on 2026-11-"), "{opted_out:?}");
        assert_eq!(contact(&json!({})), ["Not suppressed: campaigns may send to it."]);
    }

    #[test]
    fn a_hold_counts_until_it_is_over() {
        let hold = |until: &str| contact(&json!({"marketing_held_until": until})).remove(0);
        assert!(hold("2026-12-02T00:00:00.000Z").contains("Meta holds"));
        assert!(hold("2026-11-30T00:00:00.000Z").contains("Not suppressed"));
    }

    #[test]
    fn a_recipient_is_told_in_order() {
        let sentences = about_recipient(&json!({"status": "failed", "failure_code": 131_026,
            "failure_reason": "Message undeliverable", "sent_at": "2026-12-01T09:00:00.000Z",
            "failed_at": "2026-12-01T09:00:05.000Z", "skip_reason": null, "not_before": null}));
        assert_eq!(sentences[0], "In the campaign the recipient is failed.");
        assert_eq!(sentences[1], "The reason: Message undeliverable (code 131026).");
        assert!(
            sentences[2].starts_with("Sent on") && sentences[3].starts_with("Failed on"),
            "{sentences:?}"
        );
    }
}

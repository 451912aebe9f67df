//! The health and the limits of a number: `GET /{phone number id}`.

use serde_json::{Map, Value};

use super::answers::number;
use super::fields;
use crate::probe::{Probe, Quality, QuotaLimit};

/// The fields of the request.
pub(super) const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,status,name_status,\
     code_verification_status,whatsapp_business_manager_messaging_limit,throughput,health_status,\
     is_on_biz_app";

/// The throughput of a number in messages a second, inbound and outbound together.
/// Source: Meta, "Throughput".
pub(super) const STANDARD_THROUGHPUT: u32 = 80;
/// The throughput of a number that Meta has upgraded.
pub(super) const HIGH_THROUGHPUT: u32 = 1000;

/// The throughput of a number that is also used with the WhatsApp Business app (coexistence).
/// Its level reads `STANDARD` all the same. Source: Meta, "Throughput".
pub(super) const COEXISTENCE_THROUGHPUT: u32 = 20;

/// Reads the answer.
pub(super) fn read(answer: &Value) -> Probe {
    let limits =
        [&answer["whatsapp_business_manager_messaging_limit"], &answer["messaging_limit_tier"]];
    Probe {
        quality: Some(quality(answer["quality_rating"].as_str().unwrap_or(""))),
        throughput_mps: match answer["is_on_biz_app"].as_bool() {
            Some(true) => Some(COEXISTENCE_THROUGHPUT),
            Some(false) | None => throughput(answer["throughput"]["level"].as_str().unwrap_or("")),
        },
        quota: limits.into_iter().find_map(quota_limit),
        obstacle: obstacle(answer),
        details: details(answer),
    }
}

pub(super) fn quality(text: &str) -> Quality {
    match text {
        "GREEN" => Quality::Green,
        "YELLOW" => Quality::Yellow,
        "RED" => Quality::Red,
        _ => Quality::Unknown,
    }
}

/// Reads `TIER_10K`, or a number as older webhooks have it (-1: unlimited).
/// Source: Meta, "Messaging limits".
pub(super) fn quota_limit(value: &Value) -> Option<QuotaLimit> {
    match value {
        Value::String(text) => tier(text),
        Value::Number(number) if number.as_i64() == Some(-1) => Some(QuotaLimit::Unlimited),
        Value::Number(number) => {
            let contacts = number.as_u64().and_then(|contacts| u32::try_from(contacts).ok());
            contacts.map(QuotaLimit::Contacts)
        }
        _ => None,
    }
}

fn tier(text: &str) -> Option<QuotaLimit> {
    match text.strip_prefix("TIER_").unwrap_or(text) {
        "UNLIMITED" => Some(QuotaLimit::Unlimited),
        tier => {
            let (digits, factor) =
                tier.strip_suffix('K').map_or((tier, 1), |digits| (digits, 1000));
            let contacts = digits.parse::<u32>().ok()?.checked_mul(factor)?;
            Some(QuotaLimit::Contacts(contacts))
        }
    }
}

fn throughput(level: &str) -> Option<u32> {
    match level {
        "STANDARD" => Some(STANDARD_THROUGHPUT),
        "HIGH" => Some(HIGH_THROUGHPUT),
        _ => None,
    }
}

/// Why the number cannot send. Source: Meta, "Phone numbers" and "Health status".
fn obstacle(answer: &Value) -> Option<&'static str> {
    match answer["status"].as_str() {
        Some("BANNED") => return Some("WhatsApp has banned the number"),
        Some("DISCONNECTED" | "MIGRATED" | "DELETED") => {
            return Some("the number is not registered with WhatsApp any more");
        }
        Some("RESTRICTED") => return Some("WhatsApp does not let the number start conversations"),
        _ => {}
    }
    let blocked = answer["health_status"]["can_send_message"] == "BLOCKED";
    blocked.then_some("WhatsApp reports that the number cannot send")
}

/// The details for people: name, status, and the error codes that limit the number.
fn details(answer: &Value) -> Map<String, Value> {
    let names =
        ["id", "display_phone_number", "verified_name", "status", "name_status"].map(str::to_owned);
    let texts = names.into_iter().filter_map(|name| {
        let value = fields::id(&answer[&name])?;
        Some((name, Value::String(value)))
    });
    let mut details: Map<String, Value> = texts.collect();
    if let Some(can_send) = fields::text(&answer["health_status"]["can_send_message"]) {
        details.insert("can_send_message".to_owned(), Value::String(can_send));
    }
    let entities = fields::list(&answer["health_status"]["entities"]);
    let obstacles: Vec<Value> = entities.iter().flat_map(obstacles_of).collect();
    if !obstacles.is_empty() {
        details.insert("obstacles".to_owned(), Value::Array(obstacles));
    }
    details
}

fn obstacles_of(entity: &Value) -> impl Iterator<Item = Value> {
    let kind = fields::text(&entity["entity_type"]).unwrap_or_default();
    let codes =
        fields::list(&entity["errors"]).iter().filter_map(|error| number(&error["error_code"]));
    codes.map(move |code| serde_json::json!({ "entity": kind.clone(), "code": code }))
}

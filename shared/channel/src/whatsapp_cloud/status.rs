//! Statuses of messages that we sent. Source: Meta, "Status messages webhook".

use serde_json::Value;

use super::answers::number;
use super::fields;
use super::policy::{self, Report, ReportedBy};
use crate::event::{MessageStatus, Pricing, PricingKind, StatusEvent, UnknownCause};
use crate::outcome::Refusal;

/// Reads an element of `statuses`; none if it is not the status of a message.
pub(super) fn read(status: &Value) -> Option<StatusEvent> {
    let group = status["recipient_type"] == "group";
    let phone = fields::phone(&status["recipient_id"]).filter(|_| !group);
    let (recipient, aliases) =
        fields::addresses(phone, fields::bsuid(&status["recipient_user_id"]));
    let kind = kind(status["status"].as_str()?)?;
    let failed = kind == MessageStatus::Failed;
    Some(StatusEvent {
        message_id: fields::text(&status["id"])?,
        status: kind,
        at: fields::seconds(&status["timestamp"])?,
        recipient,
        aliases,
        callback: fields::text(&status["biz_opaque_callback_data"]),
        refusal: failed.then(|| refusal(fields::list(&status["errors"]))),
        pricing: pricing(&status["pricing"]),
    })
}

/// Why an element of `statuses` is not read: a status that this version does not know is unused.
pub(super) fn why_unknown(status: &Value) -> UnknownCause {
    match status["status"].as_str().filter(|text| !text.is_empty()) {
        Some(text) if kind(text).is_none() => UnknownCause::Unused,
        Some(_) | None => UnknownCause::Unreadable,
    }
}

/// `played`, of a voice message, counts as read. Source: Meta, "Status messages webhook".
fn kind(text: &str) -> Option<MessageStatus> {
    match text {
        "sent" => Some(MessageStatus::Sent),
        "delivered" => Some(MessageStatus::Delivered),
        "read" | "played" => Some(MessageStatus::Read),
        "failed" => Some(MessageStatus::Failed),
        _ => None,
    }
}

/// Why a message failed after Meta had accepted it: the first error with a code.
fn refusal(errors: &[Value]) -> Refusal {
    let blank = Report::blank(ReportedBy::Webhook);
    let coded = errors.iter().find_map(|error| Some((number(&error["code"])?, error)));
    let Some((code, error)) = coded else { return policy::refusal(&blank) };
    let details = error["error_data"]["details"].as_str();
    policy::refusal(&Report { code: Some(code), details, ..blank })
}

fn pricing(pricing: &Value) -> Option<Pricing> {
    let kind = pricing["type"].as_str().map(pricing_kind);
    let reported = pricing["billable"].as_bool().unwrap_or(true);
    let billable = match kind {
        Some(PricingKind::Regular) => true,
        Some(PricingKind::FreeCustomerService | PricingKind::FreeEntryPoint) => false,
        Some(PricingKind::Other) | None => reported,
    };
    Some(Pricing { category: fields::text(&pricing["category"])?, kind, billable })
}

fn pricing_kind(text: &str) -> PricingKind {
    match text {
        "regular" => PricingKind::Regular,
        "free_customer_service" | "free_group_customer_service" => PricingKind::FreeCustomerService,
        "free_entry_point" => PricingKind::FreeEntryPoint,
        _ => PricingKind::Other,
    }
}

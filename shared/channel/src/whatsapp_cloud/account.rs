//! Changes of the account, its numbers and templates.

use serde_json::Value;

use super::fields;
use super::probe;
use super::template_list::TemplateState;
use crate::event::{AccountChange, AccountEvent};
use crate::templates::TemplateRef;

/// The webhook fields that report changes of the account.
const FIELDS: &[&str] = &[
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "business_capability_update",
    "business_username_updates",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "template_category_update",
    "template_correct_category_detection",
];

/// Whether a webhook field reports changes of the account.
pub(super) fn is_account_field(field: &str) -> bool {
    FIELDS.contains(&field)
}

/// Reads the value of an account field. One of Meta's samples has the wrong field for
/// the quality of a template, so the keys of the value count too.
pub(super) fn read(entry: &Value, field: &str, value: &Value) -> AccountEvent {
    let change = match field {
        _ if value.get("new_quality_score").is_some() => template_quality(value),
        "message_template_status_update" => template_status(value),
        "template_category_update" | "template_correct_category_detection" => {
            template_category(value)
        }
        "phone_number_quality_update" => sender(value),
        "business_capability_update" => quota(value),
        "account_update" => account(value),
        _ => None,
    };
    let change = change.unwrap_or_else(|| AccountChange::Other { text: other(field, value) });
    AccountEvent { at: fields::seconds(&entry["time"]), change }
}

fn other(field: &str, value: &Value) -> String {
    match value["alert_type"].as_str() {
        Some(alert) => format!("alert: {alert}"),
        None => field.to_owned(),
    }
}

fn template_status(value: &Value) -> Option<AccountChange> {
    let state = TemplateState::read(value["event"].as_str()?);
    Some(AccountChange::Template {
        template: template(value)?,
        state: state.as_str(),
        sendable: state.is_sendable(),
        reason: fields::text(&value["reason"]).filter(|reason| reason != "NONE"),
    })
}

fn template_quality(value: &Value) -> Option<AccountChange> {
    let quality = probe::quality(value["new_quality_score"].as_str()?);
    Some(AccountChange::TemplateQuality { template: template(value)?, quality })
}

fn template_category(value: &Value) -> Option<AccountChange> {
    let category = fields::text(&value["correct_category"])
        .or_else(|| fields::text(&value["new_category"]))?;
    Some(AccountChange::TemplateCategory { template: template(value)?, category })
}

fn sender(value: &Value) -> Option<AccountChange> {
    let limits = [&value["max_daily_conversations_per_business"], &value["current_limit"]];
    let limit = limits.into_iter().find_map(probe::quota_limit);
    Some(AccountChange::Sender { event: fields::text(&value["event"])?, limit })
}

fn quota(value: &Value) -> Option<AccountChange> {
    let keys = ["max_daily_conversations_per_business", "max_daily_conversation_per_phone"];
    let limit = keys.into_iter().find_map(|key| probe::quota_limit(&value[key]))?;
    Some(AccountChange::Quota { limit })
}

fn account(value: &Value) -> Option<AccountChange> {
    let event = value["event"].as_str()?;
    let ban = value["ban_info"]["waba_ban_state"].as_str();
    match event {
        "ACCOUNT_RECONNECTED" => Some(AccountChange::Reinstated),
        "DISABLED_UPDATE" if ban == Some("REINSTATE") => Some(AccountChange::Reinstated),
        "ACCOUNT_VIOLATION" => {
            let violation = fields::text(&value["violation_info"]["violation_type"]);
            Some(AccountChange::Warning { violation })
        }
        "ACCOUNT_RESTRICTION" | "DISABLED_UPDATE" | "ACCOUNT_DELETED" | "ACCOUNT_OFFBOARDED" => {
            let restrictions = fields::list(&value["restriction_info"]).iter();
            let until = restrictions.filter_map(|one| fields::seconds(&one["expiration"])).max();
            Some(AccountChange::Restricted { event: event.to_owned(), until })
        }
        _ => None,
    }
}

/// The language is in the form used for sending (`en_US`); webhooks may have `en-US`.
fn template(value: &Value) -> Option<TemplateRef> {
    Some(TemplateRef {
        name: fields::text(&value["message_template_name"])?,
        language: fields::text(&value["message_template_language"])?.replace('-', "_"),
    })
}

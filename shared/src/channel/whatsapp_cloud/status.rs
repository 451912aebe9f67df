use serde_json::Value;

use super::answers::number;
use super::fields;
use super::policy::{self, Report, Told};
use crate::channel::Refusal;
use crate::contact::{Bsuid, ContactKey};
use crate::time::Timestamp;

/// What became of a message that we sent. It may come several times, late, and
/// in any order. Source: Meta, "Status messages webhook".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusUpdate {
    /// The number that sent it, by Meta's id.
    pub phone_number_id: Option<String>,
    /// The message (wamid).
    pub message_id: String,
    /// What happened.
    pub status: StatusKind,
    /// When.
    pub at: Timestamp,
    /// To whom: by phone if Meta tells it, or else by BSUID. None for groups.
    pub recipient: Option<ContactKey>,
    /// The recipient's BSUID, if Meta tells it.
    pub bsuid: Option<Bsuid>,
    /// What we gave along with the message (`biz_opaque_callback_data`).
    pub callback: Option<String>,
    /// Why it failed.
    pub errors: Vec<ErrorCode>,
    /// What it costs; in `sent` and one of the later ones, or in only one.
    pub pricing: Option<Pricing>,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusKind {
    /// It left WhatsApp's servers.
    Sent,
    /// It is on the contact's phone.
    Delivered,
    /// It was read; it was delivered then, whether that was told or not.
    Read,
    /// It is a voice message and was played.
    Played,
    /// It will not arrive.
    Failed,
}

/// An error of Meta's.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorCode {
    /// The code.
    pub code: u32,
    details: Option<String>,
}

/// What a message costs. Source: Meta, "Pricing".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    /// Such as `marketing`, `marketing_lite`, `utility`,
    /// `authentication-international` or `service`.
    pub category: String,
    /// Whether and why it is free, since July 2025.
    pub kind: Option<PricingKind>,
    /// Whether it costs money.
    pub billable: bool,
}

/// Whether and why a message is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PricingKind {
    /// It costs what the price list says.
    Regular,
    /// Free within a customer service window.
    FreeCustomerService,
    /// Free after a click on an advertisement, for 72 hours.
    FreeEntryPoint,
    /// A kind that is new to us.
    Other,
}

impl StatusUpdate {
    /// Reads an element of `statuses`. None if it is none of a message.
    pub(super) fn read(phone_number_id: Option<&str>, status: &Value) -> Option<Self> {
        let bsuid = fields::bsuid(&status["recipient_user_id"]);
        let group = status["recipient_type"] == "group";
        let phone = fields::phone(&status["recipient_id"]).filter(|_| !group);
        Some(Self {
            phone_number_id: phone_number_id.map(str::to_owned),
            message_id: fields::text(&status["id"])?,
            status: StatusKind::read(status["status"].as_str()?)?,
            at: fields::seconds(&status["timestamp"])?,
            recipient: fields::key(phone, bsuid.as_ref()),
            bsuid,
            callback: fields::text(&status["biz_opaque_callback_data"]),
            errors: fields::list(&status["errors"]).iter().filter_map(ErrorCode::read).collect(),
            pricing: Pricing::read(&status["pricing"]),
        })
    }

    /// Why it failed and what to do about it; none unless it failed.
    pub fn refusal(&self) -> Option<Refusal> {
        let blank = || policy::refusal(&Report::blank(Told::ByWebhook));
        (self.status == StatusKind::Failed)
            .then(|| self.errors.first().map_or_else(blank, ErrorCode::refusal))
    }
}

impl StatusKind {
    fn read(text: &str) -> Option<Self> {
        match text {
            "sent" => Some(Self::Sent),
            "delivered" => Some(Self::Delivered),
            "read" => Some(Self::Read),
            "played" => Some(Self::Played),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

impl ErrorCode {
    /// Reads an element of `errors`.
    pub(super) fn read(error: &Value) -> Option<Self> {
        let details = error["error_data"]["details"].as_str().map(str::to_owned);
        number(&error["code"]).map(|code| Self { code, details })
    }

    /// What to do about it: the message surely did not arrive.
    pub fn refusal(&self) -> Refusal {
        let blank = Report::blank(Told::ByWebhook);
        policy::refusal(&Report {
            code: Some(self.code),
            details: self.details.as_deref(),
            ..blank
        })
    }
}

impl std::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ErrorCode({})", self.code)
    }
}

impl Pricing {
    fn read(pricing: &Value) -> Option<Self> {
        let kind = pricing["type"].as_str().map(PricingKind::read);
        let told = pricing["billable"].as_bool().unwrap_or(true);
        let billable = match kind {
            Some(PricingKind::Regular) => true,
            Some(PricingKind::FreeCustomerService | PricingKind::FreeEntryPoint) => false,
            Some(PricingKind::Other) | None => told,
        };
        Some(Self { category: fields::text(&pricing["category"])?, kind, billable })
    }
}

impl PricingKind {
    fn read(text: &str) -> Self {
        match text {
            "regular" => Self::Regular,
            "free_customer_service" | "free_group_customer_service" => Self::FreeCustomerService,
            "free_entry_point" => Self::FreeEntryPoint,
            _ => Self::Other,
        }
    }
}

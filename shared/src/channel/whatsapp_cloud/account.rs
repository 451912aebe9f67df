//! News about the account, its numbers and templates.

use std::fmt;

use serde_json::Value;

use super::fields;
use super::number::{MessagingLimit, Quality};
use crate::phone::Phone;
use crate::time::Timestamp;

/// The webhook fields that tell news about the account.
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

/// News about the account, its numbers or templates.
#[derive(Clone, PartialEq)]
pub struct AccountUpdate {
    /// The WhatsApp Business Account, by Meta's id.
    pub waba_id: Option<String>,
    /// The webhook field it came in.
    pub field: String,
    /// The news as they came.
    pub value: Value,
    /// When Meta sent them.
    pub at: Option<Timestamp>,
}

/// What the news mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// A template may be sent, or may not any more.
    Template {
        /// Which one.
        template: TemplateRef,
        /// Its state now.
        state: TemplateState,
        /// Meta's reason, such as `INVALID_FORMAT`, if there is one.
        reason: Option<String>,
    },
    /// A template's quality changed.
    TemplateQuality {
        /// Which one.
        template: TemplateRef,
        /// Its quality now.
        quality: Quality,
    },
    /// Meta moves a template to another category, or has done so.
    TemplateCategory {
        /// Which one.
        template: TemplateRef,
        /// Its category, now or soon: `MARKETING`, `UTILITY`, `AUTHENTICATION`.
        category: String,
    },
    /// A number's quality or throughput changed.
    Number {
        /// The business's number.
        phone: Option<Phone>,
        /// Meta's name of the event, such as `THROUGHPUT_UPGRADE`.
        event: String,
        /// The portfolio's messaging limit, if it is told.
        limit: Option<MessagingLimit>,
    },
    /// The portfolio's messaging limit changed.
    Limit {
        /// The limit now.
        limit: MessagingLimit,
    },
    /// The account may not send, or not all it wants to.
    Restricted {
        /// Meta's name of the event, such as `ACCOUNT_RESTRICTION`.
        event: String,
        /// Until when, if that is told.
        until: Option<Timestamp>,
    },
    /// The account broke a rule; restrictions may follow.
    Warned {
        /// Meta's name of the violation, such as `SCAM`.
        violation: Option<String>,
    },
    /// The account is free again.
    Reinstated,
    /// News that ask for nothing.
    Other,
}

/// A template, by name and language.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// Its language in the form used for sending (`en_US`; webhooks may say
    /// `en-US`).
    pub language: String,
    /// Meta's id of it.
    pub id: Option<String>,
}

/// Whether a template may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateState {
    /// It may.
    Approved,
    /// It waits for review, or an appeal does.
    Pending,
    /// It was refused.
    Rejected,
    /// It may not for some hours.
    Paused,
    /// It may never again.
    Disabled,
    /// It is deleted, archived or locked.
    Gone,
    /// It may, but its quality is low or the account has too many.
    Flagged,
    /// A state that is new to us.
    Unknown,
}

/// Whether a webhook field tells news about the account.
pub(super) fn is_account_field(field: &str) -> bool {
    FIELDS.contains(&field)
}

impl AccountUpdate {
    pub(super) fn read(entry: &Value, field: &str, value: &Value) -> Self {
        Self {
            waba_id: fields::id(&entry["id"]),
            field: field.to_owned(),
            value: value.clone(),
            at: fields::seconds(&entry["time"]),
        }
    }

    /// What the news mean. A sample of Meta's prints the wrong field for the
    /// quality of a template, so its keys count, too.
    pub fn change(&self) -> AccountChange {
        let change = match self.field.as_str() {
            _ if self.value.get("new_quality_score").is_some() => self.template_quality(),
            "message_template_status_update" => self.template(),
            "template_category_update" | "template_correct_category_detection" => {
                self.template_category()
            }
            "phone_number_quality_update" => self.number(),
            "business_capability_update" => self.limit(),
            "account_update" => self.account(),
            _ => None,
        };
        change.unwrap_or(AccountChange::Other)
    }

    fn template(&self) -> Option<AccountChange> {
        let reason = fields::text(&self.value["reason"]).filter(|reason| reason != "NONE");
        let state = TemplateState::read(self.value["event"].as_str()?);
        Some(AccountChange::Template { template: TemplateRef::read(&self.value)?, state, reason })
    }

    fn template_quality(&self) -> Option<AccountChange> {
        let quality = Quality::read(self.value["new_quality_score"].as_str()?);
        Some(AccountChange::TemplateQuality { template: TemplateRef::read(&self.value)?, quality })
    }

    fn template_category(&self) -> Option<AccountChange> {
        let category = fields::text(&self.value["correct_category"])
            .or_else(|| fields::text(&self.value["new_category"]));
        Some(AccountChange::TemplateCategory {
            template: TemplateRef::read(&self.value)?,
            category: category?,
        })
    }

    fn number(&self) -> Option<AccountChange> {
        let told =
            [&self.value["max_daily_conversations_per_business"], &self.value["current_limit"]];
        Some(AccountChange::Number {
            phone: fields::phone(&self.value["display_phone_number"]),
            event: fields::text(&self.value["event"])?,
            limit: told.into_iter().find_map(MessagingLimit::read),
        })
    }

    fn limit(&self) -> Option<AccountChange> {
        let told = ["max_daily_conversations_per_business", "max_daily_conversation_per_phone"];
        let limit = told.into_iter().find_map(|key| MessagingLimit::read(&self.value[key]))?;
        Some(AccountChange::Limit { limit })
    }

    fn account(&self) -> Option<AccountChange> {
        let event = self.value["event"].as_str()?;
        let banned = self.value["ban_info"]["waba_ban_state"].as_str();
        match event {
            "ACCOUNT_RECONNECTED" => Some(AccountChange::Reinstated),
            "DISABLED_UPDATE" if banned == Some("REINSTATE") => Some(AccountChange::Reinstated),
            "ACCOUNT_VIOLATION" => {
                let violation = fields::text(&self.value["violation_info"]["violation_type"]);
                Some(AccountChange::Warned { violation })
            }
            "ACCOUNT_RESTRICTION"
            | "DISABLED_UPDATE"
            | "ACCOUNT_DELETED"
            | "ACCOUNT_OFFBOARDED" => Some(AccountChange::Restricted {
                event: event.to_owned(),
                until: self.restricted_until(),
            }),
            _ => None,
        }
    }

    fn restricted_until(&self) -> Option<Timestamp> {
        let restrictions = fields::list(&self.value["restriction_info"]).iter();
        restrictions.filter_map(|restriction| fields::seconds(&restriction["expiration"])).max()
    }
}

impl fmt::Debug for AccountUpdate {
    /// Leaves the news as they came out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountUpdate({})", self.field)
    }
}

impl TemplateRef {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            name: fields::text(&value["message_template_name"])?,
            language: fields::text(&value["message_template_language"])?.replace('-', "_"),
            id: fields::id(&value["message_template_id"]),
        })
    }
}

impl TemplateState {
    /// Reads the `event` of a webhook or the `status` of a template.
    pub fn read(text: &str) -> Self {
        match text {
            "APPROVED" | "REINSTATED" | "UNARCHIVED" => Self::Approved,
            "PENDING" | "IN_APPEAL" => Self::Pending,
            "REJECTED" => Self::Rejected,
            "PAUSED" => Self::Paused,
            "DISABLED" => Self::Disabled,
            "DELETED" | "PENDING_DELETION" | "ARCHIVED" | "LOCKED" => Self::Gone,
            "FLAGGED" | "LIMIT_EXCEEDED" => Self::Flagged,
            _ => Self::Unknown,
        }
    }

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Pending => "under review",
            Self::Rejected => "rejected",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
            Self::Flagged => "flagged",
            Self::Unknown => "in a new state",
        }
    }

    /// Whether sends with it are taken.
    pub fn may_be_sent(self) -> bool {
        match self {
            Self::Approved | Self::Flagged | Self::Unknown => true,
            Self::Pending | Self::Rejected | Self::Paused | Self::Disabled | Self::Gone => false,
        }
    }
}

//! What Meta says about a number: `GET /{phone number id}`.

use serde_json::Value;

use super::answers::number;
use super::fields;

/// The fields that are asked for.
pub(super) const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,status,name_status,\
     code_verification_status,whatsapp_business_manager_messaging_limit,throughput,health_status";

/// The state of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberInfo {
    /// Meta's id of it.
    pub id: Option<String>,
    /// The business's number as it is shown to people.
    pub display_phone_number: Option<String>,
    /// The name that contacts see.
    pub verified_name: Option<String>,
    /// How contacts take its messages.
    pub quality: Quality,
    /// Whether it is in use.
    pub status: NumberStatus,
    /// The portfolio's messaging limit, if it is told.
    pub limit: Option<MessagingLimit>,
    /// How fast it may send.
    pub throughput: Throughput,
    /// Whether it can send, the best check before a campaign.
    pub health: Option<Health>,
}

/// Meta's quality of a number or a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low.
    Red,
    /// Not known yet.
    Unknown,
}

/// Whether a number is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberStatus {
    /// It is.
    Connected,
    /// It is being set up.
    Pending,
    /// It is limited for low quality.
    Flagged,
    /// It has reached a limit.
    Limited,
    /// It may not start conversations.
    Restricted,
    /// It was taken away.
    Banned,
    /// It is not registered, moved or deleted.
    Gone,
    /// It is not told, or new to us.
    Unknown,
}

/// How many different people a portfolio may write to in any 24 hours, outside
/// customer service windows. Source: Meta, "Messaging limits".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessagingLimit {
    /// At most so many.
    People(u32),
    /// Any number.
    Unlimited,
}

/// How fast a number may send. Source: Meta, "Throughput".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Throughput {
    /// 80 messages a second.
    Standard,
    /// 1,000 messages a second.
    High,
    /// Not told.
    Unknown,
}

/// Whether a number can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it can.
    pub can_send: SendAbility,
    /// The codes of what is in the way, with the kind of entity they belong to,
    /// such as `PHONE_NUMBER`, `WABA` or `BUSINESS`.
    pub obstacles: Vec<(String, u32)>,
}

/// Whether messages can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendAbility {
    /// Yes.
    Available,
    /// Not all.
    Limited,
    /// No.
    Blocked,
    /// Not told.
    Unknown,
}

impl NumberInfo {
    pub(super) fn read(answer: &Value) -> Self {
        let limits =
            [&answer["whatsapp_business_manager_messaging_limit"], &answer["messaging_limit_tier"]];
        Self {
            id: fields::id(&answer["id"]),
            display_phone_number: fields::text(&answer["display_phone_number"]),
            verified_name: fields::text(&answer["verified_name"]),
            quality: Quality::read(answer["quality_rating"].as_str().unwrap_or("")),
            status: NumberStatus::read(answer["status"].as_str().unwrap_or("")),
            limit: limits.into_iter().find_map(MessagingLimit::read),
            throughput: Throughput::read(answer["throughput"]["level"].as_str().unwrap_or("")),
            health: Health::read(&answer["health_status"]),
        }
    }
}

impl NumberInfo {
    /// Why nothing can be sent from the number, if that is so.
    pub fn obstacle(&self) -> Option<&'static str> {
        match self.status {
            NumberStatus::Banned => return Some("WhatsApp has banned the number"),
            NumberStatus::Gone => return Some("the number is not registered at WhatsApp any more"),
            NumberStatus::Restricted => {
                return Some("WhatsApp lets the number start no conversations");
            }
            NumberStatus::Connected
            | NumberStatus::Pending
            | NumberStatus::Flagged
            | NumberStatus::Limited
            | NumberStatus::Unknown => {}
        }
        let blocked = self.health.as_ref().is_some_and(|health| match health.can_send {
            SendAbility::Blocked => true,
            SendAbility::Available | SendAbility::Limited | SendAbility::Unknown => false,
        });
        blocked.then_some("WhatsApp says that the number can't send")
    }
}

impl Quality {
    /// The word in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn read(text: &str) -> Self {
        match text {
            "GREEN" => Self::Green,
            "YELLOW" => Self::Yellow,
            "RED" => Self::Red,
            _ => Self::Unknown,
        }
    }
}

impl NumberStatus {
    fn read(text: &str) -> Self {
        match text {
            "CONNECTED" => Self::Connected,
            "PENDING" | "UNVERIFIED" => Self::Pending,
            "FLAGGED" => Self::Flagged,
            "RATE_LIMITED" => Self::Limited,
            "RESTRICTED" => Self::Restricted,
            "BANNED" => Self::Banned,
            "DISCONNECTED" | "MIGRATED" | "DELETED" => Self::Gone,
            _ => Self::Unknown,
        }
    }
}

impl MessagingLimit {
    /// Reads `TIER_10K`, or a number as older webhooks have it (-1: no limit).
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::read_tier(text),
            Value::Number(number) if number.as_i64() == Some(-1) => Some(Self::Unlimited),
            Value::Number(number) => {
                number.as_u64().and_then(|people| u32::try_from(people).ok()).map(Self::People)
            }
            _ => None,
        }
    }

    fn read_tier(text: &str) -> Option<Self> {
        match text.strip_prefix("TIER_").unwrap_or(text) {
            "UNLIMITED" => Some(Self::Unlimited),
            tier => {
                let (digits, factor) =
                    tier.strip_suffix('K').map_or((tier, 1), |digits| (digits, 1000));
                let people = digits.parse::<u32>().ok()?.checked_mul(factor)?;
                Some(Self::People(people))
            }
        }
    }

    /// How many people; none without a limit.
    pub fn people(self) -> Option<u32> {
        match self {
            Self::People(people) => Some(people),
            Self::Unlimited => None,
        }
    }
}

impl Throughput {
    fn read(text: &str) -> Self {
        match text {
            "STANDARD" => Self::Standard,
            "HIGH" => Self::High,
            _ => Self::Unknown,
        }
    }

    /// Messages a second, in and out together; what every number has if it is
    /// not told.
    pub fn per_second(self) -> u32 {
        match self {
            Self::Standard | Self::Unknown => 80,
            Self::High => 1000,
        }
    }
}

impl Health {
    fn read(health: &Value) -> Option<Self> {
        let can_send = SendAbility::read(health["can_send_message"].as_str()?);
        let obstacles = fields::list(&health["entities"]).iter().flat_map(obstacles_of).collect();
        Some(Self { can_send, obstacles })
    }
}

fn obstacles_of(entity: &Value) -> impl Iterator<Item = (String, u32)> {
    let kind = fields::text(&entity["entity_type"]).unwrap_or_default();
    let codes =
        fields::list(&entity["errors"]).iter().filter_map(|error| number(&error["error_code"]));
    codes.map(move |code| (kind.clone(), code))
}

impl SendAbility {
    fn read(text: &str) -> Self {
        match text {
            "AVAILABLE" => Self::Available,
            "LIMITED" => Self::Limited,
            "BLOCKED" => Self::Blocked,
            _ => Self::Unknown,
        }
    }
}

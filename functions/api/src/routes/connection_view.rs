//! Connections as the API shows them, takes them and checks them.

use std::collections::BTreeSet;

use carillon::campaign::CountryCode;
use carillon::channel::whatsapp_cloud::{MessagingLimit, NumberInfo, NumberStatus, SendAbility};
use carillon::connection::{Kind, Note};
use carillon::ids::ConnectionId;
use carillon::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Answer, FieldError, Problem};

/// The fastest that Meta lets a number be. Source: Meta, "Throughput".
const HIGHEST_THROUGHPUT: u32 = 1000;
/// A connection to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnection {
    /// What people call it, 1 to 200 characters.
    pub(super) name: String,
    /// The provider.
    #[serde(default = "whatsapp_cloud")]
    #[schema(required = false)]
    pub(super) kind: Kind,
    /// Meta's id of the number: digits.
    pub(super) phone_number_id: String,
    /// The WhatsApp Business Account that it belongs to: digits.
    pub(super) waba_id: Option<String>,
    /// A system user's access token.
    #[schema(value_type = String, write_only)]
    pub(super) access_token: SecretString,
    /// The app's secret, which webhooks are signed with.
    #[schema(value_type = String, write_only)]
    pub(super) app_secret: SecretString,
    /// What Meta says when it verifies the webhook; made up when left out.
    #[schema(value_type = Option<String>, write_only)]
    pub(super) verify_token: Option<SecretString>,
    /// The business portfolio, whose messaging limit all its numbers share; the
    /// account's or the number's id when left out.
    pub(super) portfolio: Option<String>,
    /// Messages a second, 1 to 1,000; what Meta says when left out.
    pub(super) throughput_mps: Option<u32>,
    /// How many different people in 24 hours; what Meta says when left out.
    pub(super) messaging_limit: Option<Limit>,
}

const fn whatsapp_cloud() -> Kind {
    Kind::WhatsappCloud
}

/// What is to change of a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChanges {
    /// What people call it.
    pub(super) name: Option<String>,
    /// A new access token.
    #[schema(value_type = Option<String>, write_only)]
    pub(super) access_token: Option<SecretString>,
    /// A new app secret.
    #[schema(value_type = Option<String>, write_only)]
    pub(super) app_secret: Option<SecretString>,
    /// A new verification token.
    #[schema(value_type = Option<String>, write_only)]
    pub(super) verify_token: Option<SecretString>,
    /// Messages a second, 1 to 1,000.
    pub(super) throughput_mps: Option<u32>,
    /// How many different people in 24 hours at most, for the whole portfolio;
    /// never more than Meta says. `"unlimited"` leaves it to Meta.
    pub(super) messaging_limit: Option<Limit>,
    /// The countries that are left out, by two-letter ISO code; a country is added
    /// by itself when Meta says that the account may not send there.
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) blocked_countries: Option<BTreeSet<CountryCode>>,
}

/// A number of people, or `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a number of people, or \"unlimited\"")]
pub(crate) enum Limit {
    /// At most so many.
    People(u64),
    /// Any number.
    Any(Unlimited),
}

/// The word for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unlimited {
    /// Any number.
    Unlimited,
}

impl Limit {
    pub(super) fn people(self) -> Option<u64> {
        match self {
            Self::People(people) => Some(people),
            Self::Any(Unlimited::Unlimited) => None,
        }
    }
}

impl From<Option<u64>> for Limit {
    fn from(limit: Option<u64>) -> Self {
        limit.map_or(Self::Any(Unlimited::Unlimited), Self::People)
    }
}

/// A connection, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    /// Its id.
    #[schema(value_type = String)]
    pub(super) id: ConnectionId,
    /// What people call it.
    pub(super) name: String,
    /// The provider.
    pub(super) kind: Kind,
    /// Meta's id of the number.
    pub(super) phone_number_id: String,
    /// The WhatsApp Business Account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waba_id: Option<String>,
    /// The business portfolio.
    pub(super) portfolio: String,
    /// Messages a second, replies included.
    pub(super) throughput_mps: u32,
    /// How many different people the portfolio may write to in 24 hours.
    pub(super) messaging_limit: Limit,
    /// How people take the number's messages: `green`, `yellow`, `red`, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<String>,
    /// The countries that are left out, by two-letter ISO code.
    pub(super) blocked_countries: BTreeSet<String>,
    /// When Meta was asked about the number last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) checked_at: Option<Timestamp>,
    /// The last news of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Note>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
    /// The address for Meta's webhook settings, if ours is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook_url: Option<String>,
}

/// A connection that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeConnection {
    #[serde(flatten)]
    pub(super) about: ConnectionView,
    /// The verification token for Meta's webhook settings, when it was made up
    /// here. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify_token: Option<String>,
    /// What Meta says of the number; none when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<NumberView>,
}

/// All connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionList {
    /// The connections, oldest first.
    pub(super) items: Vec<ConnectionView>,
}

/// What Meta says of a number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NumberView {
    /// The number as it is shown to people.
    display_phone_number: Option<String>,
    /// The name that contacts see.
    verified_name: Option<String>,
    /// How contacts take its messages: `green`, `yellow`, `red` or `unknown`.
    quality: &'static str,
    /// Whether it is in use, such as `connected`, `restricted` or `banned`.
    status: &'static str,
    /// Messages a second.
    throughput_mps: u32,
    /// The portfolio's limit, if it is told.
    messaging_limit: Option<Limit>,
    /// Whether it can send: `available`, `limited`, `blocked` or `unknown`.
    can_send: &'static str,
    /// Meta's codes of what is in the way.
    obstacles: Vec<Obstacle>,
}

/// Something in a number's way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Obstacle {
    /// Where it lies, such as `PHONE_NUMBER`, `WABA` or `BUSINESS`.
    entity: String,
    /// Meta's code.
    code: u32,
}

/// A field and what is wrong with it.
pub(super) type Wrong = (&'static str, &'static str);

pub(super) fn check_all(problems: Vec<Option<Wrong>>) -> Answer<()> {
    let problems: Vec<FieldError> = problems.into_iter().flatten().map(Into::into).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problem::fields(problems)) }
}

fn wrong(is_right: bool, field: &'static str, reason: &'static str) -> Option<Wrong> {
    (!is_right).then_some((field, reason))
}

fn wrong_name(name: &str) -> Option<Wrong> {
    let length = name.trim().chars().count();
    wrong((1..=200).contains(&length), "name", "must have 1 to 200 characters")
}

fn wrong_id(field: &'static str, id: &str) -> Option<Wrong> {
    let digits = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    wrong(digits, field, "must be digits only, as Meta's dashboard shows it")
}

fn wrong_secret(field: &'static str, secret: &SecretString) -> Option<Wrong> {
    let secret = secret.expose_secret();
    let right =
        (1..=4096).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
    wrong(right, field, "must be a text without spaces, copied as a whole")
}

fn wrong_portfolio(portfolio: &str) -> Option<Wrong> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let right = (1..=64).contains(&portfolio.len()) && portfolio.bytes().all(allowed);
    wrong(right, "portfolio", "must be 1 to 64 letters, digits, - and _")
}

fn wrong_throughput(throughput: u32) -> Option<Wrong> {
    let right = (1..=HIGHEST_THROUGHPUT).contains(&throughput);
    wrong(right, "throughput_mps", "must be from 1 to 1000 messages a second")
}

fn wrong_limit(limit: Limit) -> Option<Wrong> {
    wrong(limit != Limit::People(0), "messaging_limit", "must be at least 1, or \"unlimited\"")
}

impl NewConnection {
    pub(super) fn problems(&self) -> Vec<Option<Wrong>> {
        vec![
            wrong_name(&self.name),
            wrong_id("phone_number_id", &self.phone_number_id),
            self.waba_id.as_deref().and_then(|id| wrong_id("waba_id", id)),
            wrong_secret("access_token", &self.access_token),
            wrong_secret("app_secret", &self.app_secret),
            self.verify_token.as_ref().and_then(|token| wrong_secret("verify_token", token)),
            self.portfolio.as_deref().and_then(wrong_portfolio),
            self.throughput_mps.and_then(wrong_throughput),
            self.messaging_limit.and_then(wrong_limit),
        ]
    }
}

pub(super) fn told_limit(limit: MessagingLimit) -> Limit {
    limit.people().map(u64::from).into()
}

impl ConnectionChanges {
    pub(super) fn problems(&self) -> Vec<Option<Wrong>> {
        let secret = |field, secret: &Option<SecretString>| {
            secret.as_ref().and_then(|secret| wrong_secret(field, secret))
        };
        vec![
            self.name.as_deref().and_then(wrong_name),
            secret("access_token", &self.access_token),
            secret("app_secret", &self.app_secret),
            secret("verify_token", &self.verify_token),
            self.throughput_mps.and_then(wrong_throughput),
            self.messaging_limit.and_then(wrong_limit),
        ]
    }
}

impl From<NumberInfo> for NumberView {
    fn from(number: NumberInfo) -> Self {
        let (can_send, obstacles) = match number.health {
            Some(health) => (health.can_send, health.obstacles),
            None => (SendAbility::Unknown, Vec::new()),
        };
        Self {
            display_phone_number: number.display_phone_number,
            verified_name: number.verified_name,
            quality: number.quality.as_str(),
            status: status(number.status),
            throughput_mps: number.throughput.per_second(),
            messaging_limit: number.limit.map(told_limit),
            can_send: ability(can_send),
            obstacles: obstacles
                .into_iter()
                .map(|(entity, code)| Obstacle { entity, code })
                .collect(),
        }
    }
}

fn status(status: NumberStatus) -> &'static str {
    match status {
        NumberStatus::Connected => "connected",
        NumberStatus::Pending => "pending",
        NumberStatus::Flagged => "flagged",
        NumberStatus::Limited => "limited",
        NumberStatus::Restricted => "restricted",
        NumberStatus::Banned => "banned",
        NumberStatus::Gone => "gone",
        NumberStatus::Unknown => "unknown",
    }
}

fn ability(ability: SendAbility) -> &'static str {
    match ability {
        SendAbility::Available => "available",
        SendAbility::Limited => "limited",
        SendAbility::Blocked => "blocked",
        SendAbility::Unknown => "unknown",
    }
}

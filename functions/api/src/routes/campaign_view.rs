//! Campaigns as the API shows them, takes them and changes them.

use carillon::campaign::{Campaign, DEFAULT_MAX_RETRIES, SendWindow, Settings, Speed, Status};
use carillon::channel::Content;
use carillon::country::Country;
use carillon::ids::{CampaignId, ConnectionId};
use carillon::time::{Timestamp, ZoneName};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A campaign to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    /// Its name, 1 to 200 characters.
    name: String,
    /// A description.
    description: Option<String>,
    /// The connection that sends it.
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    /// What is sent. Its texts may have placeholders such as `{first_name}`,
    /// filled from the recipients' columns.
    message: Content,
    /// The maximum number of messages a day, 1 to 1,000,000.
    #[serde(default = "daily_send_limit")]
    #[schema(required = false, default = 250)]
    daily_send_limit: u32,
    /// The lane in which it sends.
    #[serde(default)]
    #[schema(required = false)]
    speed: Speed,
    /// 1 (first) to 10 (last).
    #[serde(default = "priority")]
    #[schema(required = false, default = 5)]
    priority: u8,
    /// The maximum number of retries of a message that failed, 0 to 10.
    #[serde(default = "max_retries")]
    #[schema(required = false)]
    max_retries: u8,
    /// When it starts.
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_start: Option<Timestamp>,
    /// When it ends; recipients that are still pending are cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_end: Option<Timestamp>,
    /// The hours of the day in which it sends.
    send_window: Option<SendWindow>,
    /// The IANA time zone in which its days are counted; UTC by default.
    #[serde(default)]
    #[schema(required = false, value_type = String, example = "America/Bogota")]
    timezone: ZoneName,
    /// The country in which national phone numbers are read.
    #[schema(value_type = Option<String>, example = "CO")]
    default_country: Option<Country>,
    /// A label, to find it by.
    tag: Option<String>,
    /// Its stage in a follow-up sequence.
    follow_up_stage: Option<u8>,
}

const fn daily_send_limit() -> u32 {
    250
}

const fn max_retries() -> u8 {
    DEFAULT_MAX_RETRIES
}

const fn priority() -> u8 {
    5
}

impl From<NewCampaign> for Settings {
    fn from(new: NewCampaign) -> Self {
        Self {
            name: new.name,
            description: new.description,
            connection_id: new.connection_id,
            message: new.message,
            template: None,
            daily_send_limit: new.daily_send_limit,
            speed: new.speed,
            priority: new.priority,
            max_retries: new.max_retries,
            scheduled_start: new.scheduled_start,
            scheduled_end: new.scheduled_end,
            send_window: new.send_window,
            timezone: new.timezone,
            default_country: new.default_country,
            tag: new.tag,
            follow_up_stage: new.follow_up_stage,
        }
    }
}

/// A change of a setting that may be taken away.
#[derive(Debug, Clone, Default)]
pub(crate) enum Setting<T> {
    /// Left out: it stays.
    #[default]
    Kept,
    /// Given, or taken away with `null`.
    Given(Option<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Given)
    }
}

impl<T> Setting<T> {
    /// The given value; none where it was left out.
    pub(crate) fn given(&self) -> Option<&Option<T>> {
        match self {
            Self::Kept => None,
            Self::Given(value) => Some(value),
        }
    }

    fn unwrap_or(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Kept => old,
            Self::Given(new) => new,
        }
    }
}

/// Changes of a campaign. An absent member stays as it is; `null` removes a setting.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignChanges {
    /// Its name.
    name: Option<String>,
    /// A description.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Setting<String>,
    /// The connection that sends it. Can be changed in a draft only.
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    /// What is sent. Can be changed in a draft only.
    message: Option<Content>,
    /// The maximum number of messages a day.
    daily_send_limit: Option<u32>,
    /// The lane in which it sends.
    speed: Option<Speed>,
    /// 1 (first) to 10 (last).
    priority: Option<u8>,
    /// The maximum number of retries, 0 to 10.
    max_retries: Option<u8>,
    /// When it starts. Cannot be changed while it is active.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_start: Setting<Timestamp>,
    /// When it ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_end: Setting<Timestamp>,
    /// The hours of the day in which it sends.
    #[serde(default)]
    #[schema(value_type = Option<SendWindow>)]
    send_window: Setting<SendWindow>,
    /// The time zone in which its days are counted. Can be changed in a draft only.
    #[schema(value_type = Option<String>)]
    timezone: Option<ZoneName>,
    /// The country in which national phone numbers are read. Can be changed in a draft only.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    default_country: Setting<Country>,
    /// A label, to find it by.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tag: Setting<String>,
    /// Its stage in a follow-up sequence. Cannot be changed while it is active.
    #[serde(default)]
    #[schema(value_type = Option<u8>)]
    follow_up_stage: Setting<u8>,
}

impl CampaignChanges {
    /// The settings after the changes.
    pub(crate) fn applied_to(self, old: &Settings) -> Settings {
        let old = old.clone();
        Settings {
            name: self.name.unwrap_or(old.name),
            description: self.description.unwrap_or(old.description),
            connection_id: self.connection_id.unwrap_or(old.connection_id),
            message: self.message.unwrap_or(old.message),
            template: None,
            daily_send_limit: self.daily_send_limit.unwrap_or(old.daily_send_limit),
            speed: self.speed.unwrap_or(old.speed),
            priority: self.priority.unwrap_or(old.priority),
            max_retries: self.max_retries.unwrap_or(old.max_retries),
            scheduled_start: self.scheduled_start.unwrap_or(old.scheduled_start),
            scheduled_end: self.scheduled_end.unwrap_or(old.scheduled_end),
            send_window: self.send_window.unwrap_or(old.send_window),
            timezone: self.timezone.unwrap_or(old.timezone),
            default_country: self.default_country.unwrap_or(old.default_country),
            tag: self.tag.unwrap_or(old.tag),
            follow_up_stage: self.follow_up_stage.unwrap_or(old.follow_up_stage),
        }
    }
}

/// The first changed setting that is fixed in this status.
pub(crate) fn fixed(status: Status, old: &Settings, new: &Settings) -> Option<&'static str> {
    let draft_only = [
        ("message", old.message != new.message),
        ("connection_id", old.connection_id != new.connection_id),
        ("timezone", old.timezone != new.timezone),
        ("default_country", old.default_country != new.default_country),
    ];
    let not_while_active = [
        ("scheduled_start", old.scheduled_start != new.scheduled_start),
        ("follow_up_stage", old.follow_up_stage != new.follow_up_stage),
    ];
    let draft_only = draft_only.into_iter().filter(|_| status != Status::Draft);
    let not_while_active = not_while_active.into_iter().filter(|_| status == Status::Active);
    draft_only.chain(not_while_active).find(|(_, changed)| *changed).map(|(field, _)| field)
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignView {
    /// Its id.
    #[schema(value_type = String)]
    id: CampaignId,
    /// Its status.
    status: Status,
    /// Why it was halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    halted_for: Option<String>,
    /// Its name.
    name: String,
    /// A description.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The connection that sends it.
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    /// What is sent.
    message: Content,
    /// The maximum number of messages a day.
    daily_send_limit: u32,
    /// The lane in which it sends.
    speed: Speed,
    /// 1 (first) to 10 (last).
    priority: u8,
    /// The maximum number of retries of a message that failed.
    max_retries: u8,
    /// When it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_start: Option<Timestamp>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_end: Option<Timestamp>,
    /// The hours of the day in which it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_window: Option<SendWindow>,
    /// The time zone in which its days are counted.
    #[schema(value_type = String)]
    timezone: ZoneName,
    /// The country in which national phone numbers are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    default_country: Option<Country>,
    /// A label, to find it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Its stage in a follow-up sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_up_stage: Option<u8>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When sending could first begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it was completed or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<Campaign> for CampaignView {
    fn from(campaign: Campaign) -> Self {
        let settings = campaign.settings;
        Self {
            id: campaign.id,
            status: campaign.status,
            halted_for: campaign.halted_for,
            name: settings.name,
            description: settings.description,
            connection_id: settings.connection_id,
            message: settings.message,
            daily_send_limit: settings.daily_send_limit,
            speed: settings.speed,
            priority: settings.priority,
            max_retries: settings.max_retries,
            scheduled_start: settings.scheduled_start,
            scheduled_end: settings.scheduled_end,
            send_window: settings.send_window,
            timezone: settings.timezone,
            default_country: settings.default_country,
            tag: settings.tag,
            follow_up_stage: settings.follow_up_stage,
            created_at: campaign.created_at,
            started_at: campaign.started_at,
            finished_at: campaign.finished_at,
        }
    }
}

//! Campaigns as the API shows them, takes them and changes them.

use carillon::campaign::{
    Campaign, DEFAULT_MAX_RETRIES, Halt, HaltCode, HaltScope, SendWindow, Settings, Speed, Status,
};
use carillon::channel::content::Text;
use carillon::channel::{Content, FieldProblem};
use carillon::country::Country;
use carillon::ids::{CampaignId, ConnectionId};
use carillon::time::ZoneName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::etag::Resource;
use crate::merge_patch::patch_of;
use crate::values::Time;

/// A campaign to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    /// Its name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Opening in November")]
    name: String,
    /// A description, at most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The connection that sends it.
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    /// What is sent. Its texts may have placeholders such as `{first_name}`,
    /// filled from the recipients' columns.
    #[schema(value_type = Content)]
    message: Value,
    /// The maximum number of messages a day, 1 to 1,000,000.
    #[serde(default = "daily_send_limit")]
    #[schema(required = false, default = 250, minimum = 1, maximum = 1_000_000)]
    daily_send_limit: u32,
    /// The lane in which it sends.
    #[serde(default)]
    #[schema(required = false)]
    speed: Speed,
    /// 1 (first) to 10 (last).
    #[serde(default = "priority")]
    #[schema(required = false, default = 5, minimum = 1, maximum = 10)]
    priority: u8,
    /// The maximum number of retries of a message that failed, 0 to 10.
    #[serde(default = "max_retries")]
    #[schema(required = false, default = 3, minimum = 0, maximum = 10)]
    max_retries: u8,
    /// When it starts.
    scheduled_start: Option<Time>,
    /// When it ends; recipients that are still pending are cancelled.
    scheduled_end: Option<Time>,
    /// The hours of the day in which it sends.
    send_window: Option<SendWindow>,
    /// The IANA time zone in which its days are counted; UTC by default.
    #[serde(default)]
    #[schema(required = false, value_type = String, example = "America/Bogota")]
    timezone: ZoneName,
    /// The country in which national phone numbers are read.
    #[schema(value_type = Option<String>, example = "CO")]
    default_country: Option<Country>,
    /// A label, to find it by, at most 100 characters.
    #[schema(max_length = 100)]
    tag: Option<String>,
    /// Its stage in a follow-up sequence, at most 100 characters.
    #[schema(max_length = 100)]
    follow_up_stage: Option<String>,
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

impl NewCampaign {
    /// The settings, and the problems of the message where it cannot be parsed: then the
    /// settings have an empty text in its place, so that the others can be checked too.
    pub(crate) fn settings(self) -> (Settings, Vec<FieldProblem>) {
        let (message, problems) = match Content::read(&self.message) {
            Ok(message) => (message, Vec::new()),
            Err(problems) => {
                let empty = Text { body: String::new(), preview_url: false };
                let under = |problem: FieldProblem| problem.under("message");
                (Content::Text(empty), problems.into_iter().map(under).collect())
            }
        };
        let settings = Settings {
            name: self.name,
            description: self.description,
            connection_id: self.connection_id,
            message,
            template: None,
            daily_send_limit: self.daily_send_limit,
            speed: self.speed,
            priority: self.priority,
            max_retries: self.max_retries,
            scheduled_start: self.scheduled_start.map(|Time(at)| at),
            scheduled_end: self.scheduled_end.map(|Time(at)| at),
            send_window: self.send_window,
            timezone: self.timezone,
            default_country: self.default_country,
            tag: self.tag,
            follow_up_stage: self.follow_up_stage,
        };
        (settings, problems)
    }
}

patch_of!(CampaignChanges, NewCampaign);

/// The changed settings that are fixed in this status.
pub(crate) fn fixed(status: Status, old: &Settings, new: &Settings) -> Vec<&'static str> {
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
    let changed = draft_only.chain(not_while_active).filter(|(_, changed)| *changed);
    changed.map(|(field, _)| field).collect()
}

/// Why a campaign was halted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Halt)]
pub(crate) struct HaltView {
    /// What is wrong.
    code: HaltCode,
    /// What it concerns: every campaign of it is halted.
    scope: HaltScope,
    /// Since when.
    since: Time,
    /// What was reported, in plain words.
    detail: String,
    /// The provider's error code; null where there is none.
    provider_code: Option<u32>,
    /// What to do about it.
    remedy: &'static str,
}

impl From<Halt> for HaltView {
    fn from(halt: Halt) -> Self {
        Self {
            code: halt.code,
            scope: halt.scope,
            since: Time(halt.since),
            detail: halt.detail,
            provider_code: halt.provider_code,
            remedy: halt.code.remedy(),
        }
    }
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CampaignView {
    /// Its id.
    #[schema(value_type = String, example = "cmp_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: CampaignId,
    /// Its status.
    status: Status,
    /// Why it was halted; null where it was not.
    halt: Option<HaltView>,
    /// Its name.
    name: String,
    /// A description.
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
    scheduled_start: Option<Time>,
    /// When it ends.
    scheduled_end: Option<Time>,
    /// The hours of the day in which it sends.
    send_window: Option<SendWindow>,
    /// The time zone in which its days are counted.
    #[schema(value_type = String)]
    timezone: ZoneName,
    /// The country in which national phone numbers are read.
    #[schema(value_type = Option<String>)]
    default_country: Option<Country>,
    /// A label, to find it by.
    tag: Option<String>,
    /// Its stage in a follow-up sequence.
    follow_up_stage: Option<String>,
    /// When it was created.
    created_at: Time,
    /// When sending could first begin.
    started_at: Option<Time>,
    /// When it was completed or cancelled.
    finished_at: Option<Time>,
}

impl From<Campaign> for CampaignView {
    fn from(campaign: Campaign) -> Self {
        let settings = campaign.settings;
        Self {
            id: campaign.id,
            status: campaign.status,
            halt: campaign.halt.map(Into::into),
            name: settings.name,
            description: settings.description,
            connection_id: settings.connection_id,
            message: settings.message,
            daily_send_limit: settings.daily_send_limit,
            speed: settings.speed,
            priority: settings.priority,
            max_retries: settings.max_retries,
            scheduled_start: settings.scheduled_start.map(Time),
            scheduled_end: settings.scheduled_end.map(Time),
            send_window: settings.send_window,
            timezone: settings.timezone,
            default_country: settings.default_country,
            tag: settings.tag,
            follow_up_stage: settings.follow_up_stage,
            created_at: Time(campaign.created_at),
            started_at: campaign.started_at.map(Time),
            finished_at: campaign.finished_at.map(Time),
        }
    }
}

impl Resource for CampaignView {
    fn tagged(&self) -> impl Serialize {
        self
    }
}

//! Events: what happened to campaigns, batches, connections and jobs, for programs that follow
//! along. The aggregator writes them from the table's stream.

pub mod store;

use std::fmt;

use carillon_foundations::ids::EventId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How long the feed keeps an event.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id: the same where it comes a second time.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it happened, to the second.
    pub created_at: Timestamp,
    /// To what.
    pub subject: Subject,
    /// What else is to be said of it, by type.
    pub data: Value,
}

/// What something happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventSubject)]
pub struct Subject {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: SubjectType,
    /// Its id.
    #[schema(example = "cmp_01890a5d-ac96-774b-bcce-b302099a8057")]
    pub id: String,
}

/// The kind of what something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventSubjectType)]
pub enum SubjectType {
    /// A campaign.
    Campaign,
    /// A batch; its id is that of the campaign, the date and the number.
    Batch,
    /// A connection.
    Connection,
    /// A job.
    Job,
    /// A contact, of recipients and messages.
    Contact,
}

// As token trees, not as literals: the schema's derive reads no literal of a macro's argument.
macro_rules! event_types {
    ($($(#[doc = $doc:tt])* $name:ident = $text:tt;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum EventType {$(
            $(#[doc = $doc])*
            #[serde(rename = $text)]
            $name,
        )*}

        impl EventType {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

event_types! {
    /// A campaign was created.
    CampaignCreated = "campaign.created";
    /// The settings of a campaign were changed.
    CampaignUpdated = "campaign.updated";
    /// A campaign is to start later.
    CampaignScheduled = "campaign.scheduled";
    /// A campaign became active for the first time.
    CampaignStarted = "campaign.started";
    /// A campaign was paused.
    CampaignPaused = "campaign.paused";
    /// A campaign that was paused or halted is active or scheduled again.
    CampaignResumed = "campaign.resumed";
    /// A completed campaign is active again: a recipient is retried.
    CampaignReopened = "campaign.reopened";
    /// A campaign was halted; `data.halt` says why.
    CampaignHalted = "campaign.halted";
    /// A campaign is completed.
    CampaignCompleted = "campaign.completed";
    /// A campaign was cancelled.
    CampaignCancelled = "campaign.cancelled";
    /// A draft was deleted.
    CampaignDeleted = "campaign.deleted";
    /// A batch was created.
    BatchCreated = "batch.created";
    /// A batch is done.
    BatchClosed = "batch.closed";
    /// A connection was created.
    ConnectionCreated = "connection.created";
    /// The settings or the credentials of a connection were changed.
    ConnectionUpdated = "connection.updated";
    /// A connection was deleted.
    ConnectionDeleted = "connection.deleted";
    /// What the provider reports of a connection has changed.
    ConnectionHealthChanged = "connection.health_changed";
    /// A job was created.
    JobCreated = "job.created";
    /// A job is completed.
    JobCompleted = "job.completed";
    /// A job failed.
    JobFailed = "job.failed";
    /// A job was cancelled.
    JobCancelled = "job.cancelled";
    /// The status of a recipient changed. Only where the deployment asks for it.
    RecipientChanged = "recipient.changed";
    /// A contact wrote. Only where the deployment asks for it.
    MessageReceived = "message.received";
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

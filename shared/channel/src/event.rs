//! What providers report, in one form for all of them.

use std::fmt;

use carillon_foundations::address::Address;
use carillon_foundations::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::content::MediaKind;
use crate::outcome::Refusal;
use crate::probe::{Quality, QuotaLimit};
use crate::templates::TemplateRef;

/// One event, and the sender or account that it concerns.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// The provider's id of the sender, if the event names one.
    pub sender_id: Option<String>,
    /// The provider's id of the account, if the event names one.
    pub account_id: Option<String>,
    /// What happened.
    pub body: EventBody,
    /// The event in the provider's form, as a text.
    pub raw: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// A message that we sent has a new status.
    Status(StatusEvent),
    /// A contact sent a message.
    Message(InboundMessage),
    /// A contact stopped or resumed marketing messages.
    Preference(PreferenceEvent),
    /// The account, one of its senders or one of its templates changed.
    Account(AccountEvent),
    /// An event that cannot be parsed or that this version does not use.
    Unknown {
        /// Its place in the request, such as `messages.statuses`.
        field: String,
        /// Which of the two.
        cause: UnknownCause,
    },
}

/// Why an event is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownCause {
    /// This version does not use events of its kind.
    Unused,
    /// It is of a kind that this version uses, or of none, and cannot be parsed.
    Unreadable,
}

/// A message that we sent has a new status. The event may come several times, late
/// and in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEvent {
    /// The provider's id of the message.
    pub message_id: String,
    /// The status.
    pub status: MessageStatus,
    /// When the message reached it.
    pub at: Timestamp,
    /// The recipient's address; none for groups.
    pub recipient: Option<Address>,
    /// Other addresses of the same person.
    pub aliases: Vec<Address>,
    /// Our callback, where the provider returns it.
    pub callback: Option<String>,
    /// Why the message failed; none unless it did.
    pub refusal: Option<Refusal>,
    /// What the message costs, where the provider reports it.
    pub pricing: Option<Pricing>,
}

/// The status of a message that we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// It left the provider.
    Sent,
    /// It arrived on the contact's device.
    Delivered,
    /// The contact read it. A read message was delivered.
    Read,
    /// It failed and will not arrive.
    Failed,
}

impl MessageStatus {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// What a message costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    /// The provider's category, such as `marketing`.
    pub category: String,
    /// Whether the message is billed.
    pub billable: bool,
    /// Whether and why the message is free, where the provider reports it.
    pub kind: Option<PricingKind>,
}

/// Whether and why a message is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PricingKind {
    /// It is billed at the list price.
    Regular,
    /// It is free within a customer service window.
    FreeCustomerService,
    /// It is free after a click on an advertisement.
    FreeEntryPoint,
    /// A kind that this version does not know.
    Other,
}

/// A message from a contact. The event may come several times.
#[derive(Clone, PartialEq)]
pub struct InboundMessage {
    /// The provider's id of the message.
    pub id: String,
    /// The sender's address, if the provider reveals it.
    pub from: Option<Address>,
    /// Other addresses of the same person.
    pub aliases: Vec<Address>,
    /// The name in the sender's profile.
    pub profile_name: Option<String>,
    /// When it was sent.
    pub at: Timestamp,
    /// The provider's id of the message that it quotes.
    pub quoted: Option<String>,
    /// The provider's id of the group it was sent to; none for a message to us.
    pub group: Option<String>,
    /// What it contains.
    pub content: InboundContent,
}

/// What a contact's message contains.
#[derive(Clone, PartialEq)]
pub enum InboundContent {
    /// A text.
    Text {
        /// The text.
        body: String,
    },
    /// A press on a template's quick-reply button.
    Button {
        /// The payload that we gave to the button.
        payload: Option<String>,
        /// The button's text.
        text: String,
    },
    /// A choice in an interactive message.
    Interactive {
        /// The kind of the choice.
        kind: ReplyKind,
        /// The id of the choice; none for a form.
        id: Option<String>,
        /// The title of the choice.
        title: Option<String>,
        /// The values of a form, as JSON.
        response: Option<String>,
    },
    /// A file.
    Media {
        /// The kind of file.
        kind: MediaKind,
        /// The provider's id of the file.
        id: String,
        /// Its MIME type.
        mime_type: Option<String>,
        /// The text below it.
        caption: Option<String>,
        /// Its name.
        filename: Option<String>,
    },
    /// A location.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// The name of the place.
        name: Option<String>,
        /// The address of the place.
        address: Option<String>,
    },
    /// A reaction to a message.
    Reaction {
        /// The provider's id of that message.
        to: String,
        /// The emoji; none removes an earlier reaction.
        emoji: Option<String>,
    },
    /// Contact cards; see the raw event.
    Contacts,
    /// An order from a catalogue; see the raw event.
    Order,
    /// An edit of an earlier message; see the raw event.
    Edit {
        /// The provider's id of that message.
        original: String,
    },
    /// The deletion of an earlier message.
    Revoke {
        /// The provider's id of that message.
        original: String,
    },
    /// A notice that the sender's addresses changed.
    System(SystemChange),
    /// A message that the provider does not pass on.
    Unsupported {
        /// The provider's error code.
        code: Option<u32>,
    },
    /// A kind that this version does not know, or a message with missing fields.
    Other {
        /// The provider's name of the kind.
        kind: String,
    },
}

/// The kind of a choice in an interactive message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// A reply button.
    Button,
    /// A row of a list.
    List,
    /// A form.
    Flow,
    /// The answer to a request for permission to call.
    CallPermission,
}

/// A change of the sender's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChange {
    /// The phone number changed; the BSUID may have changed too.
    Number {
        /// The new phone number.
        phone: Option<Address>,
        /// The new BSUID.
        bsuid: Option<Address>,
        /// The previous BSUID.
        previous_bsuid: Option<Address>,
    },
    /// The BSUID changed.
    UserId {
        /// The new BSUID.
        bsuid: Option<Address>,
        /// The previous BSUID.
        previous_bsuid: Option<Address>,
    },
    /// The identity key changed (a new phone, or a reinstalled app).
    Identity,
    /// A change that this version does not know.
    Other,
}

/// A contact stopped or resumed marketing messages in the provider's own app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceEvent {
    /// The contact's address.
    pub contact: Address,
    /// Other addresses of the same person.
    pub aliases: Vec<Address>,
    /// The category of messages, such as `marketing_messages`.
    pub category: String,
    /// What the contact chose.
    pub choice: Choice,
    /// When.
    pub at: Timestamp,
}

/// Whether a contact wants messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// No more messages.
    Stop,
    /// Messages are welcome again.
    Resume,
}

/// A change of an account, one of its senders or one of its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEvent {
    /// When the provider sent it, if it says so.
    pub at: Option<Timestamp>,
    /// What changed.
    pub change: AccountChange,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// A template was approved, paused, rejected and the like.
    Template {
        /// The template.
        template: TemplateRef,
        /// Its state, in plain words.
        state: &'static str,
        /// Whether it can be sent.
        sendable: bool,
        /// The provider's reason, if there is one.
        reason: Option<String>,
    },
    /// The quality of a template changed.
    TemplateQuality {
        /// The template.
        template: TemplateRef,
        /// Its quality.
        quality: Quality,
    },
    /// The provider moves a template to another category.
    TemplateCategory {
        /// The template.
        template: TemplateRef,
        /// The provider's name of the new category.
        category: String,
    },
    /// The quality or the throughput of a sender changed.
    Sender {
        /// The provider's name of the event, such as `THROUGHPUT_UPGRADE`.
        event: String,
        /// The limit of the quota group, if it is reported.
        limit: Option<QuotaLimit>,
    },
    /// The limit of the quota group changed.
    Quota {
        /// The new limit.
        limit: QuotaLimit,
    },
    /// The account is restricted: it cannot send, or not everything.
    Restricted {
        /// The provider's name of the event.
        event: String,
        /// The end of the restriction, if it is reported.
        until: Option<Timestamp>,
    },
    /// The account violated a policy; a restriction may follow.
    Warning {
        /// The provider's name of the violation.
        violation: Option<String>,
    },
    /// The restriction of the account ended.
    Reinstated,
    /// Another change, in a few words.
    Other {
        /// What it is.
        text: String,
    },
}

impl InboundContent {
    /// Whether the message counts as a reply. A reaction, a system notice, an edit
    /// and a deletion do not.
    pub fn is_reply(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::Button { .. }
            | Self::Interactive { .. }
            | Self::Media { .. }
            | Self::Location { .. }
            | Self::Contacts
            | Self::Order
            | Self::Other { .. } => true,
            Self::Reaction { .. }
            | Self::Edit { .. }
            | Self::Revoke { .. }
            | Self::System(_)
            | Self::Unsupported { .. } => false,
        }
    }
}

impl fmt::Debug for Event {
    /// Leaves out the provider's form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("sender_id", &self.sender_id)
            .field("account_id", &self.account_id)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InboundMessage {
    /// Leaves out the sender and the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("id", &self.id)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InboundContent {
    /// Shows the kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "text",
            Self::Button { .. } => "button",
            Self::Interactive { .. } => "interactive",
            Self::Media { .. } => "media",
            Self::Location { .. } => "location",
            Self::Reaction { .. } => "reaction",
            Self::Contacts => "contacts",
            Self::Order => "order",
            Self::Edit { .. } => "edit",
            Self::Revoke { .. } => "revoke",
            Self::System(_) => "system",
            Self::Unsupported { .. } => "unsupported",
            Self::Other { .. } => "other",
        })
    }
}

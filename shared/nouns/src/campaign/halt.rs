use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a campaign was halted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// What is wrong.
    pub code: HaltCode,
    /// What it concerns.
    pub scope: HaltScope,
    /// What the provider or the engine reported, in plain words.
    pub detail: String,
    /// The provider's error code, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<u32>,
    /// Since when.
    pub since: Timestamp,
}

/// What is wrong with a halted campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HaltCode {
    /// The provider refuses the message, whoever it is sent to.
    MessageRefused,
    /// The provider cannot get the message's file.
    FileUnusable,
    /// The template cannot be sent.
    TemplateUnusable,
    /// The connection cannot send.
    ConnectionUnusable,
    /// The account cannot send.
    AccountUnusable,
}

/// What a halt concerns: every campaign of it is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HaltScope {
    /// The campaign alone.
    Campaign,
    /// All campaigns of its template.
    Template,
    /// All campaigns of its connection.
    Connection,
    /// All campaigns of its connection's account.
    Account,
}

impl HaltCode {
    /// What a person does about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MessageRefused => {
                "Correct what the provider refuses, in the message or in its template, then resume \
                 the campaign; send a test message first."
            }
            Self::FileUnusable => "Upload the file again or replace it, then resume the campaign.",
            Self::TemplateUnusable => {
                "Look at the template in the provider's dashboard. Resume the campaign once the \
                 template can be sent again."
            }
            Self::ConnectionUnusable => {
                "Check the connection, correct what it reports, then resume the campaign."
            }
            Self::AccountUnusable => {
                "Look at the account in the provider's dashboard. Resume the campaign once the \
                 account can send again."
            }
        }
    }
}

//! Halts: what is broken stops exactly the campaigns that would meet it, at once,
//! with the reason on each. A person resumes them; if the cause is still there,
//! the first message halts them again and burns nobody.

use crate::campaign::store::{ChangeError, change_status};
use crate::campaign::{self, Campaign, Move, Status};
use crate::connection::{self, Connection};
use crate::ids::CampaignId;
use crate::message::Content;
use crate::table::{StoreError, Table};
use crate::telemetry::{Metric, measure};
use crate::time::Timestamp;

/// What is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One campaign alone.
    Campaign(CampaignId),
    /// A template of an account.
    Template {
        /// The account.
        account: connection::Account,
        /// The template.
        name: String,
        /// Its language, such as `en_US`.
        language: String,
    },
    /// A number.
    Number(crate::ids::ConnectionId),
    /// An account with all its numbers.
    Account(connection::Account),
}

impl Scope {
    /// The scope of a broken template: the template that a message uses, on the
    /// account of its number; a message without one stands for itself.
    pub fn of_template(campaign: &Campaign, connection: &Connection) -> Self {
        match &campaign.settings.message {
            Content::Template(template) => Self::Template {
                account: connection.account(),
                name: template.name.clone(),
                language: template.language.clone(),
            },
            Content::Text(_) | Content::Media(_) | Content::Interactive(_) => {
                Self::Campaign(campaign.id)
            }
        }
    }

    fn holds(&self, campaign: &Campaign, connection: Option<&Connection>) -> bool {
        let account = connection.map(Connection::account);
        match self {
            Self::Campaign(id) => *id == campaign.id,
            Self::Number(id) => *id == campaign.settings.connection_id,
            Self::Account(broken) => account.as_ref() == Some(broken),
            Self::Template { account: of, name, language } => {
                let template = match &campaign.settings.message {
                    Content::Template(template) => Some((&template.name, &template.language)),
                    Content::Text(_) | Content::Media(_) | Content::Interactive(_) => None,
                };
                account.as_ref() == Some(of) && template == Some((name, language))
            }
        }
    }
}

/// Halts every campaign in a scope that is at work or scheduled. To do it again
/// changes nothing.
pub async fn halt(
    table: &Table,
    scope: &Scope,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let connections = connection::store::all(table).await?;
    for status in [Status::Active, Status::Scheduled] {
        for campaign in campaign::store::all(table, status).await? {
            let of_campaign = |one: &&Connection| one.id == campaign.settings.connection_id;
            if scope.holds(&campaign, connections.iter().find(of_campaign)) {
                halt_one(table, &campaign, why, now).await?;
            }
        }
    }
    Ok(())
}

async fn halt_one(
    table: &Table,
    campaign: &Campaign,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    match change_status(table, campaign.id, Move::Halt, Some(why), now).await {
        Ok(_) => {
            tracing::warn!(campaign = %campaign.id, why, "campaign halted");
            measure(&[(Metric::CampaignsHalted, 1)], now);
            Ok(())
        }
        Err(ChangeError::Refused(_) | ChangeError::Unknown) => Ok(()),
        Err(ChangeError::Store(error)) => Err(error),
    }
}

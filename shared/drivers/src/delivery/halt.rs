//! Halts: a fault halts exactly the campaigns that would meet it, at once, with the reason
//! on each. A person resumes them; if the fault is still there, the first message halts them
//! again.

use carillon_channel::TemplateRef;
use carillon_foundations::ids::{CampaignId, ConnectionId};
use carillon_foundations::telemetry::{Metric, measure};
use carillon_foundations::time::Timestamp;
use carillon_nouns::campaign::store::{ChangeError, change_status};
use carillon_nouns::campaign::{self, Action, Campaign, Status};
use carillon_nouns::connection::{self, Account, Connection};
use carillon_table::{StoreError, Table};

/// What a fault concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One campaign.
    Campaign(CampaignId),
    /// A template of an account.
    Template(Account, TemplateRef),
    /// A connection.
    Connection(ConnectionId),
    /// An account with all its connections.
    Account(Account),
}

impl Scope {
    /// The scope of a fault of a campaign's template; the campaign alone where its message
    /// uses none.
    pub fn of_template(campaign: &Campaign, connection: &Connection) -> Self {
        match &campaign.settings.template {
            Some(template) => Self::Template(connection.account(), template.clone()),
            None => Self::Campaign(campaign.id),
        }
    }

    fn contains(&self, campaign: &Campaign, connection: Option<&Connection>) -> bool {
        let account = connection.map(Connection::account);
        match self {
            Self::Campaign(id) => *id == campaign.id,
            Self::Connection(id) => *id == campaign.settings.connection_id,
            Self::Account(broken) => account.as_ref() == Some(broken),
            Self::Template(of, template) => {
                account.as_ref() == Some(of)
                    && campaign.settings.template.as_ref() == Some(template)
            }
        }
    }
}

/// Halts every active or scheduled campaign in a scope. Idempotent.
pub async fn halt(
    table: &Table,
    scope: &Scope,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let connections = connection::store::all(table).await?;
    for status in [Status::Active, Status::Scheduled] {
        for campaign in campaign::store::all(table, status).await? {
            let of_campaign = |one: &&Connection| one.id == campaign.settings.connection_id;
            if !scope.contains(&campaign, connections.iter().find(of_campaign)) {
                continue;
            }
            match change_status(table, campaign.id, Action::Halt, Some(reason), now).await {
                Ok(_) => {
                    tracing::warn!(campaign = %campaign.id, reason, "campaign halted");
                    measure(&[(Metric::CampaignsHalted, 1)], now);
                }
                Err(ChangeError::Illegal(_) | ChangeError::Unknown) => {}
                Err(ChangeError::Store(error)) => return Err(error),
            }
        }
    }
    Ok(())
}

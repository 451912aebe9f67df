//! Halts: a fault halts exactly the campaigns that would meet it, at once, with the reason
//! on each. A person resumes them; if the fault is still there, the first message halts them
//! again.

use carillon_channel::{Refusal, TemplateRef, Verdict};
use carillon_foundations::ids::{CampaignId, ConnectionId};
use carillon_foundations::telemetry::{Metric, measure};
use carillon_foundations::time::Timestamp;
use carillon_nouns::campaign::store::{ChangeError, change_status};
use carillon_nouns::campaign::{self, Action, Campaign, Halt, HaltCode, HaltScope, Status};
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

    fn kind(&self) -> HaltScope {
        match self {
            Self::Campaign(_) => HaltScope::Campaign,
            Self::Template(..) => HaltScope::Template,
            Self::Connection(_) => HaltScope::Connection,
            Self::Account(_) => HaltScope::Account,
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

/// Why campaigns are halted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What is wrong.
    pub code: HaltCode,
    /// What was reported, in plain words.
    pub detail: String,
    /// The provider's error code, if there is one.
    pub provider_code: Option<u32>,
}

impl Cause {
    /// A cause without a code of the provider.
    pub fn new(code: HaltCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), provider_code: None }
    }

    /// A refusal that stops all that is in a scope.
    pub fn of_refusal(refusal: &Refusal, scope: &Scope) -> Self {
        let code = match (refusal.verdict, scope) {
            (Verdict::MediaBroken, _) => HaltCode::FileUnusable,
            (Verdict::TemplateBroken | Verdict::ValuesRejected, Scope::Campaign(_))
            | (_, Scope::Template(..)) => HaltCode::TemplateUnusable,
            (_, Scope::Campaign(_)) => HaltCode::MessageRefused,
            (_, Scope::Connection(_)) => HaltCode::ConnectionUnusable,
            (_, Scope::Account(_)) => HaltCode::AccountUnusable,
        };
        Self { code, detail: refusal.to_string(), provider_code: refusal.code }
    }
}

/// Halts every active or scheduled campaign in a scope. Idempotent.
pub async fn halt(
    table: &Table,
    scope: &Scope,
    cause: &Cause,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Cause { code, detail, provider_code } = cause.clone();
    let halt = Halt { code, scope: scope.kind(), detail, provider_code, since: now };
    let connections = connection::store::all(table).await?;
    for status in [Status::Active, Status::Scheduled] {
        for campaign in campaign::store::all(table, status).await? {
            let of_campaign = |one: &&Connection| one.id == campaign.settings.connection_id;
            if !scope.contains(&campaign, connections.iter().find(of_campaign)) {
                continue;
            }
            match change_status(table, campaign.id, Action::Halt, Some(&halt), now).await {
                Ok(_) => {
                    tracing::warn!(campaign = %campaign.id, reason = halt.detail, "campaign halted");
                    measure(&[(Metric::CampaignsHalted, 1)], now);
                }
                Err(ChangeError::Illegal(_) | ChangeError::Unknown) => {}
                Err(ChangeError::Store(error)) => return Err(error),
            }
        }
    }
    Ok(())
}

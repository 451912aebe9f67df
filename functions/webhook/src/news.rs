//! News of accounts, their numbers and templates: limits move, and what is broken
//! halts, before a message has to find out.

use std::collections::BTreeSet;

use carillon::channel::whatsapp_cloud::{
    AccountChange, AccountUpdate, MessagingLimit, TemplateRef,
};
use carillon::connection::{self, Account, Connection, Note};
use carillon::delivery::halt::{Scope, halt};
use carillon::plan;
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Webhook;

impl Webhook {
    /// Takes up news of an account. To do it again changes nothing.
    pub(crate) async fn apply_news(&self, news: &AccountUpdate) -> Result<(), StoreError> {
        let Some(waba) = news.waba_id.clone() else {
            tracing::info!(field = %news.field, "news of an account without its id");
            return Ok(());
        };
        let account = Account::Waba(waba);
        let connections = connection::store::of_account(&self.table, &account).await?;
        if connections.is_empty() {
            tracing::info!(field = %news.field, "news of an account that has no connection here");
            return Ok(());
        }
        let at = news.at.unwrap_or_else(|| self.clock.now());
        match news.change() {
            AccountChange::Limit { limit } => self.tell_limit(&connections, limit, at).await,
            AccountChange::Number { event, limit, .. } => {
                if let Some(limit) = limit {
                    self.tell_limit(&connections, limit, at).await?;
                }
                // Which number it was is not told by its id: all are asked again.
                for connection in &connections {
                    connection::store::forget_check(&self.table, connection.id).await?;
                }
                self.note(&connections, format!("number: {event}"), at).await
            }
            AccountChange::Template { template, state, reason } => {
                let name = template.name.clone();
                if !state.may_be_sent() {
                    let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
                    let why =
                        format!("WhatsApp says that the template is {}{reason}", state.as_str());
                    self.halt(&Self::of_template(account, template), &why).await?;
                }
                self.note(&connections, format!("template {name}: {}", state.as_str()), at).await
            }
            AccountChange::TemplateQuality { template, quality } => {
                let text = format!("template {}: quality {}", template.name, quality.as_str());
                self.note(&connections, text, at).await
            }
            AccountChange::TemplateCategory { template, category } => {
                let text = format!("template {}: category {category}", template.name);
                self.note(&connections, text, at).await
            }
            AccountChange::Restricted { event, until } => {
                let until = until.map_or_else(String::new, |until| format!(" until {until}"));
                let why = format!("WhatsApp has restricted the account: {event}{until}");
                self.halt(&Scope::Account(account), &why).await?;
                self.note(&connections, why, at).await
            }
            AccountChange::Warned { violation } => {
                let what = violation.unwrap_or_else(|| "a rule".to_owned());
                self.note(&connections, format!("WhatsApp warns of a violation: {what}"), at).await
            }
            AccountChange::Reinstated => {
                self.note(&connections, "WhatsApp has freed the account".to_owned(), at).await
            }
            AccountChange::Other => {
                let text = match news.value["alert_type"].as_str() {
                    Some(alert) => format!("alert: {alert}"),
                    None => news.field.clone(),
                };
                self.note(&connections, text, at).await
            }
        }
    }

    fn of_template(account: Account, template: TemplateRef) -> Scope {
        Scope::Template { account, name: template.name, language: template.language }
    }

    async fn halt(&self, scope: &Scope, why: &str) -> Result<(), StoreError> {
        halt(&self.table, scope, why, self.clock.now()).await
    }

    async fn tell_limit(
        &self,
        connections: &[Connection],
        limit: MessagingLimit,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let people = limit.people().map(u64::from);
        let portfolios: BTreeSet<_> = connections.iter().map(|one| &one.portfolio).collect();
        for portfolio in portfolios {
            tracing::warn!(?people, "WhatsApp has changed the messaging limit");
            plan::store::tell_portfolio_limit(&self.table, portfolio, people, at).await?;
        }
        Ok(())
    }

    /// Shows news on the connections of an account.
    async fn note(
        &self,
        connections: &[Connection],
        text: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        tracing::warn!(text, "news of an account");
        let note = Note { text, at };
        for connection in connections {
            connection::store::note_news(&self.table, connection.id, &note).await?;
        }
        Ok(())
    }
}

//! Events of accounts, their senders and templates: limits change, and a fault halts its
//! campaigns before a message meets it.

use std::collections::BTreeSet;

use carillon::campaign::HaltCode;
use carillon::channel::QuotaLimit;
use carillon::channel::event::{AccountChange, AccountEvent};
use carillon::connection::{self, Account, Connection, Note};
use carillon::delivery::halt::{Cause, Scope, halt};
use carillon::quota;
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Webhook;
use crate::candidates::Signers;

/// The longest text of an event that is stored with a connection or a campaign, in bytes: those
/// items need room for other things.
const MAX_TEXT: usize = 500;

/// The connections of an account, and when its event was sent.
struct Context<'a> {
    account: Account,
    connections: Vec<&'a Connection>,
    at: Timestamp,
}

impl Webhook {
    /// Applies an event of an account. Idempotent.
    pub(crate) async fn apply_account(
        &self,
        event: AccountEvent,
        account_id: Option<String>,
        signers: &Signers,
    ) -> Result<(), StoreError> {
        let Some(id) = account_id else {
            tracing::info!("an event of an account without its id");
            return Ok(());
        };
        let known = |one: &&Connection| one.provider.account_id.as_deref() == Some(id.as_str());
        let connections: Vec<_> = signers.connections.iter().filter(known).collect();
        if connections.is_empty() {
            tracing::info!("an event of an account without a connection");
            return Ok(());
        }
        let account = Account { provider: signers.provider.name().to_owned(), id: id.clone() };
        let at = event.at.unwrap_or_else(|| self.clock.now());
        self.apply_change(event.change, &Context { account, connections, at }).await
    }

    async fn apply_change(
        &self,
        change: AccountChange,
        context: &Context<'_>,
    ) -> Result<(), StoreError> {
        let note = match change {
            AccountChange::Quota { limit } => return self.record_limit(context, limit).await,
            AccountChange::Sender { event, limit } => {
                if let Some(limit) = limit {
                    self.record_limit(context, limit).await?;
                }
                // The event does not name the sender by its id: all are probed again.
                for connection in &context.connections {
                    connection::store::expire_probe(&self.table, connection.id).await?;
                }
                format!("number: {event}")
            }
            AccountChange::Template { template, state, sendable, reason } => {
                let note = format!("template {}: {state}", template.name);
                if !sendable {
                    let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
                    let scope = Scope::Template(context.account.clone(), template);
                    let reason =
                        format!("the provider reports that the template is {state}{reason}");
                    let cause = Cause::new(HaltCode::TemplateUnusable, short(reason));
                    halt(&self.table, &scope, &cause, self.clock.now()).await?;
                }
                note
            }
            AccountChange::TemplateQuality { template, quality } => {
                format!("template {}: quality {}", template.name, quality.as_str())
            }
            AccountChange::TemplateCategory { template, category } => {
                format!("template {}: category {category}", template.name)
            }
            AccountChange::Restricted { event, until } => {
                let until = until.map_or_else(String::new, |until| format!(" until {until}"));
                let note = format!("the provider has restricted the account: {event}{until}");
                let note = short(note);
                let scope = Scope::Account(context.account.clone());
                let cause = Cause::new(HaltCode::AccountUnusable, note.clone());
                halt(&self.table, &scope, &cause, self.clock.now()).await?;
                note
            }
            AccountChange::Warning { violation } => {
                let violation = violation.unwrap_or_else(|| "a policy".to_owned());
                format!("the provider warns of a violation: {violation}")
            }
            AccountChange::Reinstated => "the provider has reinstated the account".to_owned(),
            AccountChange::Other { text } => text,
        };
        self.record_note(context, note).await
    }

    async fn record_limit(
        &self,
        context: &Context<'_>,
        limit: QuotaLimit,
    ) -> Result<(), StoreError> {
        let contacts = limit.contacts().map(u64::from);
        let groups: BTreeSet<_> =
            context.connections.iter().filter_map(|one| one.quota_group.as_ref()).collect();
        for group in groups {
            tracing::warn!(?contacts, "the provider has changed the limit of a quota group");
            quota::store::record_limit(&self.table, group, contacts, context.at).await?;
        }
        Ok(())
    }

    /// Records an event on the connections of an account.
    async fn record_note(&self, context: &Context<'_>, text: String) -> Result<(), StoreError> {
        let text = short(text);
        tracing::warn!(text, "an event of an account");
        let note = Note { text, at: context.at };
        for connection in &context.connections {
            connection::store::record_note(&self.table, connection.id, &note).await?;
        }
        Ok(())
    }
}

/// The beginning of a text.
fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

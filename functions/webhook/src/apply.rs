use carillon::address::Address;
use carillon::channel::event::{Event, EventBody, InboundMessage, PreferenceEvent};
use carillon::contact;
use carillon::conversation::{self, Inbound};
use carillon::delivery::{Recorded, Reporter, record_status};
use carillon::table::StoreError;
use carillon::telemetry::{BatchedCounter, Metric};

use crate::Webhook;
use crate::candidates::Signers;

static STATUSES: BatchedCounter = BatchedCounter::new(Metric::StatusesStored);
static REPLIES: BatchedCounter = BatchedCounter::new(Metric::RepliesStored);

impl Webhook {
    /// Stores one event. Idempotent: a repeated event changes nothing.
    pub(crate) async fn apply(&self, event: Event, signers: &Signers) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Event { sender_id, account_id, body } = event;
        match body {
            EventBody::Status(status) => {
                let reporter = Reporter {
                    provider: signers.provider.as_ref(),
                    connections: &signers.connections,
                    sender_id: sender_id.as_deref(),
                    campaigns: &self.campaigns,
                };
                match record_status(&self.table, &self.ids, reporter, &status, now).await? {
                    Recorded::Done => STATUSES.add(1, now),
                    Recorded::NotAuthentic => self.count_dropped(1),
                }
            }
            EventBody::Message(message) => {
                self.apply_message(message, sender_id).await?;
                REPLIES.add(1, now);
            }
            EventBody::Preference(preference) => self.apply_preference(preference).await?,
            EventBody::Account(event) => self.apply_account(event, account_id, signers).await?,
            EventBody::Unknown { field } => {
                tracing::info!(field, "an event that this version does not use");
            }
        }
        Ok(())
    }

    async fn apply_message(
        &self,
        message: InboundMessage,
        sender_id: Option<String>,
    ) -> Result<(), StoreError> {
        let Some(from) = message.from else {
            tracing::info!("a message without a sender");
            return Ok(());
        };
        let inbound = Inbound {
            is_reply: message.content.is_reply(),
            id: message.id,
            at: message.at,
            sender_id,
            quoted: message.quoted,
            raw: message.raw.to_string(),
            expires_at: self.retention.expiry(message.at),
        };
        self.link(&from, &message.aliases).await?;
        let name = message.profile_name.as_deref();
        conversation::store::receive(&self.table, &from, name, &inbound).await
    }

    async fn apply_preference(&self, preference: PreferenceEvent) -> Result<(), StoreError> {
        let PreferenceEvent { contact, aliases, choice, at, .. } = preference;
        self.link(&contact, &aliases).await?;
        contact::store::record_preference(&self.table, &contact, choice, at).await
    }

    async fn link(&self, contact: &Address, aliases: &[Address]) -> Result<(), StoreError> {
        for alias in aliases {
            contact::store::link(&self.table, contact, alias).await?;
        }
        Ok(())
    }
}

use carillon::address::Address;
use carillon::channel::event::{
    Event, EventBody, InboundContent, InboundMessage, PreferenceEvent, SystemChange,
};
use carillon::contact::{self, person};
use carillon::conversation::{self, Inbound};
use carillon::delivery::{Recorded, Reporter, record_status};
use carillon::ids::ContactId;
use carillon::table::StoreError;
use carillon::telemetry::{BatchedCounter, Metric};
use carillon::time::Timestamp;

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
                    linked: &self.linked,
                    successes: &self.successes,
                };
                match record_status(&self.table, &self.ids, reporter, &status, now).await? {
                    Recorded::Done => STATUSES.add(1, now),
                    Recorded::NotAuthentic => self.count_dropped(1),
                }
            }
            EventBody::Message(message) => {
                self.apply_message(message, sender_id.as_deref(), signers).await?;
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
        sender_id: Option<&str>,
        signers: &Signers,
    ) -> Result<(), StoreError> {
        if let InboundContent::System(change) = &message.content {
            return self.move_addresses(message.from.as_ref(), change, message.at).await;
        }
        let Some(from) = message.from else {
            tracing::info!("a message without a sender");
            return Ok(());
        };
        let contact = self.contact_of(&from, &message.aliases, message.at).await?;
        let Some(contact) = contact else { return Ok(()) };
        let inbound = Inbound {
            is_reply: message.content.is_reply(),
            id: message.id,
            at: message.at,
            from,
            connection_id: sender_id.and_then(|sender| signers.connection_of(sender)),
            group: message.group,
            quoted: message.quoted,
            raw: message.raw.to_string(),
            expires_at: self.retention.expiry(message.at),
        };
        let name = message.profile_name.as_deref();
        conversation::store::receive(&self.table, contact, name, &inbound).await
    }

    /// Moves a person to the addresses that they have from then on.
    async fn move_addresses(
        &self,
        from: Option<&Address>,
        change: &SystemChange,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (old, new): (Vec<&Address>, Vec<&Address>) = match change {
            SystemChange::Number { phone, bsuid, previous_bsuid } => {
                (previous_bsuid.iter().chain(from).collect(), phone.iter().chain(bsuid).collect())
            }
            SystemChange::UserId { bsuid, previous_bsuid } => {
                (previous_bsuid.iter().collect(), bsuid.iter().collect())
            }
            SystemChange::Identity | SystemChange::Other => return Ok(()),
        };
        let [old, new] = [old, new].map(|some| some.into_iter().cloned().collect::<Vec<_>>());
        person::change(&self.table, &self.ids, (&old, &new), at).await.map(drop)
    }

    async fn apply_preference(&self, preference: PreferenceEvent) -> Result<(), StoreError> {
        let PreferenceEvent { contact, aliases, choice, at, .. } = preference;
        let Some(contact) = self.contact_of(&contact, &aliases, at).await? else {
            return Ok(());
        };
        contact::store::record_preference(&self.table, contact, choice, at).await
    }

    /// The contact of a person who had these addresses at `at`, created where there is none.
    async fn contact_of(
        &self,
        address: &Address,
        aliases: &[Address],
        at: Timestamp,
    ) -> Result<Option<ContactId>, StoreError> {
        let person: Vec<Address> = [address].into_iter().chain(aliases).cloned().collect();
        person::resolve(&self.table, &self.ids, &person, at).await
    }
}

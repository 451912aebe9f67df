use carillon::address::Address;
use carillon::channel::event::{
    Event, EventBody, InboundContent, InboundMessage, PreferenceEvent, StatusEvent, SystemChange,
    UnknownCause,
};
use carillon::contact::{self, person};
use carillon::conversation::{self, Inbound};
use carillon::delivery::{Recorded, Reporter, Shared, record_status};
use carillon::ids::ContactId;
use carillon::telemetry::{BatchedCounter, Metric};
use carillon::time::Timestamp;
use carillon::unreadable::Why;

use crate::Webhook;
use crate::candidates::Signers;
use crate::error::EventError;

static STATUSES: BatchedCounter = BatchedCounter::new(Metric::StatusesStored);
static REPLIES: BatchedCounter = BatchedCounter::new(Metric::RepliesStored);
static UNUSED: BatchedCounter = BatchedCounter::new(Metric::EventsUnused);

/// The longest name of a profile that is stored, in bytes: a name that fills the contact's item
/// would leave no room for an opt-out.
const MAX_NAME: usize = 1_000;

impl Webhook {
    /// Stores one event, of which `raw` is the provider's form. Idempotent: a repeated event
    /// changes nothing.
    pub(crate) async fn apply(
        &self,
        event: Event,
        raw: &str,
        (signers, shared): (&Signers, &Shared),
    ) -> Result<(), EventError> {
        let Event { sender_id, account_id, body, .. } = event;
        let sender_id = sender_id.as_deref();
        match body {
            EventBody::Status(status) => {
                self.apply_status(status, sender_id, (signers, shared)).await
            }
            EventBody::Message(message) => {
                self.apply_message(message, raw, sender_id, signers).await?;
                REPLIES.add(1, self.clock.now());
                Ok(())
            }
            EventBody::Preference(preference) => self.apply_preference(preference).await,
            EventBody::Account(event) => Ok(self.apply_account(event, account_id, signers).await?),
            EventBody::Unknown { cause: UnknownCause::Unreadable, .. } => {
                Err(EventError::Unreadable(Why::Malformed))
            }
            EventBody::Unknown { cause: UnknownCause::Unused, field } => {
                tracing::info!(field, "an event that this version does not use");
                UNUSED.add(1, self.clock.now());
                Ok(())
            }
        }
    }

    async fn apply_status(
        &self,
        status: StatusEvent,
        sender_id: Option<&str>,
        (signers, shared): (&Signers, &Shared),
    ) -> Result<(), EventError> {
        let now = self.clock.now();
        let reporter = Reporter {
            provider: signers.provider.as_ref(),
            connections: &signers.connections,
            sender_id,
            campaigns: &self.campaigns,
            linked: &self.linked,
            successes: &self.successes,
            shared,
        };
        match record_status(&self.table, &self.ids, reporter, &status, now).await? {
            Recorded::Done => STATUSES.add(1, now),
            // The status may be authentic, and only the message tells whose it is.
            Recorded::NotAuthentic(Some(connection))
                if sender_id.is_none() && signers.may_be(connection) =>
            {
                return Err(EventError::SecretUnreadable);
            }
            Recorded::NotAuthentic(_) => self.count_dropped(1),
        }
        Ok(())
    }

    async fn apply_message(
        &self,
        message: InboundMessage,
        raw: &str,
        sender_id: Option<&str>,
        signers: &Signers,
    ) -> Result<(), EventError> {
        if let InboundContent::System(change) = &message.content {
            return self.move_addresses(message.from.as_ref(), change, message.at).await;
        }
        let Some(from) = message.from else { return Err(EventError::Unreadable(Why::NoSender)) };
        let contact = self.contact_of(&from, &message.aliases, message.at).await?;
        let inbound = Inbound {
            is_reply: message.content.is_reply(),
            id: message.id,
            at: message.at,
            from,
            connection_id: sender_id.and_then(|sender| signers.connection_of(sender)),
            group: message.group,
            quoted: message.quoted,
            raw: raw.to_owned(),
            expires_at: self.retention.expiry(message.at),
        };
        let name = message.profile_name.as_deref();
        let name = name.map(|name| &name[..name.floor_char_boundary(MAX_NAME)]);
        Ok(conversation::store::receive(&self.table, contact, name, &inbound).await?)
    }

    /// Moves a person to the addresses that they have from then on.
    async fn move_addresses(
        &self,
        from: Option<&Address>,
        change: &SystemChange,
        at: Timestamp,
    ) -> Result<(), EventError> {
        let (old, new): (Vec<&Address>, Vec<&Address>) = match change {
            SystemChange::Number { phone, bsuid, previous_bsuid } => {
                (previous_bsuid.iter().chain(from).collect(), phone.iter().chain(bsuid).collect())
            }
            SystemChange::UserId { bsuid, previous_bsuid } => {
                (previous_bsuid.iter().collect(), bsuid.iter().collect())
            }
            SystemChange::Identity | SystemChange::Other => return Ok(()),
        };
        if old.is_empty() || new.is_empty() {
            return Err(EventError::Unreadable(Why::NoSender));
        }
        let [old, new] = [old, new].map(|some| some.into_iter().cloned().collect::<Vec<_>>());
        person::change(&self.table, &self.ids, (&old, &new), at).await?;
        Ok(())
    }

    async fn apply_preference(&self, preference: PreferenceEvent) -> Result<(), EventError> {
        let PreferenceEvent { contact, aliases, choice, at, .. } = preference;
        let contact = self.contact_of(&contact, &aliases, at).await?;
        Ok(contact::store::record_preference(&self.table, contact, choice, at).await?)
    }

    /// The contact of a person who had these addresses at `at`, created where there is none.
    async fn contact_of(
        &self,
        address: &Address,
        aliases: &[Address],
        at: Timestamp,
    ) -> Result<ContactId, EventError> {
        let person: Vec<Address> = [address].into_iter().chain(aliases).cloned().collect();
        let contact = person::resolve(&self.table, &self.ids, &person, at).await?;
        contact.ok_or(EventError::Unreadable(Why::NoSender))
    }
}

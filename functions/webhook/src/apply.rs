use carillon::campaign::{self, Campaign};
use carillon::channel::Refusal;
use carillon::channel::whatsapp_cloud::{
    Choice, InboundMessage, Preference, StatusKind, StatusUpdate, Update,
};
use carillon::connection;
use carillon::contact::{self, Bsuid, ContactKey};
use carillon::conversation::{self, Inbound};
use carillon::delivery::halt::{Scope, halt};
use carillon::delivery::retry::{Decision, Stop, decide};
use carillon::recipient::store::{Ending, Place, leave_out_late, record, settle_refused};
use carillon::recipient::{self, Callback, Event, Rung};
use carillon::table::StoreError;
use carillon::telemetry::{Gathered, Metric};

use crate::Webhook;

/// How many were stored, for the dashboard.
static STATUSES: Gathered = Gathered::new(Metric::StatusesStored);
static REPLIES: Gathered = Gathered::new(Metric::RepliesStored);

/// Why an update could not be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Webhook {
    /// Stores one update. Storing it again changes nothing.
    pub(crate) async fn apply(&self, update: Update) -> Result<(), ApplyError> {
        match update {
            Update::Status(status) => {
                self.apply_status(status).await?;
                STATUSES.add(1, self.clock.now());
                Ok(())
            }
            Update::Message(message) => {
                self.apply_message(message).await?;
                REPLIES.add(1, self.clock.now());
                Ok(())
            }
            Update::Preference(preference) => self.apply_preference(preference).await,
            Update::Account(news) => Ok(self.apply_news(&news).await?),
            Update::Unknown { field } => {
                tracing::info!(field, "an update this version has no use for");
                Ok(())
            }
        }
    }

    async fn apply_status(&self, status: StatusUpdate) -> Result<(), ApplyError> {
        let callback = status.callback.as_deref().map(str::parse::<Callback>);
        let Some(Ok(callback)) = callback else {
            tracing::debug!("a status of a message that no campaign sent");
            return Ok(());
        };
        let rung = match status.status {
            StatusKind::Sent => Rung::Sent,
            StatusKind::Delivered => Rung::Delivered,
            StatusKind::Read | StatusKind::Played => Rung::Read,
            StatusKind::Failed => return self.apply_failure(&status, &callback).await,
        };
        let event = Event { attempt: callback.attempt, rung };
        let id = Some(status.message_id.as_str());
        record(&self.table, &Place::from(&callback), event, status.at, id).await?;
        Ok(())
    }

    /// A failure told by webhook: the message surely did not arrive, so it may be
    /// tried again where that makes sense.
    async fn apply_failure(
        &self,
        status: &StatusUpdate,
        callback: &Callback,
    ) -> Result<(), ApplyError> {
        let Some(refusal) = status.refusal() else { return Ok(()) };
        let (now, jitter) = (self.clock.now(), f64::from(self.ids.bytes::<1>()[0]) / 255.0);
        let campaign = campaign::store::get(&self.table, callback.campaign).await?;
        let max_retries = campaign.as_ref().map_or(0, |found| found.settings.max_retries);
        let (decision, stop) = decide(&refusal, callback.attempt, max_retries, now, jitter);
        let place = Place::from(callback);
        let attempt = callback.attempt;
        let found = recipient::store::get(&self.table, &place).await?;
        let spent = found.filter(|found| found.attempt == attempt).and_then(|one| one.spends());
        let ending = Ending {
            decision: &decision,
            code: refusal.code,
            at: status.at,
            spent: spent.as_deref(),
        };
        let settled = settle_refused(&self.table, &place, attempt, ending).await?;
        match decision {
            Decision::Skip { .. } => {
                let contact = &callback.contact;
                contact::store::record_preference(&self.table, contact, true, status.at).await?;
            }
            // Also when it was settled before: the first time may have ended here.
            Decision::Retry { .. } => {
                let put_back_at = self.clock.now();
                if !campaign::store::stir(&self.table, callback.campaign, put_back_at).await? {
                    leave_out_late(&self.table, &place, attempt + 1).await?;
                }
            }
            Decision::Fail { .. } | Decision::Unconfirmed { .. } => {}
        }
        match campaign {
            Some(campaign) if settled => self.stop_for(stop, callback, &campaign, &refusal).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Stops what a failure says must stop beyond its own message.
    async fn stop_for(
        &self,
        stop: Stop,
        callback: &Callback,
        campaign: &Campaign,
        refusal: &Refusal,
    ) -> Result<(), ApplyError> {
        let id = campaign.settings.connection_id;
        let Some(connection) = connection::store::get(&self.table, id).await? else {
            return Ok(());
        };
        let scope = match stop {
            // What was reported by webhook was refused some time ago: the lane has
            // slowed down since, or doesn't have to.
            Stop::Nothing | Stop::Lane(_) | Stop::CampaignIfRepeated => return Ok(()),
            Stop::Country => {
                if let Some(country) = callback.contact.iso_country() {
                    let account = connection.account();
                    connection::store::block_country(&self.table, &account, &country).await?;
                }
                return Ok(());
            }
            Stop::Template => Scope::of_template(campaign, &connection),
            Stop::Number => Scope::Number(id),
            Stop::Account => Scope::Account(connection.account()),
        };
        halt(&self.table, &scope, &refusal.to_string(), self.clock.now()).await?;
        Ok(())
    }

    async fn apply_message(&self, message: InboundMessage) -> Result<(), ApplyError> {
        let Some(from) = message.from else {
            tracing::info!("a message without a sender");
            return Ok(());
        };
        let inbound = Inbound {
            is_answer: message.content.is_answer(),
            id: message.id,
            at: message.at,
            phone_number_id: message.phone_number_id,
            quoted: message.quoted,
            raw: message.raw.to_string(),
            expires_at: self.kept.expiry(message.at),
        };
        if let Some(bsuid) = message.bsuid {
            self.learn_bsuid(&from, bsuid).await?;
        }
        let name = message.profile_name.as_deref();
        conversation::store::receive(&self.table, &from, name, &inbound).await?;
        Ok(())
    }

    /// Remembers that a contact is also known by a BSUID.
    async fn learn_bsuid(&self, contact: &ContactKey, bsuid: Bsuid) -> Result<(), StoreError> {
        contact::store::link(&self.table, contact, &ContactKey::Bsuid(bsuid)).await
    }

    async fn apply_preference(&self, preference: Preference) -> Result<(), ApplyError> {
        let stop = preference.choice == Choice::Stop;
        let Preference { contact, bsuid, at, .. } = preference;
        if let Some(bsuid) = bsuid {
            self.learn_bsuid(&contact, bsuid).await?;
        }
        contact::store::record_preference(&self.table, &contact, stop, at).await?;
        Ok(())
    }
}

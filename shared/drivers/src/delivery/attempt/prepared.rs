//! The message of an attempt, rendered and checked.

use carillon_channel::{Content, FieldProblem, Outbound};
use carillon_nouns::batch::CloseReason;
use carillon_nouns::campaign::HaltCode;
use carillon_nouns::recipient::{Callback, SkipReason};
use carillon_table::StoreError;

use crate::delivery::due::Due;
use crate::delivery::error::DeliveryError;
use crate::delivery::halt::{Cause, Scope, halt};
use crate::delivery::run::{Run, RunStop};
use crate::delivery::sender::Sender;

/// A due recipient with its message.
pub(super) struct Prepared<'a> {
    pub(super) due: &'a Due,
    pub(super) attempt: Callback,
    pub(super) outbound: Outbound,
}

/// A problem of a rendered message, with the columns that cause it.
fn describe(message: &Content, problem: &FieldProblem) -> String {
    let columns: Vec<_> =
        message.columns_at(&problem.field).iter().map(|name| format!("{{{name}}}")).collect();
    match columns.as_slice() {
        [] => problem.to_string(),
        columns => format!("{} in {}: {}", columns.join(", "), problem.field, problem.reason),
    }
}

impl Run<'_> {
    /// Renders the message. A recipient that cannot get it is skipped.
    pub(super) async fn prepare<'a>(
        &self,
        due: &'a Due,
    ) -> Result<Option<Prepared<'a>>, DeliveryError> {
        let profile = &due.contact.profile;
        let Some(address) = profile.address_in(self.route.capabilities().addresses) else {
            let reason = profile.suppression().map_or(SkipReason::UnsupportedAddress, Into::into);
            self.skip(due, reason, None).await?;
            return Ok(None);
        };
        if self.is_blocked(address.country()) {
            self.skip(due, SkipReason::CountryBlocked, None).await?;
            return Ok(None);
        }
        let content = match self.leased.campaign.settings.message.render(&due.recipient.columns) {
            Ok(content) => content,
            Err(missing) => {
                let detail = missing.to_string();
                self.skip(due, SkipReason::MissingVariable, Some(&detail)).await?;
                return Ok(None);
            }
        };
        if let Err(problems) = self.route.provider.validate(&content) {
            self.leave_invalid(due, &problems).await?;
            return Ok(None);
        }
        let Some(content) = self.with_media(due, content).await? else { return Ok(None) };
        let attempt = Callback { recipient: due.key, attempt: due.recipient.attempt };
        let (to, callback) = (address.clone(), attempt.to_string());
        let outbound = Outbound { to, content, callback, reply_to: None };
        Ok(Some(Prepared { due, attempt, outbound }))
    }

    /// What becomes of a recipient whose rendered message the provider would refuse: it is
    /// skipped, unless the campaign's message is not valid for anybody.
    async fn leave_invalid(&self, due: &Due, problems: &[FieldProblem]) -> Result<(), StoreError> {
        let message = &self.leased.campaign.settings.message;
        let detail = problems.first().map(|problem| describe(message, problem)).unwrap_or_default();
        if message.check(|content| self.route.provider.validate(content)).is_ok() {
            return self.skip(due, SkipReason::InvalidMessage, Some(&detail)).await;
        }
        self.stop(RunStop::Closed(CloseReason::Halted));
        let Sender { table, clock, .. } = self.sender;
        let cause = Cause::new(HaltCode::MessageRefused, detail);
        halt(table, &Scope::Campaign(self.leased.campaign.id), &cause, clock.now()).await
    }
}

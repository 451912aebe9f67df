use std::time::Duration;

use carillon::analytics;
use carillon::analytics::audit::{Audit, STEP, audit};
use carillon::campaign::{self, AuditTurn, Campaign};
use carillon::table::StoreError;
use carillon::telemetry::{Metric, measure};
use carillon::time::Timestamp;

use crate::Scheduler;

/// How long after its end a campaign is audited: statuses arrive for 30 days.
const AUDIT_PERIOD: Duration = Duration::from_hours(30 * 24);
/// When a campaign is audited again whose batches are being sent: the recipients keep changing.
const BUSY: Duration = Duration::from_mins(10);
/// How many shards of a campaign are audited in one turn.
const TURN_SHARDS: usize = 4;
/// The longest time between two turns.
const MAX_PAUSE: Duration = Duration::from_hours(12);

impl Scheduler {
    /// Compares counters of a campaign with a recount, and corrects differences: the next step for
    /// some of its shards, whatever the campaign's status.
    pub(crate) async fn audit_turn(
        &self,
        turn: AuditTurn,
        is_busy: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome = self.audit_campaign(turn, is_busy, now).await;
        let due_at = match &outcome {
            Ok(Some(due_at)) => *due_at,
            Ok(None) => return campaign::store::end_audits(&self.table, &turn).await,
            // It goes behind the others.
            Err(_) => now + STEP,
        };
        campaign::store::set_audit_turn(&self.table, &AuditTurn { due_at, ..turn }).await?;
        outcome.map(drop)
    }

    /// The audit of a campaign, and when it goes on; `None` where it does not.
    async fn audit_campaign(
        &self,
        turn: AuditTurn,
        is_busy: bool,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(campaign) = campaign::store::get(&self.table, turn.campaign).await? else {
            return Ok(None);
        };
        if campaign.finished_at.is_some_and(|end| end + AUDIT_PERIOD <= now) {
            return Ok(None);
        }
        if is_busy {
            return Ok(Some(now + BUSY));
        }
        let audits = analytics::store::next_audits(&self.table, &campaign).await?;
        let is_due = |next: Option<Timestamp>| next.is_none_or(|next| next <= now);
        let due = audits.iter().filter(|(next, _)| is_due(*next)).map(|(_, shard)| *shard);
        let due: Vec<u16> = due.take(TURN_SHARDS).collect();
        if due.is_empty() {
            let next = audits.first().and_then(|(next, _)| *next);
            return Ok(Some(next.unwrap_or(now + MAX_PAUSE).min(now + MAX_PAUSE)));
        }
        for shard in due {
            self.audit_shard(&campaign, shard, now).await?;
        }
        Ok(Some(now + STEP))
    }

    async fn audit_shard(
        &self,
        campaign: &Campaign,
        shard: u16,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Audit::Corrected { missing } = audit(&self.table, campaign, shard, now).await? {
            measure(&[(Metric::CountersCorrected, 1)], now);
            tracing::error!(campaign = %campaign.id, shard, ?missing, "counters differed from a recount");
        }
        Ok(())
    }
}

use std::collections::{BTreeSet, VecDeque};

use carillon::campaign::{self, AuditTurn, Sweep};
use carillon::connection::Connection;
use carillon::ids::CampaignId;
use carillon::media::{self, Media};
use carillon::time::Timestamp;

use crate::Scheduler;
use crate::batches::Planned;
use crate::failures::WorkError;
use crate::plan_input::PlanInput;
use crate::released::Released;
use crate::run::Run;

/// How many campaigns are audited in a run.
const MAX_AUDITS: u32 = 50;

/// Work that takes turns: a turn takes about a second, and stores how far it got.
enum Task<'a> {
    /// A campaign that is planned, and has not all its batches.
    Plan(Box<Planned<'a>>),
    /// A campaign that may have nobody left to send to.
    Finish(CampaignId, &'a Connection),
    /// The recipients of a cancelled or ended campaign.
    Sweep(Sweep),
    /// The counters of a campaign.
    Audit(AuditTurn),
    /// An uploaded file that its provider will forget.
    Media(Box<Media>),
}

impl Task<'_> {
    const fn part(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Finish(..) => "finish",
            Self::Sweep(_) => "sweep",
            Self::Audit(_) => "audit",
            Self::Media(_) => "media",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Plan(planned) => planned.active.campaign.id.to_string(),
            Self::Finish(campaign, _) => campaign.to_string(),
            Self::Sweep(sweep) => sweep.campaign.to_string(),
            Self::Audit(turn) => turn.campaign.to_string(),
            Self::Media(file) => file.id.to_string(),
        }
    }
}

impl Scheduler {
    /// Works in turns what takes long, as long as the run has time.
    pub(crate) async fn take_turns<'a>(
        &self,
        input: Option<&'a PlanInput>,
        unfinished: Vec<Planned<'a>>,
        released: &mut Released,
        run: &mut Run,
    ) {
        let of_unfinished = unfinished.iter().map(|planned| planned.active.campaign.id);
        let of_released = released.batches.iter().map(|batch| batch.name.campaign);
        let mut sending: BTreeSet<CampaignId> = of_unfinished.chain(of_released).collect();
        let open = input.into_iter().flat_map(|input| input.campaigns.values());
        let open = open.filter(|active| active.has_open_batch());
        sending.extend(open.map(|active| active.campaign.id));
        let mut tasks = self.tasks(input, &sending, run).await;
        let since = |planned: &Planned<'_>| planned.active.campaign.planned_at;
        let planned = unfinished.into_iter().map(|one| (since(&one), Task::Plan(Box::new(one))));
        tasks.extend(planned);
        tasks.sort_by_key(|(since, _)| *since);
        let mut waiting: VecDeque<_> = tasks.into_iter().map(|(_, task)| task).collect();
        while let Some(task) = waiting.pop_front() {
            if !run.has_time() {
                tracing::info!(left = waiting.len() + 1, "the next run goes on");
                return;
            }
            let (part, subject) = (task.part(), task.subject());
            match self.turn_of(task, &sending, released, run.now).await {
                Ok(Some(rest)) => waiting.push_back(rest),
                Ok(None) => {}
                Err(error) => run.failures.note(part, subject, error),
            }
        }
    }

    /// The work that takes turns, with the time since when it waits.
    async fn tasks<'a>(
        &self,
        input: Option<&'a PlanInput>,
        sending: &BTreeSet<CampaignId>,
        run: &mut Run,
    ) -> Vec<(Option<Timestamp>, Task<'a>)> {
        let (table, now) = (&self.table, run.now);
        let mut tasks: Vec<(Option<Timestamp>, Task<'a>)> = Vec::new();
        let finishing = input.into_iter().flat_map(|input| input.finishing(sending, now));
        tasks.extend(finishing.map(|(id, over, since)| (since, Task::Finish(id, over))));
        let sweeps = campaign::store::each_open_sweep(table).await;
        let sweeps = run.failures.keep_each("sweep", sweeps).into_iter();
        tasks.extend(sweeps.map(|sweep| (sweep.worked_at, Task::Sweep(sweep))));
        let audits = campaign::store::due_audits(table, now, MAX_AUDITS).await;
        let audits = run.failures.keep_each("audit", audits).into_iter();
        tasks.extend(audits.map(|turn| (Some(turn.due_at), Task::Audit(turn))));
        let files =
            run.failures.keep_each("media", media::store::due(table, now).await).into_iter();
        tasks.extend(files.map(|file| (file.renew_at, Task::Media(Box::new(file)))));
        tasks
    }

    /// One turn of a task; returns it where there is more to do.
    async fn turn_of<'a>(
        &self,
        task: Task<'a>,
        sending: &BTreeSet<CampaignId>,
        released: &mut Released,
        now: Timestamp,
    ) -> Result<Option<Task<'a>>, WorkError> {
        match task {
            Task::Plan(planned) => {
                let rest = self.plan_turn(*planned, released, now).await?;
                Ok(rest.map(|planned| Task::Plan(Box::new(planned))))
            }
            Task::Finish(id, connection) => {
                let outcome = self.finish_turn(id, connection, now).await;
                if outcome.is_err() {
                    // It goes behind the others next time.
                    campaign::store::note_planned(&self.table, id, now).await?;
                }
                Ok(outcome?.then_some(Task::Finish(id, connection)))
            }
            Task::Sweep(sweep) => Ok(self.sweep_turn(sweep, now).await?.map(Task::Sweep)),
            Task::Audit(turn) => {
                let is_busy = sending.contains(&turn.campaign);
                self.audit_turn(turn, is_busy, now).await?;
                Ok(None)
            }
            Task::Media(file) => {
                self.renew_media(&file, now).await?;
                Ok(None)
            }
        }
    }
}

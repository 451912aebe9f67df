/// A rule of the protocol. The model is explored without each of them in turn: each must be
/// missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A claim fails unless the recipient is pending in that attempt.
    ClaimNeedsPending,
    /// A claim fails where the person has opted out.
    ClaimNeedsConsent,
    /// The first claim fails where the campaign has sent to the person.
    FirstClaimOncePerPerson,
    /// The claim of a retry fails where a contact was merged since it was prepared.
    RetryClaimSeesMerges,
    /// A claim is of the contact that the recipient's contact was merged into.
    ClaimFollowsMerge,
    /// A retry looks at the person's other recipient before its claim.
    RetryLooksAtOther,
    /// A recipient is skipped as a duplicate only while the other one is where it was read.
    SkipChecksOther,
    /// A skip fails unless the recipient is pending in that attempt.
    SkipNeedsPending,
    /// A cancellation fails unless the recipient is pending in that attempt.
    CancelNeedsPending,
    /// A run recognises only its own claim as won before.
    ClaimKnowsItsRun,
    /// A run gives back only its own claims.
    GiveBackOwnClaims,
    /// A claim that was given back is pending in a new attempt.
    GiveBackIsNewAttempt,
    /// A run gives back the claims that were won although it knows of no answer.
    GiveBackUnanswered,
    /// A claim that is too old is not sent.
    ClaimAge,
    /// A settlement is of the current attempt.
    SettleOwnAttempt,
    /// A settlement does not take an arrival back.
    SettleBeforeArrival,
    /// An answer does not take the place of a later status.
    AcceptedBelowReports,
    /// A status only advances.
    StatusAdvances,
    /// A report of an older attempt does not advance a newer one.
    ReportOfOwnAttempt,
    /// The arrival of an older attempt drops a retry that is not claimed.
    ArrivalDropsRetry,
    /// The arrival is recorded again where the recipient changed meanwhile.
    ArrivalIsRepeated,
    /// A claim whose run is gone is settled as unconfirmed, and not retried.
    LostClaimIsUnconfirmed,
    /// An attempt whose answer is lost is not retried.
    LostAnswerIsUnconfirmed,
    /// A recipient that is pending again is counted as a requeue.
    RequeueIsCounted,
    /// The count goes before the look at the campaign.
    RequeueGoesFirst,
    /// A recipient that is pending again in a campaign that is over is cancelled.
    OverIsCancelled,
    /// A repeated report of a failure counts a requeue, too.
    RepetitionRequeues,
    /// A campaign is completed only if nobody was requeued since the pass began.
    CompletionChecksRequeues,
    /// A campaign is completed only in the version that was read.
    CompletionChecksVersion,
    /// The requeues are read before the walk passes recipients.
    RequeuesReadBefore,
    /// A pass that made a batch does not exhaust the list.
    BatchExhaustsNothing,
    /// A pass beside a batch that goes before it does not exhaust the list.
    BeforeExhaustsNothing,
    /// A person's retry keeps the campaign from being completed for a while.
    RetryIsAnnounced,
    /// A person's retry fails unless the recipient is unconfirmed in that attempt.
    RetryNeedsUnconfirmed,
    /// A batch is leased to one run.
    OneLease,
    /// A batch is closed only by the run that holds its lease.
    CloseNeedsLease,
    /// The scheduler requeues batches without a message.
    BatchIsRequeued,
    /// The audit settles claims that no run will settle.
    AuditSettlesClaims,
    /// The audit cancels who is left behind by a campaign that is over.
    AuditCancelsLeftBehind,
    /// A merge unites the campaigns that were sent to.
    MergeUnitesCampaigns,
    /// A merge unites the opt-outs.
    MergeUnitesOptOuts,
    /// An opt-out that a refusal reports is stored before the attempt is settled.
    OptOutGoesFirst,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 42] = [
        Self::ClaimNeedsPending,
        Self::ClaimNeedsConsent,
        Self::FirstClaimOncePerPerson,
        Self::RetryClaimSeesMerges,
        Self::ClaimFollowsMerge,
        Self::RetryLooksAtOther,
        Self::SkipChecksOther,
        Self::SkipNeedsPending,
        Self::CancelNeedsPending,
        Self::ClaimKnowsItsRun,
        Self::GiveBackOwnClaims,
        Self::GiveBackIsNewAttempt,
        Self::GiveBackUnanswered,
        Self::ClaimAge,
        Self::SettleOwnAttempt,
        Self::SettleBeforeArrival,
        Self::AcceptedBelowReports,
        Self::StatusAdvances,
        Self::ReportOfOwnAttempt,
        Self::ArrivalDropsRetry,
        Self::ArrivalIsRepeated,
        Self::LostClaimIsUnconfirmed,
        Self::LostAnswerIsUnconfirmed,
        Self::RequeueIsCounted,
        Self::RequeueGoesFirst,
        Self::OverIsCancelled,
        Self::RepetitionRequeues,
        Self::CompletionChecksRequeues,
        Self::CompletionChecksVersion,
        Self::RequeuesReadBefore,
        Self::BatchExhaustsNothing,
        Self::BeforeExhaustsNothing,
        Self::RetryIsAnnounced,
        Self::RetryNeedsUnconfirmed,
        Self::OneLease,
        Self::CloseNeedsLease,
        Self::BatchIsRequeued,
        Self::AuditSettlesClaims,
        Self::AuditCancelsLeftBehind,
        Self::MergeUnitesCampaigns,
        Self::MergeUnitesOptOuts,
        Self::OptOutGoesFirst,
    ];
}

/// The rules that hold: all, or all but one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    removed: Option<Rule>,
}

impl Rules {
    /// All rules hold.
    pub const ALL: Self = Self { removed: None };

    /// All rules but one.
    pub const fn without(rule: Rule) -> Self {
        Self { removed: Some(rule) }
    }

    /// Whether a rule holds.
    pub fn hold(self, rule: Rule) -> bool {
        self.removed != Some(rule)
    }
}

//! The delivery plan of one message: which steps happen to it, and when.

use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Delay, Webhooks};
use crate::rng::Rng;

/// A step of a message that a webhook reports.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Status `sent`.
    Sent,
    /// Status `delivered`.
    Delivered,
    /// Status `read`.
    Read,
    /// Status `failed`.
    Failed,
    /// The user replied to the message.
    Reply,
}

impl Step {
    /// All steps, in the order of a message's life.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Delivered, Self::Read, Self::Failed, Self::Reply];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Reply => "reply",
        }
    }
}

/// A set of steps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Steps(u8);

impl Steps {
    pub(crate) fn insert(&mut self, step: Step) {
        self.0 |= 1 << step as u8;
    }

    pub(crate) fn contains(self, step: Step) -> bool {
        self.0 & 1 << step as u8 != 0
    }
}

/// Why the delivery of a template message waits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    QualityAssessment,
    Pause,
}

impl Hold {
    /// The `message_status` of the response.
    pub(crate) fn message_status(self) -> &'static str {
        match self {
            Self::QualityAssessment => "held_for_quality_assessment",
            Self::Pause => "paused",
        }
    }
}

/// When each step happens, in milliseconds after acceptance. `None`: never.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct DeliveryPlan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivered: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<u32>,
    /// The error code of the failure; 0 without a failure.
    #[serde(default)]
    pub(crate) code: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<Hold>,
}

/// What limits the plan of a message, whatever the draws are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Constraints {
    /// The message fails with this code.
    pub(crate) failure_code: Option<u32>,
    /// Meta holds only template messages.
    pub(crate) is_template: bool,
    /// A reaction has no status after `sent`.
    pub(crate) is_reaction: bool,
}

impl DeliveryPlan {
    pub(crate) fn draw(rng: &mut Rng, behaviour: &Behaviour, constraints: Constraints) -> Self {
        let draws = Draws::new(rng, behaviour);
        let hold = draws.hold().filter(|_| constraints.is_template);
        let dropped =
            (hold.is_some() && draws.dropped).then_some(behaviour.outcomes.held_dropped_code);
        let failed = draws.failed.then_some(draws.code);
        let sent = hold.map_or(0, |(_, delay)| delay).saturating_add(draws.sent);
        let plan = match constraints.failure_code.or(dropped).or(failed) {
            Some(code) => Self { failed: Some(sent), code, ..Self::default() },
            None => Self::sent(sent, &draws, constraints.is_reaction),
        };
        Self { hold: hold.map(|(hold, _)| hold), ..plan }
    }

    /// The plan of a held message that is dropped `after` its acceptance.
    pub(crate) fn dropped(self, after: u32, code: u32) -> Self {
        Self { failed: Some(after), code, hold: self.hold, ..Self::default() }
    }

    pub(crate) fn fails_with(&self, code: u32) -> bool {
        self.failed.is_some() && self.code == code
    }

    /// Whether the message is still held `after` its acceptance.
    pub(crate) fn is_held(self, after: u64) -> bool {
        let first_step = self.steps().map(|(_, at)| u64::from(at)).min();
        self.hold.is_some() && first_step.is_some_and(|at| at > after)
    }

    fn sent(sent: u32, draws: &Draws, is_reaction: bool) -> Self {
        let plan = Self { sent: Some(sent), ..Self::default() };
        match (is_reaction, draws.late_failure, draws.delivered) {
            (true, _, _) | (false, None, None) => plan,
            (false, Some(delay), _) => {
                Self { failed: Some(sent.saturating_add(delay)), code: draws.code, ..plan }
            }
            (false, None, Some(delay)) => plan.delivered(sent.saturating_add(delay), draws),
        }
    }

    fn delivered(self, delivered: u32, draws: &Draws) -> Self {
        let read = draws.read.map(|delay| delivered.saturating_add(delay));
        let reply = read.zip(draws.reply).map(|(read, delay)| read.saturating_add(delay));
        let has_delivered_status = read.is_none() || !draws.read_without_delivered;
        Self { delivered: has_delivered_status.then_some(delivered), read, reply, ..self }
    }

    pub(crate) fn at(&self, step: Step) -> Option<u32> {
        match step {
            Step::Sent => self.sent,
            Step::Delivered => self.delivered,
            Step::Read => self.read,
            Step::Failed => self.failed,
            Step::Reply => self.reply,
        }
    }

    /// The planned steps with their times.
    pub(crate) fn steps(self) -> impl Iterator<Item = (Step, u32)> {
        Step::ALL.into_iter().filter_map(move |step| self.at(step).map(|at| (step, at)))
    }
}

/// All random draws of one message. An `Option` is the delay of a step in
/// milliseconds, or `None` if the step does not happen.
///
/// Every value is drawn, used or not, so that a change of one share does not
/// change the other draws.
struct Draws {
    failed: bool,
    code: u32,
    sent: u32,
    delivered: Option<u32>,
    late_failure: Option<u32>,
    read: Option<u32>,
    read_without_delivered: bool,
    reply: Option<u32>,
    held: Option<u32>,
    dropped: bool,
    paused: Option<u32>,
}

impl Draws {
    fn new(rng: &mut Rng, behaviour: &Behaviour) -> Self {
        let (outcomes, delays) = (&behaviour.outcomes, &behaviour.delays);
        // The order of the fields is the order of the draws: a new one comes last.
        Self {
            failed: rng.chance(outcomes.failed),
            code: rng.choose(&outcomes.failure_codes).copied().unwrap_or(131_026),
            sent: rng.delay(delays.sent),
            delivered: draw_step(rng, 1.0 - outcomes.undelivered, delays.delivered),
            late_failure: draw_step(rng, outcomes.late_failure, delays.late_failure),
            read: draw_step(rng, outcomes.read, delays.read),
            read_without_delivered: rng.chance(outcomes.read_without_delivered),
            reply: draw_step(rng, outcomes.reply, delays.reply),
            held: draw_step(rng, outcomes.held, delays.held),
            dropped: rng.chance(outcomes.held_dropped),
            paused: draw_step(rng, outcomes.paused, delays.held),
        }
    }

    /// The hold and its delay.
    fn hold(&self) -> Option<(Hold, u32)> {
        let held = self.held.map(|delay| (Hold::QualityAssessment, delay));
        held.or(self.paused.map(|delay| (Hold::Pause, delay)))
    }
}

fn draw_step(rng: &mut Rng, probability: f64, delay: Delay) -> Option<u32> {
    let (happens, delay) = (rng.chance(probability), rng.delay(delay));
    happens.then_some(delay)
}

/// When the webhook reports a step, relative to the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WebhookTiming {
    pub(crate) delay_ms: u32,
    /// The time from the report to its duplicate, if it has one.
    pub(crate) duplicate_after_ms: Option<u32>,
}

impl WebhookTiming {
    pub(crate) fn draw(rng: &mut Rng, webhooks: &Webhooks) -> Self {
        let (reordered, duplicated) =
            (rng.chance(webhooks.reorder), rng.chance(webhooks.duplicate));
        let (delay, duplicate_after) =
            (rng.delay(webhooks.reorder_delay), rng.delay(webhooks.duplicate_delay));
        Self {
            delay_ms: if reordered { delay } else { 0 },
            duplicate_after_ms: duplicated.then_some(duplicate_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(behaviour: &Behaviour) -> Vec<DeliveryPlan> {
        (0..10_000)
            .map(|n| {
                let mut rng = Rng::new(3, "plan", &format!("1415555{n:04}"), 0);
                DeliveryPlan::draw(&mut rng, behaviour, Constraints::default())
            })
            .collect()
    }

    fn share(plans: &[DeliveryPlan], step: Step) -> f64 {
        plans.iter().filter(|plan| plan.at(step).is_some()).count() as f64 / plans.len() as f64
    }

    #[test]
    fn realistic_plans_follow_the_funnel() {
        let plans = plans(&Behaviour::realistic());
        assert!((share(&plans, Step::Failed) - 0.02).abs() < 0.005);
        assert!((share(&plans, Step::Delivered) - 0.96).abs() < 0.01);
        assert!((share(&plans, Step::Read) - 0.576).abs() < 0.02);
        assert!((share(&plans, Step::Reply) - 0.0864).abs() < 0.01);
    }

    #[test]
    fn changing_one_share_keeps_the_other_draws() {
        let mut replying = Behaviour::realistic();
        replying.outcomes.reply = 1.0;
        for (before, after) in plans(&Behaviour::realistic()).iter().zip(plans(&replying)) {
            assert_eq!((before.failed, before.read), (after.failed, after.read));
        }
    }

    #[test]
    fn a_required_failure_wins_and_a_reaction_is_only_sent() {
        let mut rng = Rng::new(1, "plan", "x", 0);
        let constraints = Constraints { failure_code: Some(131_050), ..Constraints::default() };
        let plan = DeliveryPlan::draw(&mut rng, &Behaviour::all_read(), constraints);
        assert_eq!((plan.failed.is_some(), plan.code, plan.sent), (true, 131_050, None));
        let constraints = Constraints { is_reaction: true, ..Constraints::default() };
        let plan = DeliveryPlan::draw(&mut rng, &Behaviour::all_read(), constraints);
        assert_eq!(plan.steps().map(|(step, _)| step).collect::<Vec<_>>(), [Step::Sent]);
    }

    #[test]
    fn a_message_can_be_read_without_a_delivered_status() {
        let mut behaviour = Behaviour::all_read();
        behaviour.outcomes.read_without_delivered = 1.0;
        let plans = plans(&behaviour);
        assert!(plans.iter().all(|plan| plan.read.is_some() && plan.delivered.is_none()));
    }

    #[test]
    fn a_late_failure_is_sent_and_never_delivered() {
        let mut behaviour = Behaviour::all_read();
        behaviour.outcomes.late_failure = 1.0;
        behaviour.delays.late_failure = Delay::fixed(60_000);
        let expected = DeliveryPlan {
            sent: Some(0),
            failed: Some(60_000),
            code: 131_026,
            ..DeliveryPlan::default()
        };
        assert!(plans(&behaviour).iter().all(|plan| *plan == expected));
    }

    #[test]
    fn a_dropped_held_message_fails_with_its_code() {
        let mut behaviour = Behaviour::all_read();
        (behaviour.outcomes.held, behaviour.outcomes.held_dropped) = (1.0, 1.0);
        let constraints = Constraints { is_template: true, ..Constraints::default() };
        let plan = DeliveryPlan::draw(&mut Rng::new(1, "plan", "x", 0), &behaviour, constraints);
        assert_eq!(
            (plan.hold, plan.code, plan.sent),
            (Some(Hold::QualityAssessment), 132_015, None)
        );
    }

    #[test]
    fn a_paused_message_is_held_until_its_release() {
        let mut behaviour = Behaviour::all_read();
        behaviour.outcomes.paused = 1.0;
        behaviour.delays.held = Delay::fixed(60_000);
        let constraints = Constraints { is_template: true, ..Constraints::default() };
        let plan = DeliveryPlan::draw(&mut Rng::new(1, "plan", "x", 0), &behaviour, constraints);
        assert_eq!((plan.hold, plan.sent), (Some(Hold::Pause), Some(60_000)));
        assert!(plan.is_held(59_999) && !plan.is_held(60_000));
        let dropped = plan.dropped(10, 132_015);
        assert_eq!((dropped.failed, dropped.sent, dropped.hold), (Some(10), None, plan.hold));
    }
}

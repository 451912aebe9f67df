//! What becomes of one message: drawn once, from its name alone.

use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Delay, Webhooks};
use crate::dice::Dice;

/// A step in a message's life that is told by webhook.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It left WhatsApp's servers.
    Sent,
    /// It reached the phone.
    Delivered,
    /// It was opened.
    Read,
    /// It will not arrive.
    Failed,
    /// The person answered it.
    Reply,
}

impl Step {
    /// All steps, in the order of a message's life.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Delivered, Self::Read, Self::Failed, Self::Reply];

    /// Meta's word for it.
    pub(crate) fn word(self) -> &'static str {
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

    pub(crate) fn has(self, step: Step) -> bool {
        self.0 & 1 << step as u8 != 0
    }
}

/// When each step happens, in milliseconds after acceptance.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Fate {
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
    /// Why it failed; 0 when it did not.
    #[serde(default)]
    pub(crate) code: u32,
    /// Whether the answer said `held_for_quality_assessment`.
    #[serde(default)]
    pub(crate) held: bool,
}

/// What is known of a message before its fate is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Omens {
    /// The code it must fail with.
    pub(crate) doom: Option<u32>,
    /// Templates can be held.
    pub(crate) template: bool,
    /// Reactions are only ever `sent`.
    pub(crate) reaction: bool,
}

impl Fate {
    pub(crate) fn draw(dice: &mut Dice, behaviour: &Behaviour, omens: Omens) -> Self {
        let rolls = Rolls::roll(dice, behaviour);
        let held = rolls.held.filter(|_| omens.template);
        let dropped =
            (held.is_some() && rolls.dropped).then_some(behaviour.outcomes.held_dropped_code);
        let failed = rolls.failed.then_some(rolls.code);
        let sent = held.unwrap_or(0).saturating_add(rolls.sent);
        let fate = match omens.doom.or(dropped).or(failed) {
            Some(code) => Self { failed: Some(sent), code, ..Self::default() },
            None => Self::going_out(sent, &rolls, omens.reaction),
        };
        Self { held: held.is_some(), ..fate }
    }

    fn going_out(sent: u32, rolls: &Rolls, reaction: bool) -> Self {
        let on_its_way = Self { sent: Some(sent), ..Self::default() };
        match (reaction, rolls.late_failure, rolls.delivered) {
            (true, _, _) | (false, None, None) => on_its_way,
            (false, Some(wait), _) => {
                Self { failed: Some(sent.saturating_add(wait)), code: rolls.code, ..on_its_way }
            }
            (false, None, Some(wait)) => on_its_way.arriving(sent.saturating_add(wait), rolls),
        }
    }

    fn arriving(self, delivered: u32, rolls: &Rolls) -> Self {
        let read = rolls.read.map(|wait| delivered.saturating_add(wait));
        let reply = read.zip(rolls.reply).map(|(read, wait)| read.saturating_add(wait));
        let is_told = read.is_none() || !rolls.skips_delivered;
        Self { delivered: is_told.then_some(delivered), read, reply, ..self }
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

    /// The steps that will happen, each with its time.
    pub(crate) fn steps(self) -> impl Iterator<Item = (Step, u32)> {
        Step::ALL.into_iter().filter_map(move |step| self.at(step).map(|at| (step, at)))
    }
}

/// All the dice of one message. Each is rolled whatever the others say, so that
/// changing one share leaves the other fates as they were. What happens only
/// sometimes is the wait for it, in milliseconds, or none.
struct Rolls {
    failed: bool,
    code: u32,
    sent: u32,
    delivered: Option<u32>,
    late_failure: Option<u32>,
    read: Option<u32>,
    skips_delivered: bool,
    reply: Option<u32>,
    held: Option<u32>,
    dropped: bool,
}

impl Rolls {
    fn roll(dice: &mut Dice, behaviour: &Behaviour) -> Self {
        let (outcomes, delays) = (&behaviour.outcomes, &behaviour.delays);
        Self {
            failed: dice.chance(outcomes.failed),
            code: dice.pick(&outcomes.failure_codes).copied().unwrap_or(131_026),
            sent: dice.wait(delays.sent),
            delivered: sometimes(dice, 1.0 - outcomes.undelivered, delays.delivered),
            late_failure: sometimes(dice, outcomes.late_failure, delays.late_failure),
            read: sometimes(dice, outcomes.read, delays.read),
            skips_delivered: dice.chance(outcomes.read_without_delivered),
            reply: sometimes(dice, outcomes.reply, delays.reply),
            held: sometimes(dice, outcomes.held, delays.held),
            dropped: dice.chance(outcomes.held_dropped),
        }
    }
}

fn sometimes(dice: &mut Dice, share: f64, delay: Delay) -> Option<u32> {
    let (happens, wait) = (dice.chance(share), dice.wait(delay));
    happens.then_some(wait)
}

/// How the report of one step is disturbed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Noise {
    /// How much later than the step it is reported.
    pub(crate) lag: u32,
    /// How much later it is reported once more.
    pub(crate) copy: Option<u32>,
}

impl Noise {
    pub(crate) fn draw(dice: &mut Dice, webhooks: &Webhooks) -> Self {
        let (reordered, duplicated) =
            (dice.chance(webhooks.reorder), dice.chance(webhooks.duplicate));
        let (lag, copy) = (dice.wait(webhooks.reorder_delay), dice.wait(webhooks.duplicate_delay));
        Self { lag: if reordered { lag } else { 0 }, copy: duplicated.then_some(copy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(behaviour: &Behaviour) -> Vec<Fate> {
        (0..10_000)
            .map(|n| {
                let mut dice = Dice::new(3, "fate", &format!("1415555{n:04}"), 0);
                Fate::draw(&mut dice, behaviour, Omens::default())
            })
            .collect()
    }

    fn share(fates: &[Fate], step: Step) -> f64 {
        fates.iter().filter(|fate| fate.at(step).is_some()).count() as f64 / fates.len() as f64
    }

    #[test]
    fn the_realistic_funnel_has_its_shares() {
        let fates = fates(&Behaviour::realistic());
        assert!((share(&fates, Step::Failed) - 0.02).abs() < 0.005);
        assert!((share(&fates, Step::Delivered) - 0.96).abs() < 0.01);
        assert!((share(&fates, Step::Read) - 0.576).abs() < 0.02);
        assert!((share(&fates, Step::Reply) - 0.0864).abs() < 0.01);
    }

    #[test]
    fn changing_one_share_leaves_other_fates_alone() {
        let mut chatty = Behaviour::realistic();
        chatty.outcomes.reply = 1.0;
        for (before, after) in fates(&Behaviour::realistic()).iter().zip(fates(&chatty)) {
            assert_eq!((before.failed, before.read), (after.failed, after.read));
        }
    }

    #[test]
    fn doom_comes_first_and_reactions_are_only_sent() {
        let mut dice = Dice::new(1, "fate", "x", 0);
        let omens = Omens { doom: Some(131_050), ..Omens::default() };
        let fate = Fate::draw(&mut dice, &Behaviour::perfect(), omens);
        assert_eq!((fate.failed.is_some(), fate.code, fate.sent), (true, 131_050, None));
        let omens = Omens { reaction: true, ..Omens::default() };
        let fate = Fate::draw(&mut dice, &Behaviour::perfect(), omens);
        assert_eq!(fate.steps().map(|(step, _)| step).collect::<Vec<_>>(), [Step::Sent]);
    }

    #[test]
    fn a_skipped_delivery_still_reads() {
        let mut behaviour = Behaviour::perfect();
        behaviour.outcomes.read_without_delivered = 1.0;
        let fates = fates(&behaviour);
        assert!(fates.iter().all(|fate| fate.read.is_some() && fate.delivered.is_none()));
    }

    #[test]
    fn a_late_failure_is_sent_and_never_arrives() {
        let mut behaviour = Behaviour::perfect();
        behaviour.outcomes.late_failure = 1.0;
        behaviour.delays.late_failure = Delay::fixed(60_000);
        let expected =
            Fate { sent: Some(0), failed: Some(60_000), code: 131_026, ..Fate::default() };
        assert!(fates(&behaviour).iter().all(|fate| *fate == expected));
    }

    #[test]
    fn a_dropped_hold_fails_with_its_code() {
        let mut behaviour = Behaviour::perfect();
        (behaviour.outcomes.held, behaviour.outcomes.held_dropped) = (1.0, 1.0);
        let omens = Omens { template: true, ..Omens::default() };
        let fate = Fate::draw(&mut Dice::new(1, "fate", "x", 0), &behaviour, omens);
        assert_eq!((fate.held, fate.code, fate.sent), (true, 132_015, None));
    }
}

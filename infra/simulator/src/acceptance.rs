//! What happens to a request to the messages paths.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Channel, Faults};
use crate::config::{Config, Number};
use crate::dice::Dice;
use crate::errors::ApiError;
use crate::fate::{Fate, Omens, Steps};
use crate::limits::Passage;
use crate::log::{self, Message};
use crate::people;
use crate::templates::Category;
use crate::validate::{self, Endpoint, Outgoing, Request, Rules};
use crate::world::{State, World};

/// What the sender hears.
#[derive(Debug)]
pub(crate) enum Receipt {
    Answer(Value),
    /// The message is accepted and the sender hears nothing.
    Lost,
}

impl World {
    pub(crate) fn receive(
        &self,
        number: &str,
        endpoint: Endpoint,
        body: &[u8],
    ) -> Result<Receipt, ApiError> {
        let now = self.now();
        let body = serde_json::from_slice(body);
        let mut state = self.state();
        state.log.requests += 1;
        let answer = body
            .map_err(|_| ApiError::with(100, "The request body is not valid JSON"))
            .and_then(|body| state.receive(&self.config, now, number, endpoint, &body));
        answer.inspect_err(|error| state.log.refuse(error.code))
    }
}

/// A valid message on its way through the gates.
struct Candidate {
    now: u64,
    number: (Arc<str>, Number),
    person: u32,
    outgoing: Outgoing,
}

impl State {
    fn receive(
        &mut self,
        config: &Config,
        now: u64,
        number: &str,
        endpoint: Endpoint,
        body: &Value,
    ) -> Result<Receipt, ApiError> {
        let number = self.number(config, "post", number)?;
        let rules = Rules {
            templates: &self.templates,
            strict_templates: config.strict_templates,
            seed: self.seed,
            rewrite_wa_ids: config.rewrite_wa_ids,
            now,
        };
        let Request::Message(outgoing) = validate::request(body, endpoint, &rules)? else {
            return Ok(Receipt::Answer(json!({ "success": true })));
        };
        let person = self.people.meet(&outgoing.addressee.key);
        let candidate = Candidate { now, number, person, outgoing: *outgoing };
        candidate.may_be_written_to(config)?;
        self.forced(person, Channel::Answer).map_or(Ok(()), |code| Err(ApiError::of(code)))?;
        self.keep_limits(&candidate)?;
        let answer_lost = self.suffer(person)?;
        self.accept(candidate, answer_lost)
    }

    /// The forced error of a person, used up once.
    fn forced(&mut self, person: u32, channel: Channel) -> Option<u32> {
        let person = self.people.get_mut(person);
        let forced = self.behaviour.faults.forced.get(&*person.key)?;
        if forced.channel != channel || forced.times.is_some_and(|times| person.forced >= times) {
            return None;
        }
        person.forced += 1;
        Some(forced.code)
    }

    fn keep_limits(&mut self, candidate: &Candidate) -> Result<(), ApiError> {
        let (number, state) = &candidate.number;
        let passage = Passage {
            now: candidate.now,
            number,
            throughput: state.throughput,
            person: candidate.person,
            opens: !self.people.get(candidate.person).window_is_open(candidate.now),
        };
        let Err(broken) = self.limiter.pass(&self.limits, &passage) else {
            return Ok(());
        };
        self.log.violate(broken.code);
        if self.limits.observe_only { Ok(()) } else { Err(broken) }
    }

    /// The faults of a request; tells whether its answer will be lost.
    fn suffer(&mut self, person: u32) -> Result<bool, ApiError> {
        let person = self.people.get_mut(person);
        let mut dice = Dice::new(self.seed, "request", &person.key, person.attempts);
        person.attempts += 1;
        let faults = &self.behaviour.faults;
        let (fails, refused) = (dice.chance(faults.server_error), dice.chance(faults.refused));
        let code = dice.pick(&faults.refusal_codes).copied();
        if fails {
            return Err(server_error(faults));
        }
        match code.filter(|_| refused) {
            Some(code) => Err(ApiError::of(code)),
            None => Ok(dice.chance(faults.lost_answer)),
        }
    }

    fn accept(&mut self, candidate: Candidate, answer_lost: bool) -> Result<Receipt, ApiError> {
        let fate = self.draw_fate(&candidate);
        let person = self.people.get(candidate.person);
        let message = Message {
            at: candidate.now,
            person: candidate.person,
            ordinal: person.accepted,
            to: Arc::clone(&person.key),
            number: Arc::clone(&candidate.number.0),
            opaque: candidate.outgoing.opaque,
            template: candidate.outgoing.template,
            category: candidate.outgoing.category,
            fate,
            told: Steps::default(),
            acknowledged: Steps::default(),
            answer_lost,
        };
        self.write_down(&message)?;
        self.people.get_mut(candidate.person).accepted += 1;
        let answer = json!({
            "messaging_product": "whatsapp",
            "contacts": [candidate.outgoing.addressee.contact()],
            "messages": [receipt(&message, self.seed)],
        });
        let number = self.log.push(message);
        self.schedule(number);
        Ok(if answer_lost { Receipt::Lost } else { Receipt::Answer(answer) })
    }

    fn draw_fate(&mut self, candidate: &Candidate) -> Fate {
        let behaviour = Arc::clone(&self.behaviour);
        let omens = Omens {
            doom: self.doom(candidate),
            template: candidate.outgoing.template.is_some(),
            reaction: candidate.outgoing.reaction,
        };
        let person = self.people.get(candidate.person);
        let mut dice = Dice::new(self.seed, "fate", &person.key, person.accepted);
        let fate = Fate::draw(&mut dice, &behaviour, omens);
        told_by(&behaviour, fate)
    }

    /// The code a message fails with after its acceptance, if it must.
    fn doom(&mut self, candidate: &Candidate) -> Option<u32> {
        let forced = self.forced(candidate.person, Channel::Webhook);
        let person = self.people.get(candidate.person);
        let category = candidate.outgoing.category;
        let stopped = person.stopped && category.is_marketing();
        let too_late = self.limits.service_window
            && category == Category::Service
            && !person.window_is_open(candidate.now);
        forced.or_else(|| stopped.then_some(131_050)).or_else(|| too_late.then_some(131_047))
    }

    fn write_down(&mut self, message: &Message) -> Result<(), ApiError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.append(&[log::accepted_line(message, self.seed)]).map_err(|error| {
            tracing::error!(%error, "the log file cannot be written");
            ApiError::of(131_000)
        })
    }
}

impl Candidate {
    fn may_be_written_to(&self, config: &Config) -> Result<(), ApiError> {
        let key = &self.outgoing.addressee.key;
        let own = people::digits(&self.number.1.display_phone_number);
        if own.as_ref() == Some(key) {
            return Err(ApiError::of(131_021));
        }
        let listed = |phone: &String| people::digits(phone).as_ref() == Some(key);
        let allowed = &config.allowed_recipients;
        if allowed.is_empty() || allowed.iter().any(listed) {
            return Ok(());
        }
        Err(ApiError::of(131_030))
    }
}

/// The fate, with nothing to tell when webhooks are off.
fn told_by(behaviour: &Behaviour, fate: Fate) -> Fate {
    if behaviour.webhooks.enabled {
        return fate;
    }
    Fate { held: fate.held, ..Fate::default() }
}

fn server_error(faults: &Faults) -> ApiError {
    let error = ApiError::of(faults.server_error_code);
    let status = error.status.max(500);
    error.with_status(status)
}

/// The `messages` item of the answer.
fn receipt(message: &Message, seed: u64) -> Value {
    let mut receipt = json!({ "id": message.wamid(seed) });
    if message.template.is_some() {
        let held = message.fate.held;
        let status = if held { "held_for_quality_assessment" } else { "accepted" };
        receipt["message_status"] = status.into();
    }
    receipt
}

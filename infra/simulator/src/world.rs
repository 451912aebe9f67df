//! Everything the simulator knows, behind one lock that is never held while waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::behaviour::Behaviour;
use crate::config::{Config, Limits, Number};
use crate::dice::Dice;
use crate::errors::ApiError;
use crate::fate::Noise;
use crate::ids;
use crate::limits::{Limiter, Passage};
use crate::log::{Journal, Line, Log, Message};
use crate::media::Media;
use crate::people::People;
use crate::queue::{Change, Event, News, Queue};
use crate::templates::{Template, Templates};

/// What stays as it is, and the state that does not.
pub(crate) struct World {
    pub(crate) config: Config,
    /// Where the simulator listens.
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    state: Mutex<State>,
}

impl World {
    pub(crate) fn new(config: Config, url: String) -> std::io::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.webhook_timeout_ms))
            .user_agent("facebookexternalua")
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        let state = Mutex::new(State::new(&config)?);
        Ok(Self { config, url, http, state })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let since = (self.config.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as u64
    }
}

/// Where webhooks go, and the token that proves it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) verify_token: String,
}

pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) limits: Limits,
    pub(crate) target: Option<Target>,
    pub(crate) numbers: BTreeMap<Arc<str>, Number>,
    pub(crate) templates: Templates,
    pub(crate) media: HashMap<String, Media>,
    pub(crate) people: People,
    pub(crate) limiter: Limiter,
    pub(crate) queue: Queue,
    pub(crate) log: Log,
    pub(crate) journal: Option<Journal>,
    /// Counts what needs an id of its own.
    pub(crate) serial: u64,
}

impl State {
    fn new(config: &Config) -> std::io::Result<Self> {
        let mut state = Self {
            seed: config.seed,
            behaviour: Arc::new(config.behaviour.clone()),
            limits: config.limits.clone(),
            target: config
                .webhook_url
                .clone()
                .map(|url| Target { url, verify_token: config.verify_token.clone() }),
            numbers: BTreeMap::new(),
            templates: Templates::default(),
            media: HashMap::new(),
            people: People::default(),
            limiter: Limiter::default(),
            queue: Queue::default(),
            log: Log::default(),
            journal: None,
            serial: 0,
        };
        config.numbers.iter().for_each(|number| state.add_number(number.clone()));
        for template in &config.templates {
            state.add_template(template.clone()).map_err(std::io::Error::other)?;
        }
        state.take_up(config)?;
        Ok(state)
    }

    pub(crate) fn add_number(&mut self, number: Number) {
        self.numbers.insert(number.id.as_str().into(), number);
    }

    pub(crate) fn add_template(&mut self, template: Value) -> Result<(), &'static str> {
        let template = Template::read(template, self.seed).ok_or("a template needs a name")?;
        self.templates.put(template);
        Ok(())
    }

    pub(crate) fn set_behaviour(&mut self, behaviour: Behaviour) {
        self.behaviour = Arc::new(behaviour);
        self.people.forget_forced_errors();
    }

    /// The id and the state of a number; unless told to be strict, it comes into
    /// being when it is first asked for.
    pub(crate) fn number(
        &mut self,
        config: &Config,
        verb: &str,
        id: &str,
    ) -> Result<(Arc<str>, Number), ApiError> {
        if !self.numbers.contains_key(id) {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            if config.strict_numbers || !is_id {
                return Err(ApiError::unknown_object(verb, id));
            }
            self.add_number(unheard_of(config, id));
        }
        let known = self.numbers.get_key_value(id);
        let (id, number) = known.ok_or_else(|| ApiError::unknown_object(verb, id))?;
        Ok((Arc::clone(id), number.clone()))
    }

    /// A number events can come from when none is named.
    pub(crate) fn some_number(&self, id: Option<&str>) -> Number {
        let named = id.and_then(|id| self.numbers.get(id));
        named.or_else(|| self.numbers.values().next()).cloned().unwrap_or_default()
    }

    /// Whether an account is known, or may be taken for known.
    pub(crate) fn account(&self, config: &Config, verb: &str, id: &str) -> Result<(), ApiError> {
        let has_number = self.numbers.values().any(|number| number.waba_id == id);
        if has_number || id == config.waba_id || !config.strict_numbers {
            return Ok(());
        }
        Err(ApiError::unknown_object(verb, id))
    }

    /// An id nothing else has.
    pub(crate) fn fresh_id(&mut self, kind: &str) -> String {
        self.serial += 1;
        ids::object(self.seed, kind, &self.serial.to_string())
    }

    /// Queues the webhooks of a message that are not acknowledged yet.
    pub(crate) fn schedule(&mut self, number: u32) {
        let message = self.log.get(number);
        for (step, after) in message.fate.steps() {
            if message.acknowledged.has(step) {
                continue;
            }
            let at = message.at + u64::from(after);
            let mut dice = Dice::new(self.seed, step.word(), &message.to, message.ordinal);
            let noise = Noise::draw(&mut dice, &self.behaviour.webhooks);
            let due = at + u64::from(noise.lag);
            let event = Event { at, tries: 0, news: News::Step { message: number, step } };
            if let Some(copy) = noise.copy {
                self.queue.push(due + u64::from(copy), event.clone());
            }
            self.queue.push(due, event);
        }
    }

    /// Queues a change that happened just now.
    pub(crate) fn announce(&mut self, at: u64, change: Change) {
        let event = Event { at, tries: 0, news: News::Change(Arc::new(change)) };
        self.queue.push(at, event);
    }

    /// Opens the log file and goes on from what it holds.
    fn take_up(&mut self, config: &Config) -> std::io::Result<()> {
        let Some(path) = &config.log_file else {
            return Ok(());
        };
        let (journal, lines) = Journal::open(path)?;
        for line in lines {
            self.replay(config, line);
        }
        (0..self.log.len() as u32).for_each(|message| self.schedule(message));
        self.journal = Some(journal);
        Ok(())
    }

    fn replay(&mut self, config: &Config, line: Line) {
        match line {
            Line::Acknowledged { message, step } => {
                if let Some(message) = self.log.find(message) {
                    message.told.insert(step);
                    message.acknowledged.insert(step);
                }
            }
            Line::Accepted(line) => {
                let Ok((number, _)) = self.number(config, "post", &line.phone_number_id) else {
                    return;
                };
                let person = self.people.meet(&line.to);
                let known = self.people.get_mut(person);
                known.accepted = known.accepted.max(line.ordinal + 1);
                known.attempts = known.accepted;
                let message = Message {
                    at: line.at_ms,
                    person,
                    ordinal: line.ordinal,
                    to: Arc::clone(&known.key),
                    number,
                    opaque: line.biz_opaque_callback_data.map(Into::into),
                    template: line.template.map(Into::into),
                    category: line.category,
                    fate: line.fate,
                    told: crate::fate::Steps::default(),
                    acknowledged: crate::fate::Steps::default(),
                    answer_lost: line.answer_lost,
                };
                self.count_again(&message);
                self.log.push(message);
            }
        }
    }

    /// Lets the limits know of a message that was accepted before the restart.
    fn count_again(&mut self, message: &Message) {
        let passage = Passage {
            now: message.at,
            number: &message.number,
            throughput: None,
            person: message.person,
            opens: true,
        };
        if let Err(broken) = self.limiter.pass(&self.limits, &passage) {
            tracing::debug!(code = broken.code, "a message of the log was over a limit");
        }
    }
}

fn unheard_of(config: &Config, id: &str) -> Number {
    let digits = Dice::new(config.seed, "number", id, 0).next() % 10_000_000;
    Number {
        id: id.into(),
        waba_id: config.waba_id.clone(),
        display_phone_number: format!("1555{digits:07}"),
        ..Number::default()
    }
}

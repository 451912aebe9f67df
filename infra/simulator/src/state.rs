//! The simulator's mutable state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::behaviour::{Behaviour, ForcedError};
use crate::config::{Config, Limits, Number};
use crate::delivery_plan::WebhookTiming;
use crate::errors::ApiError;
use crate::event_queue::{Change, Event, EventKind, EventQueue};
use crate::ids;
use crate::limiter::Limiter;
use crate::log::{Log, LogFile};
use crate::media::MediaStore;
use crate::numbering::Numbering;
use crate::rng::Rng;
use crate::templates::{Template, Templates};
use crate::user::Identity;
use crate::users::Users;
use crate::webhooks::identity::WebhookIdentity;

/// The webhook's URL, and the token of its verification request.
#[derive(Clone)]
pub(crate) struct WebhookTarget {
    pub(crate) url: String,
    pub(crate) verify_token: String,
}

pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) behaviour: Arc<Behaviour>,
    /// The forced errors by the address of the user.
    pub(crate) forced_errors: BTreeMap<String, ForcedError>,
    pub(crate) numbering: Numbering,
    pub(crate) limits: Limits,
    pub(crate) webhook_target: Option<WebhookTarget>,
    pub(crate) numbers: BTreeMap<Arc<str>, Number>,
    pub(crate) templates: Templates,
    pub(crate) media: MediaStore,
    pub(crate) inbound_media_ttl_ms: u64,
    pub(crate) users: Users,
    pub(crate) limiter: Limiter,
    pub(crate) event_queue: EventQueue,
    pub(crate) log: Log,
    pub(crate) log_file: Option<LogFile>,
    /// How many ids [`State::next_id`] has returned.
    id_count: u64,
}

impl State {
    pub(crate) fn new(config: &Config) -> std::io::Result<Self> {
        let webhook_target = config
            .webhook_url
            .clone()
            .map(|url| WebhookTarget { url, verify_token: config.verify_token.clone() });
        let mut state = Self {
            seed: config.seed,
            behaviour: Arc::default(),
            forced_errors: BTreeMap::new(),
            numbering: Numbering::new(config),
            limits: config.limits.clone(),
            webhook_target,
            numbers: BTreeMap::new(),
            templates: Templates::default(),
            media: MediaStore::default(),
            inbound_media_ttl_ms: config.inbound_media_ttl_ms,
            users: Users::new(config.seed),
            limiter: Limiter::default(),
            event_queue: EventQueue::default(),
            log: Log::default(),
            log_file: None,
            id_count: 0,
        };
        state.set_behaviour(config.behaviour.clone());
        config.numbers.iter().for_each(|number| state.add_number(number.clone()));
        for template in &config.templates {
            state.add_template(template.clone()).map_err(std::io::Error::other)?;
        }
        Ok(state)
    }

    pub(crate) fn add_number(&mut self, number: Number) {
        self.numbers.insert(number.id.as_str().into(), number);
    }

    pub(crate) fn add_template(&mut self, template: Value) -> Result<(), &'static str> {
        let template = Template::parse(template, self.seed).ok_or("a template needs a name")?;
        self.templates.insert(template);
        Ok(())
    }

    pub(crate) fn set_behaviour(&mut self, behaviour: Behaviour) {
        let forced = &behaviour.faults.forced;
        let by_address =
            |(name, error): (&String, &ForcedError)| (self.numbering.address(name), *error);
        self.forced_errors = forced.iter().map(by_address).collect();
        self.behaviour = Arc::new(behaviour);
        self.users.reset_forced_errors();
    }

    /// The number with this id. Creates an unknown number unless
    /// [`Config::strict_numbers`] is set.
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
            self.add_number(new_number(config, id));
        }
        let known = self.numbers.get_key_value(id);
        let (id, number) = known.ok_or_else(|| ApiError::unknown_object(verb, id))?;
        Ok((Arc::clone(id), number.clone()))
    }

    /// The number with this id; without an id, or if it is unknown, the first
    /// number.
    pub(crate) fn number_or_first(&self, id: Option<&str>) -> Number {
        let by_id = id.and_then(|id| self.numbers.get(id));
        by_id.or_else(|| self.numbers.values().next()).cloned().unwrap_or_default()
    }

    /// How webhooks identify a user who has this identity.
    pub(crate) fn webhook_identity<'a>(
        &self,
        user: u32,
        identity: &'a Identity,
    ) -> WebhookIdentity<'a> {
        WebhookIdentity::new(self.seed, self.users.get(user), identity, &self.behaviour.webhooks)
    }

    /// Refuses an account that is neither configured nor used by a number, if
    /// [`Config::strict_numbers`] is set.
    pub(crate) fn check_account(
        &self,
        config: &Config,
        verb: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let has_number = self.numbers.values().any(|number| number.waba_id == id);
        if has_number || id == config.waba_id || !config.strict_numbers {
            return Ok(());
        }
        Err(ApiError::unknown_object(verb, id))
    }

    /// A new unique object id.
    pub(crate) fn next_id(&mut self, kind: &str) -> String {
        self.id_count += 1;
        ids::object(self.seed, kind, &self.id_count.to_string())
    }

    /// Queues the webhook events of a message that are neither acknowledged nor lost.
    pub(crate) fn queue_steps(&mut self, index: u32) {
        let message = self.log.get(index);
        for (step, after) in message.plan.steps() {
            if message.acknowledged.contains(step) || message.lost.contains(step) {
                continue;
            }
            let at = message.accepted_at + u64::from(after);
            let mut rng = Rng::new(self.seed, step.as_str(), &message.to.key, message.ordinal);
            let timing = WebhookTiming::draw(&mut rng, &self.behaviour.webhooks);
            let due = at + u64::from(timing.delay_ms);
            let event = Event::new(at, EventKind::Step { message: index, step });
            if let Some(after) = timing.duplicate_after_ms {
                self.event_queue.push(due + u64::from(after), event.clone());
            }
            self.event_queue.push(due, event);
        }
    }

    /// Queues a webhook change that is due at `at`.
    pub(crate) fn queue_change(&mut self, at: u64, change: Change) {
        self.event_queue.push(at, Event::new(at, EventKind::Change(Arc::new(change))));
    }
}

fn new_number(config: &Config, id: &str) -> Number {
    let digits = Rng::new(config.seed, "number", id, 0).next() % 10_000_000;
    Number {
        id: id.into(),
        waba_id: config.waba_id.clone(),
        display_phone_number: format!("1555{digits:07}"),
        ..Number::default()
    }
}

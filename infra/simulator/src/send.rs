//! Processes send requests: validation, limits, faults, acceptance.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::behaviour::{Faults, ReportedBy};
use crate::config::{Config, Number};
use crate::delivery_plan::{Constraints, DeliveryPlan, Hold, Steps};
use crate::errors::ApiError;
use crate::limiter::SendAttempt;
use crate::log::{AcceptedLine, LogLine, Message};
use crate::north_america;
use crate::rng::Rng;
use crate::state::State;
use crate::templates::Category;
use crate::user::User;
use crate::validate::{self, Endpoint, OutgoingMessage, Request, ValidationContext};

/// The refusal of marketing messages "to maintain healthy ecosystem engagement".
const HEALTHY_ECOSYSTEM: u32 = 131_049;

/// The response to a successful request.
#[derive(Debug)]
pub(crate) enum SendResponse {
    Body(Value),
    /// The message is accepted, and the connection closes without a response.
    Lost,
}

/// A request to a message endpoint.
pub(crate) struct SendRequest<'a> {
    pub(crate) phone_number_id: &'a str,
    pub(crate) endpoint: Endpoint,
    pub(crate) body: &'a [u8],
}

impl App {
    pub(crate) fn send(&self, request: &SendRequest) -> Result<SendResponse, ApiError> {
        let now = self.now();
        let body = serde_json::from_slice(request.body);
        let mut state = self.state();
        state.log.requests += 1;
        let response = body
            .map_err(|_| ApiError::with_details(100, "The request body is not valid JSON"))
            .and_then(|body| state.send(&self.config, now, request, &body));
        response.inspect_err(|error| state.log.count_refusal(error.code))
    }
}

/// A message that passed validation.
struct ValidMessage {
    now: u64,
    phone_number_id: Arc<str>,
    number: Number,
    user: u32,
    content: OutgoingMessage,
}

impl State {
    fn send(
        &mut self,
        config: &Config,
        now: u64,
        request: &SendRequest,
        body: &Value,
    ) -> Result<SendResponse, ApiError> {
        let (phone_number_id, number) = self.number(config, "post", request.phone_number_id)?;
        let context = ValidationContext {
            templates: &self.templates,
            strict_templates: config.strict_templates,
            media: &self.media,
            strict_media: config.strict_media,
            numbering: &self.numbering,
            phone_number_id: &phone_number_id,
            business_number: &number.display_phone_number,
            now,
        };
        let content = match validate::request(body, request.endpoint, &context)? {
            Request::Message(content) => *content,
            Request::ReadReceipt => return Ok(SendResponse::Body(json!({ "success": true }))),
        };
        let user = self.users.find_or_create(&content.recipient.address);
        let message = ValidMessage { now, phone_number_id, number, user, content };
        let is_marketing = message.content.category.is_marketing();
        let response = self.accept_or_refuse(config, message);
        if let Err(error) = &response
            && error.code == HEALTHY_ECOSYSTEM
            && is_marketing
        {
            self.users.get_mut(user).hold_from_marketing(now);
        }
        response
    }

    fn accept_or_refuse(
        &mut self,
        config: &Config,
        message: ValidMessage,
    ) -> Result<SendResponse, ApiError> {
        self.check_recipient(config, &message)?;
        if let Some(code) = self.take_forced_error(message.user, ReportedBy::Response) {
            return Err(ApiError::new(code));
        }
        self.check_limits(&message)?;
        let response_lost = self.draw_request_faults(message.user)?;
        self.accept(config, message, response_lost)
    }

    fn check_recipient(&self, config: &Config, message: &ValidMessage) -> Result<(), ApiError> {
        let key = &*self.users.get(message.user).identity.key;
        let is_recipient = |phone: &String| self.numbering.address(phone) == key;
        if is_recipient(&message.number.display_phone_number) {
            return Err(ApiError::new(131_021));
        }
        let allowed = &config.allowed_recipients;
        if allowed.is_empty() || allowed.iter().any(is_recipient) {
            return Ok(());
        }
        Err(ApiError::new(131_030))
    }

    /// The user's forced error, if it is reported this way. Counts as one use.
    fn take_forced_error(&mut self, user: u32, reported_by: ReportedBy) -> Option<u32> {
        let user = self.users.get_mut(user);
        let error = self.forced_errors.get(&*user.identity.key)?;
        let is_used_up = error.times.is_some_and(|times| user.forced_errors >= times);
        if error.reported_by != reported_by || is_used_up {
            return None;
        }
        user.forced_errors += 1;
        Some(error.code)
    }

    fn check_limits(&mut self, message: &ValidMessage) -> Result<(), ApiError> {
        let user = self.users.get(message.user);
        let attempt = SendAttempt {
            now: message.now,
            phone_number_id: &message.phone_number_id,
            throughput: message.number.own_throughput(),
            user: message.user,
            outside_service_window: !user
                .has_open_service_window(&message.phone_number_id, message.now),
        };
        let Err(error) = self.limiter.try_acquire(&self.limits, &attempt) else {
            return Ok(());
        };
        self.log.count_violation(error.code);
        if self.limits.observe_only { Ok(()) } else { Err(error) }
    }

    /// Draws the faults of a request. Returns whether its response is lost.
    fn draw_request_faults(&mut self, user: u32) -> Result<bool, ApiError> {
        let user = self.users.get_mut(user);
        let mut rng = Rng::new(self.seed, "request", &user.identity.key, user.counts.attempts);
        user.counts.attempts += 1;
        let faults = &self.behaviour.faults;
        // All draws are made, used or not, so that a change of one share does not
        // change the others.
        let (server_error, refused) = (rng.chance(faults.server_error), rng.chance(faults.refused));
        let code = rng.choose(&faults.refusal_codes).copied();
        if server_error {
            return Err(server_error_of(faults));
        }
        match code.filter(|_| refused) {
            Some(code) => Err(ApiError::new(code)),
            None => Ok(rng.chance(faults.lost_response)),
        }
    }

    fn accept(
        &mut self,
        config: &Config,
        valid: ValidMessage,
        response_lost: bool,
    ) -> Result<SendResponse, ApiError> {
        let plan = self.draw_plan(config, &valid);
        let user = self.users.get(valid.user);
        let message = Message {
            accepted_at: valid.now,
            user: valid.user,
            ordinal: user.counts.accepted,
            to: Arc::clone(&user.identity),
            by_user_id: valid.content.recipient.is_user_id(),
            in_service_window: user.has_open_service_window(&valid.phone_number_id, valid.now),
            phone_number_id: valid.phone_number_id,
            callback_data: valid.content.callback_data,
            template: valid.content.template,
            category: valid.content.category,
            plan,
            reported: Steps::default(),
            acknowledged: Steps::default(),
            lost: Steps::default(),
            response_lost,
        };
        self.append_to_log_file(&message)?;
        let user = self.users.get_mut(valid.user);
        user.counts.accepted += 1;
        user.meet(&message.phone_number_id);
        if message.category.is_marketing() && message.plan.fails_with(HEALTHY_ECOSYSTEM) {
            user.hold_from_marketing(message.accepted_at);
        }
        let body = json!({
            "messaging_product": "whatsapp",
            "contacts": [valid.content.recipient.contact()],
            "messages": [response_item(&message, self.seed)],
        });
        let index = self.log.push(message);
        self.queue_steps(index);
        Ok(if response_lost { SendResponse::Lost } else { SendResponse::Body(body) })
    }

    fn draw_plan(&mut self, config: &Config, message: &ValidMessage) -> DeliveryPlan {
        let constraints = Constraints {
            failure_code: self.required_failure(config, message),
            is_template: message.content.template.is_some(),
            is_reaction: message.content.reaction,
        };
        let user = self.users.get(message.user);
        let mut rng = Rng::new(self.seed, "plan", &user.identity.key, user.counts.accepted);
        let plan = DeliveryPlan::draw(&mut rng, &self.behaviour, constraints);
        if self.behaviour.webhooks.enabled {
            return plan;
        }
        DeliveryPlan { hold: plan.hold, ..DeliveryPlan::default() }
    }

    /// The error code that the accepted message must fail with, if any.
    fn required_failure(&mut self, config: &Config, message: &ValidMessage) -> Option<u32> {
        let forced = self.take_forced_error(message.user, ReportedBy::Webhook);
        let user = self.users.get(message.user);
        let category = message.content.category;
        let unregistered = (!user.is_registered).then_some(131_026);
        let outside_window = self.limits.service_window
            && category == Category::Service
            && !user.has_open_service_window(&message.phone_number_id, message.now);
        let marketing = || marketing_failure(config, user, message.now);
        forced
            .or(unregistered)
            .or_else(|| marketing().filter(|_| category.is_marketing()))
            .or(outside_window.then_some(131_047))
    }

    fn append_to_log_file(&mut self, message: &Message) -> Result<(), ApiError> {
        let Some(log_file) = &mut self.log_file else {
            return Ok(());
        };
        let line = LogLine::Accepted(AcceptedLine::new(message, self.seed));
        log_file.append(&[line]).map_err(|error| {
            tracing::error!(%error, "the log file cannot be written");
            ApiError::new(131_000)
        })
    }
}

/// The error code that a marketing message to the user must fail with, if any.
fn marketing_failure(config: &Config, user: &User, now: u64) -> Option<u32> {
    if user.marketing_stopped {
        return Some(131_050);
    }
    let is_refused_by_country = config.refuse_us_marketing
        && user.identity.wa_id().is_some_and(north_america::is_united_states);
    (is_refused_by_country || user.is_held_from_marketing(now)).then_some(HEALTHY_ECOSYSTEM)
}

fn server_error_of(faults: &Faults) -> ApiError {
    let error = ApiError::new(faults.server_error_code);
    let status = error.status.max(500);
    error.with_status(status)
}

/// The `messages` item of the response.
fn response_item(message: &Message, seed: u64) -> Value {
    let mut item = json!({ "id": message.wamid(seed) });
    if message.template.is_some() {
        let status = message.plan.hold.map_or("accepted", Hold::message_status);
        item["message_status"] = status.into();
    }
    item
}

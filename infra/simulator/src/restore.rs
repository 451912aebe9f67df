//! Restores the state from the log file after a restart.

use std::sync::Arc;

use crate::config::Config;
use crate::delivery_plan::Steps;
use crate::limiter::SendAttempt;
use crate::log::{AcceptedLine, LogFile, LogLine, Message};
use crate::state::State;
use crate::templates::TemplateName;

impl State {
    /// Opens the log file, restores its messages and queues the events that are
    /// neither acknowledged nor lost. Does nothing without a log file. Changed phone
    /// numbers and customer service windows are not in the file.
    pub(crate) fn restore(&mut self, config: &Config) -> std::io::Result<()> {
        let Some(path) = &config.log_file else {
            return Ok(());
        };
        let (log_file, lines) = LogFile::open(path)?;
        for line in lines {
            match line {
                LogLine::Acknowledged { message, step } => {
                    self.log.restore_acknowledged(message, step);
                }
                LogLine::Lost { message, step } => self.log.restore_lost(message, step),
                LogLine::Replanned { message, plan } => self.log.restore_plan(message, plan),
                LogLine::Accepted(line) => self.restore_message(config, line),
            }
        }
        (0..self.log.len() as u32).for_each(|message| self.queue_steps(message));
        self.log_file = Some(log_file);
        Ok(())
    }

    fn restore_message(&mut self, config: &Config, line: AcceptedLine) {
        let Ok((phone_number_id, _)) = self.number(config, "post", &line.phone_number_id) else {
            return;
        };
        let index = self.users.find_or_create(&line.to);
        let user = self.users.get_mut(index);
        user.counts.accepted = user.counts.accepted.max(line.ordinal + 1);
        user.counts.attempts = user.counts.accepted;
        user.meet(&phone_number_id);
        let message = Message {
            accepted_at: line.at_ms,
            user: index,
            ordinal: line.ordinal,
            to: Arc::clone(&user.identity),
            by_user_id: line.by_user_id,
            phone_number_id,
            callback_data: line.biz_opaque_callback_data.map(Into::into),
            template: template_name(line.template, line.template_language),
            category: line.category,
            in_service_window: line.in_service_window,
            plan: line.plan,
            reported: Steps::default(),
            acknowledged: Steps::default(),
            lost: Steps::default(),
            response_lost: line.response_lost,
        };
        self.count_against_limits(&message);
        self.log.push(message);
    }

    fn count_against_limits(&mut self, message: &Message) {
        let attempt = SendAttempt {
            now: message.accepted_at,
            phone_number_id: &message.phone_number_id,
            throughput: None,
            user: message.user,
            outside_service_window: !message.in_service_window,
        };
        if let Err(error) = self.limiter.try_acquire(&self.limits, &attempt) {
            tracing::debug!(code = error.code, "a restored message exceeds a limit");
        }
    }
}

fn template_name(name: Option<String>, language: Option<String>) -> Option<Arc<TemplateName>> {
    let language = language.unwrap_or_default().into();
    name.map(|name| Arc::new(TemplateName { name: name.into(), language }))
}

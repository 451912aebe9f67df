//! Restores the state from the log file after a restart.

use std::sync::Arc;

use crate::config::Config;
use crate::delivery_plan::Steps;
use crate::limiter::SendAttempt;
use crate::log::{AcceptedLine, LogFile, LogLine, Message};
use crate::state::State;

impl State {
    /// Opens the log file, restores its messages and queues the events that are
    /// not acknowledged yet. Does nothing without a log file.
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
        let index = self.users.get_or_create(&line.to);
        let user = self.users.get_mut(index);
        user.accepted = user.accepted.max(line.ordinal + 1);
        user.attempts = user.accepted;
        let message = Message {
            accepted_at: line.at_ms,
            user: index,
            ordinal: line.ordinal,
            to: Arc::clone(&user.key),
            phone_number_id,
            callback_data: line.biz_opaque_callback_data.map(Into::into),
            template: line.template.map(Into::into),
            category: line.category,
            plan: line.plan,
            reported: Steps::default(),
            acknowledged: Steps::default(),
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
            outside_service_window: true,
        };
        if let Err(error) = self.limiter.try_acquire(&self.limits, &attempt) {
            tracing::debug!(code = error.code, "a restored message exceeds a limit");
        }
    }
}

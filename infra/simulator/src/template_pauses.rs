//! Templates that Meta pauses while it holds their messages.

use serde_json::json;

use crate::log::LogLine;
use crate::state::State;
use crate::templates::TemplateName;

impl State {
    /// Pauses a template, reports the pause and drops the held messages of the template.
    /// Returns whether there is such a template.
    pub(crate) fn pause_template(
        &mut self,
        now: u64,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> bool {
        let Some(template) = self.templates.pause(name, language) else {
            return false;
        };
        let mut change = template.status_change(waba_id.to_owned(), "PAUSED");
        change.value["other_info"] = json!({
            "title": "FIRST_PAUSE",
            "description": "Your WhatsApp message template has been paused due to recurring low quality.",
        });
        self.queue_change(now, change);
        self.drop_held_messages(
            now,
            &TemplateName { name: name.into(), language: language.into() },
        );
        true
    }

    fn drop_held_messages(&mut self, now: u64, template: &TemplateName) {
        let code = self.behaviour.outcomes.held_dropped_code;
        for index in self.log.held_messages(template, now) {
            let message = self.log.get(index);
            let after = now.saturating_sub(message.accepted_at) as u32;
            let plan = message.plan.dropped(after, code);
            self.event_queue.remove_steps(index);
            self.log.replan(index, plan);
            self.append_or_log(&[LogLine::Replanned { message: index, plan }]);
            self.queue_steps(index);
        }
    }
}

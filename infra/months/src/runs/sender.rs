use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use carillon::delivery::Sender;
use carillon_sender::handle;
use lambda_runtime::{Context, LambdaEvent};

use super::launcher::RunLauncher;
use crate::aws::QueueMessage;
use crate::fixture::Fixture;

/// The sender's time limit, as in `template.yaml`.
const LAMBDA_TIMEOUT: Duration = Duration::from_mins(5);
/// A sender run makes many requests, so it crashes more often than other runs.
const CRASH_RISK: u64 = 3;

/// Delivers messages of the queue to the senders.
#[derive(Default)]
pub(crate) struct SenderTrigger {
    /// The index of the sender that got the last message of each message group.
    last_senders: BTreeMap<String, usize>,
}

impl SenderTrigger {
    /// Delivers messages as a FIFO queue does, and at times one more, twice or out
    /// of order.
    pub(crate) fn deliver(&mut self, launcher: &mut RunLauncher, fixture: &Fixture) {
        let sender_count = fixture.senders.len() as u64;
        for message in fixture.queue.receive(fixture.clock.now(), usize::MAX) {
            let sender = fixture.rng.below(sender_count) as usize;
            self.deliver_to(sender, message, launcher, fixture);
        }
        let is_repeated = launcher.fault_rates.crashes > 0 && fixture.rng.chance(60);
        let random = fixture.rng.below(1000);
        if let Some(message) = fixture.queue.any_message(random).filter(|_| is_repeated) {
            let last = self.last_sender(&message.group).min(fixture.senders.len() - 1);
            let any = fixture.rng.below(sender_count) as usize;
            let sender = if message.is_hidden_at(fixture.clock.now()) { any } else { last };
            self.deliver_to(sender, message, launcher, fixture);
        }
    }

    /// A lane's pacer lives in one process: two batches of a lane at once only keep
    /// its speed if the same sender has both. A batch that is delivered twice may go to two
    /// senders: one of them has its lease.
    fn last_sender(&self, group: &str) -> usize {
        self.last_senders.get(group).copied().unwrap_or(0)
    }

    fn deliver_to(
        &mut self,
        sender: usize,
        message: QueueMessage,
        launcher: &mut RunLauncher,
        fixture: &Fixture,
    ) {
        self.last_senders.insert(message.group.clone(), sender);
        let Some(sender) = fixture.senders.get(sender).cloned() else { return };
        let queue = fixture.queue.clone();
        launcher.launch_with_risk(CRASH_RISK, async move {
            if is_handled(&sender, &message).await {
                queue.delete(message.id);
            } else {
                queue.make_visible(message.id);
            }
        });
    }
}

/// Invokes the sender as Lambda does. Returns whether the message is deleted.
pub(crate) async fn is_handled(sender: &Sender, message: &QueueMessage) -> bool {
    let mut context = Context::default();
    let deadline = (sender.clock.now() + LAMBDA_TIMEOUT).as_millisecond();
    context.deadline = u64::try_from(deadline).unwrap_or(0);
    let mut record = SqsMessage::default();
    record.message_id = Some(message.id.to_string());
    record.body = Some(message.body.clone());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    let response = handle(sender, LambdaEvent::new(event, context)).await;
    response.is_ok_and(|response| response.batch_item_failures.is_empty())
}

//! A month: time passes, functions run, things go wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use axum::body::Body;
use axum::http::Request;
use carillon::campaign::Status;
use carillon::channel::whatsapp_cloud::signature;
use carillon::delivery::Sender;
use carillon::recipient::Rung;
use jiff::SignedDuration;
use lambda_runtime::{Context, LambdaEvent};
use tower::ServiceExt;

use crate::crowd::{Crowd, End};
use crate::dice::Dice;
use crate::fate::Fate;
use crate::log::Course;
use crate::news::{News, What, body};
use crate::people::Office;
use crate::queue::Message;
use crate::stage::{APP_SECRET, Stage};
use crate::table::Broken;

/// How long a run may take, as `template.yaml` says of the sender.
const LAMBDA: Duration = Duration::from_mins(5);
/// What is left to a run that may be frozen.
const PATIENCE: Duration = Duration::from_hours(2);
/// How much likelier a sender is to die than the others: much happens in a run.
const SENDER_RISK: u64 = 3;
const DAYS: i64 = 30;
/// How many quiet days may follow until all is done.
const QUIET_DAYS: i64 = 90;

/// How rough a month is.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// In a thousand runs, how many die or freeze.
    crashes: u64,
    /// In a thousand requests to the engines, how many fail.
    faults: u64,
    /// In a thousand steps, how often a person does something.
    people: u64,
}

/// How the system is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Each run is a process of its own; nobody notices its end.
    Aws,
    /// All runs are one process, which recovers when it is started again.
    OneMachine,
}

/// A month under way.
pub(crate) struct Month {
    pub(crate) stage: Stage,
    pub(crate) office: Office,
    crowd: Crowd,
    weather: Weather,
    place: Place,
    senders: usize,
    /// How far the aggregator has come in the stream.
    counted: Arc<AtomicUsize>,
    counting: Arc<AtomicUsize>,
    /// Which sender each lane was given to last.
    lanes: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Month {
    /// The first morning.
    pub(crate) async fn begin(seed: u64) -> Result<Self, Broken> {
        let dice = Dice::new(seed);
        let rough = dice.below(4);
        let weather =
            Weather { crashes: rough * 40, faults: rough * 12, people: dice.between(10, 180) };
        let trouble = (dice.below(4) * 80, dice.below(4) * 25);
        let place = if dice.permille(500) { Place::Aws } else { Place::OneMachine };
        let senders = dice.between(1, 3) as usize;
        let stage = Stage::set(seed, dice, trouble, senders).await?;
        let office = Office::open(&stage).await?;
        stage.watch.catch_up()?;
        Ok(Self {
            stage,
            office,
            crowd: Crowd::default(),
            weather,
            place,
            senders,
            counted: Arc::default(),
            counting: Arc::default(),
            lanes: Arc::default(),
        })
    }

    /// Thirty days in this weather, and quiet ones until all is done.
    pub(crate) async fn live(&mut self) -> Result<(), Broken> {
        let end = self.stage.clock.now() + SignedDuration::from_hours(DAYS * 24);
        while self.stage.clock.now() < end {
            self.step().await?;
            if self.stage.watch.verdict().is_some() {
                return Ok(());
            }
        }
        self.calm_down();
        let end = self.stage.clock.now() + SignedDuration::from_hours(QUIET_DAYS * 24);
        while !self.is_done() && self.stage.clock.now() < end {
            self.office.resume_all(&self.stage).await?;
            self.step().await?;
            if self.stage.watch.verdict().is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn calm_down(&mut self) {
        self.weather = Weather { crashes: 0, faults: 0, people: 0 };
        self.stage.whatsapp.calm_down();
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        let known = self.stage.watch.known();
        let ended = |id| {
            known.campaign(id).is_some_and(|campaign| {
                matches!(campaign.status, Status::Completed | Status::Cancelled)
            })
        };
        let finished = self.office.campaigns.iter().all(|id| ended(*id));
        let waits = known.recipients.values().any(|one| {
            matches!(
                one.status,
                carillon::recipient::Status::Pending | carillon::recipient::Status::Sending
            )
        });
        let counted = self.counted.load(Ordering::Relaxed) == known.records.len();
        finished
            && !waits
            && counted
            && self.crowd.is_empty()
            && self.stage.whatsapp.outbox.is_empty()
    }

    async fn step(&mut self) -> Result<(), Broken> {
        let dice = self.stage.dice.clone();
        self.schedule(self.is_busy() || self.news_are_due());
        self.pass(dice.millis(100, 3_000)).await?;
        self.deliver();
        self.tell();
        self.count();
        if dice.permille(self.weather.people) {
            self.office.stir(&self.stage).await?;
        }
        // While somebody is frozen, the others have time to take over.
        let time = match (self.is_moving(), self.is_busy() || self.news_are_due()) {
            (true, _) => dice.millis(500, 40_000),
            (false, true) => dice.millis(5_000, 300_000),
            (false, false) => dice.millis(600_000, 24_000_000),
        };
        self.pass(time).await
    }

    /// Whether somebody is at work, or there is work on the queue.
    fn is_busy(&self) -> bool {
        !self.crowd.is_empty() || !self.stage.queue.is_empty()
    }

    /// Whether somebody goes on within half a minute.
    fn is_moving(&self) -> bool {
        let soon = self.stage.clock.now() + SignedDuration::from_secs(30);
        self.stage.clock.next_wake().is_some_and(|wake| wake <= soon)
    }

    /// Whether WhatsApp has something to tell within a minute.
    fn news_are_due(&self) -> bool {
        self.stage.whatsapp.outbox.is_due(self.stage.clock.now(), SignedDuration::from_secs(60))
    }

    async fn pass(&mut self, time: Duration) -> Result<(), Broken> {
        let end = self.crowd.pass(&self.stage.clock, time);
        self.stage.watch.catch_up()?;
        if end == End::Died && self.place == Place::OneMachine {
            self.restart().await?;
        }
        if self.weather.crashes > 0 && self.stage.dice.permille(4) {
            self.stage.queue.lose_all();
        }
        Ok(())
    }

    /// The one process died, and is started again.
    async fn restart(&mut self) -> Result<(), Broken> {
        self.crowd.kill();
        self.counting.store(0, Ordering::Relaxed);
        self.stage.queue.lose_all();
        self.stage.start_senders(self.senders)?;
        self.stage.scheduler.recover().await?;
        self.stage.watch.catch_up()
    }

    fn begin_run(&mut self, run: impl Future<Output = ()> + Send + 'static) {
        self.begin_risky(1, run);
    }

    /// Begins a run that is so many times as likely to die or freeze as others.
    fn begin_risky(&mut self, risk: u64, run: impl Future<Output = ()> + Send + 'static) {
        let Weather { crashes, faults, .. } = self.weather;
        let fate = Fate::cast(&self.stage.dice, crashes * risk, faults);
        let clock = self.stage.clock.clone();
        self.crowd.begin(fate, clock, PATIENCE, run);
    }

    fn schedule(&mut self, busy: bool) {
        let dice = self.stage.dice.clone();
        let times = match (busy, dice.below(100)) {
            (true, 15..) => 0,
            (_, 0..8) => 2,
            (_, _) => 1,
        };
        for _ in 0..times {
            let scheduler = self.stage.scheduler.clone();
            self.begin_run(async move {
                // What failed is done by the next run.
                let _ = scheduler.run(scheduler.clock.now()).await;
            });
        }
    }

    /// Gives messages of the queue to senders: mostly as a FIFO queue does, and
    /// at times twice, or out of order.
    fn deliver(&mut self) {
        let now = self.stage.clock.now();
        for message in self.stage.queue.receive(now) {
            let sender = self.stage.dice.below(self.stage.senders.len() as u64) as usize;
            self.send(message, sender);
        }
        let repeats = self.weather.crashes > 0 && self.stage.dice.permille(60);
        let any = self.stage.dice.below(1000);
        if let Some(message) = self.stage.queue.peek(any).filter(|_| repeats) {
            let sender = self.sender_of(&message.group);
            self.send(message, sender);
        }
    }

    /// The sender that has a lane: two batches of one lane at once only keep the
    /// lane's pace within one process.
    fn sender_of(&self, group: &str) -> usize {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = lanes.iter().find(|(lane, _)| lane == group);
        found.map_or(0, |(_, sender)| *sender).min(self.stage.senders.len() - 1)
    }

    fn send(&mut self, message: Message, number: usize) {
        {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.retain(|(lane, _)| *lane != message.group);
            lanes.push((message.group.clone(), number));
        }
        let Some(sender) = self.stage.senders.get(number).cloned() else { return };
        let queue = self.stage.queue.clone();
        self.begin_risky(SENDER_RISK, async move {
            if handle(&sender, &message).await {
                queue.delete(message.id);
            } else {
                queue.show(message.id);
            }
        });
    }

    /// Tells what is due by webhook; what isn't stored is told again.
    fn tell(&mut self) {
        let now = self.stage.clock.now();
        while self.stage.dice.permille(850) {
            let most = self.stage.dice.between(1, 6) as usize;
            let news = self.stage.whatsapp.outbox.take(now, most);
            if news.is_empty() {
                return;
            }
            self.tell_all(news);
        }
    }

    fn tell_all(&mut self, news: Vec<News>) {
        let whatsapp = self.stage.whatsapp.clone();
        for one in news.iter().filter(|one| matches!(one.what, What::Failed(_))) {
            if let Some(entry) = whatsapp.log().entry(one.message) {
                (entry.course, entry.known_failed) = (Course::Failed, true);
            }
        }
        let again = self.stage.clock.now() + self.stage.dice.millis(10_000, 600_000);
        // Meta puts it back when the answer is not 200, and when none comes.
        let mut unstored = Unstored { news, again, whatsapp };
        let router = self.stage.webhook.clone();
        self.begin_run(async move {
            let raw = body(&unstored.news);
            let signed = signature::sign(&APP_SECRET.into(), &raw);
            let request = Request::post("/webhooks/whatsapp")
                .header(signature::HEADER, signed)
                .body(Body::from(raw));
            let Ok(request) = request else { return };
            if let Ok(answer) = router.oneshot(request).await
                && answer.status().is_success()
            {
                unstored.is_stored();
            }
        });
    }

    /// Gives the aggregator the next records, and at times some of the last again.
    fn count(&mut self) {
        let dice = self.stage.dice.clone();
        if !dice.permille(600) || (self.counting.load(Ordering::Relaxed) > 0 && dice.permille(950))
        {
            return;
        }
        let upto = self.counted.load(Ordering::Relaxed);
        let back = if dice.permille(200) { dice.between(1, 30) as usize } else { 0 };
        let records = {
            let known = self.stage.watch.known();
            let end = (upto + dice.between(5, 120) as usize).min(known.records.len());
            known.records[upto.saturating_sub(back)..end].to_vec()
        };
        if records.is_empty() {
            return;
        }
        let reached = upto.saturating_sub(back) + records.len();
        let (aggregator, counted) = (self.stage.aggregator.clone(), self.counted.clone());
        let guard = Counting::begin(&self.counting);
        self.begin_run(async move {
            let mut event = Event::default();
            event.records = records;
            let event = LambdaEvent::new(event, Context::default());
            if aggregator.handle(event).await.is_ok() {
                counted.fetch_max(reached, Ordering::Relaxed);
            }
            drop(guard);
        });
    }
}

/// Handles a message as Lambda would; whether it may be taken off the queue.
async fn handle(sender: &Sender, message: &Message) -> bool {
    let mut context = Context::default();
    let deadline = (sender.clock.now() + LAMBDA).as_millisecond();
    context.deadline = u64::try_from(deadline).unwrap_or(0);
    let mut record = SqsMessage::default();
    record.message_id = Some(message.id.to_string());
    record.body = Some(message.body.clone());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    let answer = carillon_sender::handle(sender, LambdaEvent::new(event, context)).await;
    answer.is_ok_and(|answer| answer.batch_item_failures.is_empty())
}

/// Counts the aggregator's runs under way.
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let less = |count: usize| Some(count.saturating_sub(1));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// News that go back to the outbox unless they are stored.
struct Unstored {
    news: Vec<News>,
    again: carillon::time::Timestamp,
    whatsapp: Arc<crate::whatsapp::WhatsApp>,
}

impl Unstored {
    fn is_stored(&mut self) {
        for News { callback, what, at, .. } in self.news.drain(..) {
            let rung = match what {
                What::Rung(rung) => rung,
                What::Failed(_) => Rung::Failed,
                What::Reply => {
                    self.whatsapp.log().note_reply(callback.contact, at);
                    continue;
                }
                What::Stop => continue,
            };
            let whom = (callback.campaign, callback.contact);
            self.whatsapp.log().tell(whom, callback.attempt, rung);
        }
    }
}

impl Drop for Unstored {
    fn drop(&mut self) {
        self.whatsapp.outbox.put_back(std::mem::take(&mut self.news), self.again);
    }
}

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use carillon::time::Clock;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::super::client::{Client, RETRY_PAUSE};
use super::people::{Act, Done, Group, Lines, csv_of};

/// How long an act waits at most, once its moment in the campaign has come.
const MAX_DELAY_MS: u64 = 300;
const POLL: Duration = Duration::from_millis(10);

/// A running campaign, as the acts see it.
pub(super) struct Scene {
    pub(super) client: Client,
    pub(super) campaign: String,
    /// The number of messages that the simulator had accepted before.
    pub(super) first: u64,
    /// The number of recipients in the campaign's file.
    pub(super) imported: u64,
    /// The number of the campaign's messages that the simulator has accepted.
    pub(super) sent: AtomicU64,
    /// Whether nobody is pending any more: the acts that are left need not wait.
    pub(super) over: AtomicBool,
    /// Requests of acts that are being answered.
    pub(super) in_flight: AtomicU64,
    /// Requests of acts that a kill left without an answer.
    pub(super) unanswered: AtomicU64,
    /// Erasures that were answered 409.
    pub(super) conflicts: AtomicU64,
}

impl Scene {
    pub(super) fn new(client: Client, campaign: String, first: u64, imported: u64) -> Self {
        Self {
            client,
            campaign,
            first,
            imported,
            sent: AtomicU64::new(0),
            over: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        }
    }

    /// Performs a group's acts at random moments of the campaign.
    pub(super) async fn perform(&self, mut group: Group, mut rng: StdRng) -> Group {
        // Some recipients get no message: most moments come before the last message.
        let last = self.imported * 4 / 5;
        let mut moments: Vec<u64> = group.acts.iter().map(|_| rng.random_range(0..last)).collect();
        moments.sort_unstable();
        for (act, moment) in group.acts.iter().zip(moments) {
            while self.sent.load(Ordering::Relaxed) < moment && !self.over.load(Ordering::Relaxed) {
                tokio::time::sleep(POLL).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..MAX_DELAY_MS))).await;
            let asked = now();
            let mut covers = [false, false];
            match act {
                Act::Merge => self.merge(&mut group, rng.random()).await,
                Act::Split | Act::SplitAndUpload => self.split(&mut group).await,
                Act::Erase(side) => covers = self.erase(&group, *side).await,
            }
            group.done.push(Done { act: *act, asked, answered: now(), covers });
            if *act == Act::SplitAndUpload && self.upload(&group.addresses[1]).await {
                group.recipients[1] = Some(group.holders[1].clone());
            }
        }
        group
    }

    async fn merge(&self, group: &mut Group, reverse: bool) {
        let [one, other] = &group.holders;
        let (one, other) = if reverse { (other, one) } else { (one, other) };
        let (path, body) = (format!("/v1/contacts/{one}/merge"), json!({"contact_id": other}));
        let merged = loop {
            match self.post(&path, &body).await {
                Some((200, contact)) => break id(&contact),
                Some((500.., _)) | None => tokio::time::sleep(RETRY_PAUSE).await,
                Some((status, answer)) => panic!("merge: {status} {answer}"),
            }
        };
        group.holders = [merged.clone(), merged];
    }

    async fn split(&self, group: &mut Group) {
        let side = group.split_side();
        let (moved, kept) = (&group.addresses[side], &group.addresses[1 - side]);
        let path = format!("/v1/contacts/{}/split", group.holders[0]);
        let body = json!({"addresses": [moved]});
        let new = loop {
            match self.post(&path, &body).await {
                Some((201, contact)) => break id(&contact),
                Some((500.., _)) | None => tokio::time::sleep(RETRY_PAUSE).await,
                // An earlier request was successful, but its answer was lost.
                Some((400..500, answer)) => {
                    let (Some(old), Some(new)) = (self.find(kept).await, self.find(moved).await)
                    else {
                        continue;
                    };
                    assert_ne!(old, new, "split: {answer}");
                    break new;
                }
                Some((status, answer)) => panic!("split: {status} {answer}"),
            }
        };
        group.holders[side] = new;
    }

    /// The contact that an address leads to; `None` if the program is down.
    async fn find(&self, address: &str) -> Option<String> {
        let found = self.post("/v1/contacts/search", &json!({"address": address})).await;
        let (_, found) = found.filter(|(status, _)| *status == 200)?;
        Some(id(&found["items"][0]))
    }

    /// Erases the contact of a side; returns which sides had it.
    async fn erase(&self, group: &Group, side: usize) -> [bool; 2] {
        let contact = &group.holders[side];
        let path = format!("/v1/contacts/{contact}/erase");
        loop {
            match self.post(&path, &json!({})).await {
                Some((200, _)) => break,
                Some((409, _)) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Some((500.., _)) | None => tokio::time::sleep(RETRY_PAUSE).await,
                Some((status, answer)) => panic!("erase: {status} {answer}"),
            }
        }
        let has = |holder: &String| holder == contact;
        [has(&group.holders[0]), has(&group.holders[1]) && group.lines != Lines::Phone]
    }

    /// Uploads a line; `false` where the campaign is over.
    async fn upload(&self, address: &str) -> bool {
        loop {
            match self.client.upload(&self.campaign, &csv_of(address)).await {
                Some(200) => return true,
                Some(400..500) => return false,
                _ => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = self.client.post(path, body).await;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.unanswered.fetch_add(u64::from(answer.is_none()), Ordering::Relaxed);
        answer
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Clock::system().now().as_millisecond()
}

fn id(contact: &Value) -> String {
    contact["id"].as_str().expect("an id").to_owned()
}

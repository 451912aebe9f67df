use std::collections::{BTreeMap, HashMap};

use carillon::time::Timestamp;
use serde_json::{Value, json};
use whatsapp_simulator::LogEntry;

use super::people::{Act, Done, Group, Lines};

/// The time within which a claimed message reaches the simulator.
const MAX_IN_FLIGHT_MS: i64 = 5_000;

/// A recipient as the API shows it, and its message in the simulator's log.
struct Recipient {
    side: usize,
    contact: String,
    status: String,
    skip_reason: Option<String>,
    has_columns: bool,
    has_address: bool,
    names_message: bool,
    attempt: u64,
    /// When its last attempt was claimed.
    claimed: Option<i64>,
    message: Option<Message>,
}

/// An accepted message.
struct Message {
    user: String,
    accepted: i64,
}

/// The outcome of a campaign.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) recipients: u64,
    pub(super) messages: u64,
    pub(super) by_status: BTreeMap<String, u64>,
    /// Acts by name and by what had been sent to the group before.
    pub(super) acts: BTreeMap<(&'static str, &'static str), u64>,
    /// People who got two messages because both were claimed before they were merged.
    pub(super) merged_too_late: u64,
    /// People who got two messages because they were split before.
    pub(super) split_before: u64,
    pub(super) violations: Vec<String>,
}

/// A time in which two contacts are known to be one person.
struct Period {
    from: i64,
    until: i64,
}

/// Compares the campaign's recipients with the simulator's log and the groups' acts.
pub(super) fn check(recipients: &[Value], log: &[LogEntry], groups: &[Group]) -> Outcome {
    let mut outcome = Outcome { recipients: recipients.len() as u64, ..Outcome::default() };
    for recipient in recipients {
        let status = text(recipient, "status").expect("a status");
        *outcome.by_status.entry(status).or_default() += 1;
    }
    let mut messages = messages(log, &mut outcome);
    let by_contact: HashMap<String, &Value> =
        recipients.iter().map(|one| (text(one, "contact_id").expect("a contact"), one)).collect();
    let expected: usize =
        groups.iter().map(|group| group.recipients.iter().flatten().count()).sum();
    if expected != recipients.len() || by_contact.len() != recipients.len() {
        outcome.violations.push(format!("{} recipients, not {expected}", recipients.len()));
    }
    for group in groups {
        let mut found = Vec::new();
        for (side, contact) in group.recipients.iter().enumerate() {
            let Some(contact) = contact else { continue };
            let Some(value) = by_contact.get(contact) else {
                outcome.violations.push(format!("{contact} is not in the campaign"));
                continue;
            };
            found.push(Recipient::read(side, value, messages.remove(contact)));
        }
        count_acts(group, &found, &mut outcome);
        check_group(group, &found, &mut outcome);
    }
    for contact in messages.keys() {
        outcome.violations.push(format!("a message for {contact}, who is not in the file"));
    }
    outcome
}

/// The messages by the contact of their recipient.
fn messages(log: &[LogEntry], outcome: &mut Outcome) -> HashMap<String, Message> {
    let mut messages = HashMap::new();
    for entry in log {
        outcome.messages += 1;
        let callback = entry.biz_opaque_callback_data.as_deref().unwrap_or_default();
        let contact = callback.rsplit('|').next().unwrap_or_default().to_owned();
        let user = entry.user_id.clone().unwrap_or_else(|| entry.to.clone());
        let message = Message { user, accepted: entry.at_ms as i64 };
        if messages.insert(contact.clone(), message).is_some() {
            outcome.violations.push(format!("two messages for the recipient {contact}"));
        }
    }
    messages
}

impl Recipient {
    fn read(side: usize, value: &Value, message: Option<Message>) -> Self {
        let message_id = text(value, "message_id");
        let claimed = text(value, "sent_at").map(|at| at.parse::<Timestamp>().expect("a time"));
        Self {
            side,
            contact: text(value, "contact_id").expect("a contact"),
            status: text(value, "status").expect("a status"),
            skip_reason: text(value, "skip_reason"),
            has_columns: value["columns"].as_object().is_some_and(|columns| !columns.is_empty()),
            has_address: value["address"].is_string(),
            names_message: message_id.is_some_and(|id| id.starts_with("wamid")),
            attempt: value["attempt"].as_u64().expect("an attempt"),
            claimed: claimed.map(Timestamp::as_millisecond),
            message,
        }
    }

    /// When the campaign first tried to send to it; the earliest moment, where only a later
    /// attempt is known.
    fn first_claimed(&self) -> Option<i64> {
        if self.attempt > 1 { Some(0) } else { self.claimed }
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn count_acts(group: &Group, recipients: &[Recipient], outcome: &mut Outcome) {
    for done in &group.done {
        let claimed = |one: &&Recipient| one.claimed.is_some_and(|at| at <= done.asked);
        let before = match recipients.iter().filter(claimed).count() {
            0 => "before a message",
            all if all == recipients.len() => "after the messages",
            _ => "between two messages",
        };
        *outcome.acts.entry((done.act.name(), before)).or_default() += 1;
    }
}

fn check_group(group: &Group, recipients: &[Recipient], outcome: &mut Outcome) {
    let mut found = Vec::new();
    for recipient in recipients {
        found.extend(check_twice(group, recipient, recipients, outcome).map(str::to_owned));
        found.extend(check_lost(group, recipient, recipients));
        found.extend(check_erased(group, recipient).map(str::to_owned));
        found.extend(check_user(group, recipient).map(str::to_owned));
    }
    let story = || {
        let acts = group
            .done
            .iter()
            .map(|done| format!("{:?} {}..{}", done.act, done.asked, done.answered));
        let state = recipients.iter().map(|one| {
            let accepted = one.message.as_ref().map(|message| message.accepted);
            let Recipient { side, contact, status, attempt, claimed, .. } = one;
            let reason = one.skip_reason.as_deref().unwrap_or_default();
            format!("side {side} {contact} {status} {reason} attempt {attempt} claimed {claimed:?} accepted {accepted:?}")
        });
        acts.chain(state).collect::<Vec<_>>().join("\n    ")
    };
    outcome.violations.extend(found.into_iter().map(|what| format!("{what}\n    {}", story())));
}

/// When the sides are surely one person: from the answer to a merge to the request for a split.
fn surely_one(group: &Group) -> Vec<Period> {
    periods(group, group.starts_as_one(), |done| done.answered, |done| done.asked)
}

/// When the sides may be one person: from the request for a merge to the answer to a split.
/// The webhooks of one person tell that both addresses are theirs, until a split.
fn perhaps_one(group: &Group) -> Vec<Period> {
    let from_start = group.lines != Lines::Strangers;
    periods(group, from_start, |done| done.asked, |done| done.answered)
}

fn periods(
    group: &Group,
    from_start: bool,
    merged: impl Fn(&Done) -> i64,
    split: impl Fn(&Done) -> i64,
) -> Vec<Period> {
    let mut periods = Vec::new();
    let mut one_since = from_start.then_some(0);
    for done in &group.done {
        match done.act {
            Act::Merge => one_since = one_since.or(Some(merged(done))),
            Act::Split | Act::SplitAndUpload => {
                let until = split(done);
                periods.extend(one_since.take().map(|from| Period { from, until }));
            }
            Act::Erase(_) => {}
        }
    }
    periods.extend(one_since.map(|from| Period { from, until: i64::MAX }));
    periods
}

/// Whether the recipient got a message although another one of the same person had one.
fn check_twice(
    group: &Group,
    recipient: &Recipient,
    recipients: &[Recipient],
    outcome: &mut Outcome,
) -> Option<&'static str> {
    let (message, claimed) = (recipient.message.as_ref()?, recipient.claimed?);
    let first = recipients.iter().find(|other| {
        let is_before = (other.claimed, other.side) < (recipient.claimed, recipient.side);
        is_before && other.message.is_some()
    })?;
    let first_claimed = first.claimed?;
    for Period { from, until } in surely_one(group) {
        let is_late = claimed > from || message.accepted > from.saturating_add(MAX_IN_FLIGHT_MS);
        if is_late && first_claimed < until {
            return Some("a person got two messages");
        }
    }
    if group.lines != Lines::Strangers {
        let split = group.done.iter().find(|done| done.is_split());
        let was_split = split.is_some_and(|split| split.asked <= claimed);
        let count =
            if was_split { &mut outcome.split_before } else { &mut outcome.merged_too_late };
        *count += 1;
    } else if message.user == first.message.as_ref()?.user {
        return Some("a stranger got the message of another one");
    }
    None
}

/// Whether the recipient was neither sent to nor left out for a good reason.
fn check_lost(group: &Group, recipient: &Recipient, recipients: &[Recipient]) -> Option<String> {
    let is_sent = recipient.message.is_some();
    let found = match (recipient.status.as_str(), recipient.skip_reason.as_deref()) {
        ("sent" | "delivered" | "read", _) => is_sent,
        ("unconfirmed", _) => !is_sent,
        ("skipped", Some("duplicate_person")) => {
            let others = recipients.iter().filter(|other| other.side != recipient.side);
            let mut claims = others.filter_map(Recipient::first_claimed);
            let ended = perhaps_one(group).into_iter().map(|one| one.until).max();
            !is_sent && claims.any(|claimed| ended.is_some_and(|until| claimed <= until))
        }
        ("skipped", Some("erased" | "blacklisted")) => !is_sent && may_be_erased(group, recipient),
        _ => false,
    };
    (!found).then(|| "a recipient is lost".to_owned())
}

/// Whether an erasure may have found the recipient: a webhook may have merged the lines of one
/// person before, or the API afterwards.
fn may_be_erased(group: &Group, recipient: &Recipient) -> bool {
    let stays_one = group.lines == Lines::PersonTwice && !group.done.iter().any(Done::is_split);
    let covers =
        |done: &Done| done.covers[recipient.side] || (stays_one && done.covers != [false; 2]);
    group.done.iter().any(covers)
}

/// Whether an erased person was sent to or something is left of them.
fn check_erased(group: &Group, recipient: &Recipient) -> Option<&'static str> {
    let Some(at) = group.done.iter().position(|done| done.covers[recipient.side]) else {
        let erasable = may_be_erased(group, recipient) || recipient.has_columns;
        return quiet_since(group).and_then(|since| sent_after(recipient, since)).or_else(|| {
            (!erasable).then_some("the columns of a person who was not erased are gone")
        });
    };
    let erased = &group.done[at];
    if let Some(message) = &recipient.message
        && message.accepted > erased.answered
    {
        return Some("a message after the erasure");
    }
    if let Some(found) = sent_after(recipient, erased.answered) {
        return Some(found);
    }
    if recipient.has_columns || recipient.names_message {
        return Some("an erased recipient has columns or a message id");
    }
    // A contact that is merged later has its own address.
    let is_last = !group.done[at..].iter().any(|done| done.act == Act::Merge);
    (is_last && recipient.has_address).then_some("an erased recipient has an address")
}

/// Since when both sides are suppressed: a side that was erased was merged with the other.
fn quiet_since(group: &Group) -> Option<i64> {
    let erased = group.done.iter().position(|done| matches!(done.act, Act::Erase(_)))?;
    let merged = group.done[erased..].iter().find(|done| done.act == Act::Merge)?;
    Some(merged.answered)
}

fn sent_after(recipient: &Recipient, since: i64) -> Option<&'static str> {
    (recipient.claimed? > since && recipient.attempt > 0).then_some("a claim after the suppression")
}

/// Whether a message went to another user than the one of its line.
fn check_user(group: &Group, recipient: &Recipient) -> Option<&'static str> {
    let message = recipient.message.as_ref()?;
    let claimed = recipient.claimed?;
    let perhaps_others =
        perhaps_one(group).iter().any(|Period { from, until }| (*from..=*until).contains(&claimed));
    let user = &group.users[recipient.side];
    let is_right = message.user == *user || (perhaps_others && group.users.contains(&message.user));
    (!is_right).then_some("a message went to another person")
}

/// The counts of a report that differ from a recount of the recipients.
pub(super) fn differences(report: &Value, recipients: &[Value]) -> Vec<String> {
    let count = |statuses: &[&str]| {
        let with = |one: &&Value| one["status"].as_str().is_some_and(|own| statuses.contains(&own));
        recipients.iter().filter(with).count() as u64
    };
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    for reason in recipients.iter().filter_map(|one| text(one, "skip_reason")) {
        *skipped.entry(reason).or_default() += 1;
    }
    let recount = json!({
        "recipients": recipients.len(),
        "pending": count(&["pending"]),
        "sending": count(&["sending"]),
        "sent": count(&["sent", "delivered", "read", "replied"]),
        "received": count(&["delivered", "read", "replied"]),
        "read": count(&["read", "replied"]),
        "replied": count(&["replied"]),
        "closed": count(&["closed"]),
        "failed": count(&["failed"]),
        "skipped": count(&["skipped"]),
        "unconfirmed": count(&["unconfirmed"]),
        "cancelled": count(&["cancelled"]),
        "skipped_by_reason": skipped,
    });
    let counts = recount.as_object().expect("an object");
    let differing = counts.iter().filter(|(name, value)| report[*name] != **value);
    differing
        .map(|(name, value)| format!("{name}: {} counted, {value} found", report[name]))
        .collect()
}

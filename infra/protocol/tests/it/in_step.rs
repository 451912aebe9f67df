//! The model's conditional writes and the product's, side by side: for every combination of states
//! that matter, both write the same, or both nothing.

use std::collections::{BTreeMap, BTreeSet};

use carillon_channel::event::Choice;
use carillon_engines::{Engines, Storage};
use carillon_foundations::aws::AwsConfig;
use carillon_foundations::ids::{CampaignId, ContactId, IdSource, RunId};
use carillon_nouns::batch::{self, BatchRef, BatchStatus, Lease as ProductLease};
use carillon_nouns::campaign::{self, Requeues, Status as CampaignStatus};
use carillon_nouns::contact;
use carillon_nouns::contact::merge::merge;
use carillon_nouns::contact::store::{ClaimOf, claim_update, record_preference};
use carillon_nouns::recipient::store as product;
use carillon_nouns::recipient::{
    BatchNumber, CancelReason, Recipient as Stored, RecipientKey, RecipientSet, Settlement,
    SkipReason, Status, Transition,
};
use carillon_protocol::Rules;
use carillon_protocol::product::{any_batch, any_campaign, decision, event};
use carillon_protocol::state::{
    Batch, Campaign, Contact, Decided, Kind, Lease, Members, Recipient, Upload, Walk,
};
use carillon_table::{StoreError, Table, Update, condition_held, ensure_table};
use jiff::{SignedDuration, Timestamp};

const RULES: Rules = Rules::ALL;
/// The slots of the run that writes, and of another one.
const RUN: usize = 0;
const OTHER: usize = 1;
/// The attempt of a recipient, and those that a change is meant for.
const ATTEMPT: u8 = 2;
const MEANT: [u8; 3] = [1, 2, 3];

fn now() -> Timestamp {
    Timestamp::constant(1_000_000_000, 123_000_000)
}

/// When the run claims, and when another one does.
fn claimed_at(run: usize) -> Timestamp {
    now() + SignedDuration::from_secs(run as i64)
}

/// An embedded table.
struct Fixture {
    table: Table,
    ids: IdSource,
    _engines: Engines,
}

impl Fixture {
    async fn new() -> Self {
        let engines = Engines::start(Storage::Temporary).expect("the engines start");
        let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
        let table = Table::new(&aws, "carillon");
        ensure_table(&table).await.expect("a table");
        Self { table, ids: IdSource::seeded(1), _engines: engines }
    }

    fn campaign(&self) -> CampaignId {
        CampaignId::from_uuid(self.ids.uuid(now()))
    }

    fn contact(&self) -> ContactId {
        ContactId::from_uuid(self.ids.uuid(now()))
    }

    async fn held(&self, update: Update) -> bool {
        condition_held(self.table.update(update).await).expect("the table answers")
    }
}

/// A change of a recipient that is conditional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Claim,
    Accepted,
    Settle(Decided),
    Lost,
    GiveBack,
    Skip,
    Cancel,
    GoBeforeWalk,
    Retry,
    Record(Kind),
}

const CHANGES: [Change; 16] = [
    Change::Claim,
    Change::Accepted,
    Change::Settle(Decided::Retry { counts: true, is_deferred: false }),
    Change::Settle(Decided::Retry { counts: false, is_deferred: false }),
    Change::Settle(Decided::Retry { counts: true, is_deferred: true }),
    Change::Settle(Decided::Fail),
    Change::Settle(Decided::Skip),
    Change::Settle(Decided::Unconfirmed),
    Change::Lost,
    Change::GiveBack,
    Change::Skip,
    Change::Cancel,
    Change::GoBeforeWalk,
    Change::Retry,
    Change::Record(Kind::Sent),
    Change::Record(Kind::Delivered),
];

/// What the model writes.
fn by_model(change: Change, found: Recipient, attempt: u8) -> Option<Recipient> {
    match change {
        Change::Claim => found.claim(attempt, (RUN, 0), RULES),
        Change::Accepted => found.settle_accepted(attempt, RULES),
        Change::Settle(decided) => found.settle(attempt, decided, RULES),
        Change::Lost => found.settle_lost(attempt, RULES),
        Change::GiveBack => found.give_back(attempt, RUN, RULES),
        Change::Skip => found.skip(attempt, RULES),
        Change::Cancel => found.cancel(attempt, RULES),
        Change::GoBeforeWalk => found.go_before_walk(attempt),
        Change::Retry => found.retry(attempt, RULES),
        Change::Record(kind) => {
            let event = event(attempt, kind);
            found.advance(event, RULES).or_else(|| match found.transition(event) {
                Transition::DropRetry | Transition::Restore => found.restore(found.seen(), event),
                Transition::Advance | Transition::KeepTime | Transition::Ignore => None,
            })
        }
    }
}

/// What the product writes.
async fn by_product(
    table: &Table,
    change: Change,
    (key, found): (&RecipientKey, &Stored),
    attempt: u32,
) -> Result<(), StoreError> {
    let batch: BatchNumber = "2026-11-21#1".parse().expect("a batch");
    let run = carillon_protocol::product::run(RUN);
    match change {
        Change::Claim => {
            let claim = product::claim_update(key, attempt, (batch, run), now());
            condition_held(table.update(claim).await).map(drop)
        }
        Change::Accepted => product::settle_accepted(table, key, attempt, "id", None).await,
        Change::Settle(decided) => {
            let decision = decision(decided);
            let settlement = Settlement { decision, code: None, at: now(), spent: None };
            product::settle(table, key, attempt, &settlement).await.map(drop)
        }
        Change::Lost => product::settle_lost(table, key, attempt, now()).await,
        Change::GiveBack => {
            product::give_back(table, key, attempt, claimed_at(RUN), None).await.map(drop)
        }
        Change::Skip => {
            let reason = SkipReason::DuplicatePerson;
            product::skip(table, key, attempt, reason, None).await.map(drop)
        }
        Change::Cancel => {
            product::cancel(table, key, attempt, CancelReason::CampaignOver).await.map(drop)
        }
        Change::GoBeforeWalk => product::go_before_walk(table, key, attempt, now()).await,
        Change::Retry => {
            let seen = Stored { attempt, ..found.clone() };
            condition_held(table.update(product::retry_update(key, &seen, now())).await).map(drop)
        }
        Change::Record(kind) => {
            let event = event(attempt as u8, kind);
            product::record(table, key, event, now(), None).await.map(drop)
        }
    }
}

/// A recipient in a status, claimed by a run; one that is pending goes before the walk.
fn recipient(status: Status, attempt: u8, run: usize) -> Recipient {
    let is_listed = status == Status::Pending;
    Recipient { status, attempt, is_listed, run: Some(run), ..Recipient::PENDING }
}

fn stored(model: Recipient, contact: ContactId, run: usize) -> Stored {
    Stored {
        status: model.status,
        rank: model.status.rank(),
        attempt: model.attempt.into(),
        uncounted: model.uncounted.into(),
        run: Some(carillon_protocol::product::run(run)),
        sent_at: Some(claimed_at(run)),
        ..Stored::pending(contact, BTreeMap::new(), now())
    }
}

/// Whom a test compares: the attempt, the status, what does not count, whether it goes before
/// the walk, and whether it waits.
type Compared = (u32, Status, u32, bool, bool);

fn expected(model: Recipient) -> Compared {
    let is_pending = model.status == Status::Pending;
    let is_listed = model.is_listed && is_pending;
    let is_deferred = model.is_deferred && is_pending;
    (model.attempt.into(), model.status, model.uncounted.into(), is_listed, is_deferred)
}

#[tokio::test]
async fn the_writes_of_recipients() {
    let fixture = Fixture::new().await;
    let mut compared = 0;
    for change in CHANGES {
        let of = RecipientSet { campaign: fixture.campaign(), shards: 1 };
        let mut cases = Vec::new();
        for status in Status::ALL {
            for run in [RUN, OTHER] {
                if run == OTHER && change != Change::GiveBack {
                    continue;
                }
                for meant in MEANT {
                    let contact = fixture.contact();
                    let (model, key) = (recipient(status, ATTEMPT, run), of.key(contact));
                    let found = stored(model, contact, run);
                    product::add(&fixture.table, &key, &found, true).await.expect("added");
                    by_product(&fixture.table, change, (&key, &found), meant.into())
                        .await
                        .expect("the table answers");
                    let after = by_model(change, model, meant).unwrap_or(model);
                    cases.push((key, expected(after), (status, run, meant)));
                }
            }
        }
        let later = now() + SignedDuration::from_hours(1_000);
        let listed = product::before_walk(&fixture.table, of.campaign, later, 1_000).await;
        let listed: BTreeSet<ContactId> =
            listed.expect("a list").into_iter().map(|one| one.expect("readable")).collect();
        for (key, expected, case) in cases {
            let found = product::get(&fixture.table, &key).await.expect("read").expect("stored");
            let is_listed = listed.contains(&key.contact);
            let is_deferred = found.status == Status::Pending
                && found.not_before.is_some_and(|at| at > carillon_protocol::product::BEFORE);
            let found = (found.attempt, found.status, found.uncounted, is_listed, is_deferred);
            assert_eq!(found, expected, "{change:?} of {case:?}");
            compared += 1;
        }
    }
    println!("{compared} writes of recipients are in step");
}

#[tokio::test]
async fn the_claims_and_merges_of_contacts() {
    let fixture = Fixture::new().await;
    let both = [false, true];
    for (has_opted_out, was_sent) in both.into_iter().flat_map(|one| both.map(|two| (one, two))) {
        let model = Contact { has_opted_out, was_sent };
        for is_first in both {
            let campaign = fixture.campaign();
            let contact = store(&fixture, model, campaign).await;
            let of = if is_first { ClaimOf::First(campaign) } else { ClaimOf::Retry };
            let claim = claim_update(contact, of, now(), now());
            let won = fixture.held(claim).await;
            let after = model.claim(is_first, RULES);
            assert_eq!(won, after.is_some(), "{model:?} {is_first}");
            assert_eq!(read(&fixture, contact, campaign).await, after.unwrap_or(model));
        }
        for (opted_out, sent) in both.into_iter().flat_map(|one| both.map(|two| (one, two))) {
            let loser = Contact { has_opted_out: opted_out, was_sent: sent };
            let campaign = fixture.campaign();
            let one = store(&fixture, model, campaign).await;
            let other = store(&fixture, loser, campaign).await;
            let survivor = merge(&fixture.table, one, other).await.expect("merged");
            let merged = read(&fixture, survivor.expect("one person"), campaign).await;
            assert_eq!(merged, model.merged_with(loser, RULES), "{model:?} {loser:?}");
            let left = if survivor == Some(one) { other } else { one };
            let claim = claim_update(left, ClaimOf::Retry, now(), now());
            assert!(!fixture.held(claim).await, "who was merged is not claimed");
            let seen = contact::store::current(&fixture.table, left).await.expect("read").profile;
            let id = survivor.expect("one person");
            let claim = || claim_update(id, ClaimOf::Retry, now(), now());
            let before = contact::store::while_merged_are(claim(), &BTreeSet::new());
            assert!(!fixture.held(before).await, "a retry sees the merge");
            let since = contact::store::while_merged_are(claim(), &seen.merged);
            assert_eq!(fixture.held(since).await, !(has_opted_out || opted_out));
        }
    }
}

async fn store(fixture: &Fixture, model: Contact, campaign: CampaignId) -> ContactId {
    let (contact, before) = (fixture.contact(), now() - SignedDuration::from_hours(1));
    if model.was_sent {
        let claim = claim_update(contact, ClaimOf::First(campaign), before, before);
        assert!(fixture.held(claim).await);
    }
    if model.has_opted_out {
        let stored = record_preference(&fixture.table, contact, Choice::Stop, before).await;
        stored.expect("the table answers");
    }
    contact
}

async fn read(fixture: &Fixture, contact: ContactId, campaign: CampaignId) -> Contact {
    let profile = contact::store::get(&fixture.table, contact).await.expect("read");
    let profile = profile.unwrap_or_default();
    Contact {
        has_opted_out: profile.suppression().is_some(),
        was_sent: profile.sent_campaigns.contains(&campaign),
    }
}

/// A change of a batch that is conditional.
#[derive(Debug, Clone, Copy)]
enum BatchChange {
    Lease,
    BreakLease,
    Close,
}

#[tokio::test]
async fn the_leases_of_batches() {
    let fixture = Fixture::new().await;
    let leases = [
        Lease::Free,
        Lease::Held(OTHER),
        Lease::Held(RUN),
        Lease::Expired(Some(OTHER)),
        Lease::Expired(Some(RUN)),
    ];
    for change in [BatchChange::Lease, BatchChange::BreakLease, BatchChange::Close] {
        for (lease, is_open) in leases.into_iter().flat_map(|one| [(one, true), (one, false)]) {
            // A run leases a batch once.
            if matches!((change, lease), (BatchChange::Lease, Lease::Held(RUN))) {
                continue;
            }
            let name = BatchRef { campaign: fixture.campaign(), ..any_batch().name };
            write_batch(&fixture, name, lease, is_open).await;
            let members = Members::Range(None, 0);
            let model = Batch { members, lease, is_queued: true, is_open, runs: 0 };
            let after = match change {
                BatchChange::Lease => model.lease(RUN, RULES),
                BatchChange::BreakLease => model.break_lease(RUN),
                BatchChange::Close => model.close(RUN, RULES),
            };
            change_batch(&fixture, name, change).await;
            let found = batch::store::get(&fixture.table, &name).await.expect("read");
            let found = found.expect("stored");
            let expected = after.unwrap_or(model);
            let holder = found.lease.map(|lease| lease.run);
            let is_found_open = found.status == BatchStatus::Open;
            let case = format!("{change:?} {lease:?} {is_open}");
            assert_eq!(
                (holder, is_found_open),
                (holder_of(expected.lease), expected.is_open),
                "{case}"
            );
        }
    }
}

fn holder_of(lease: Lease) -> Option<RunId> {
    match lease {
        Lease::Free | Lease::Expired(None) => None,
        Lease::Held(run) | Lease::Expired(Some(run)) => Some(carillon_protocol::product::run(run)),
    }
}

async fn write_batch(fixture: &Fixture, name: BatchRef, lease: Lease, is_open: bool) {
    let stored = batch::Batch { name, ..any_batch() };
    fixture.table.write(batch::store::creation(&stored).expect("a write")).await.expect("stored");
    if let Some(run) = holder_of(lease) {
        let is_held = matches!(lease, Lease::Held(_));
        let hours = SignedDuration::from_hours(if is_held { 1 } else { -1 });
        let lease = ProductLease { run, until: now() + hours };
        let past = now() - SignedDuration::from_hours(2);
        batch::store::lease(&fixture.table, &name, lease, past).await.expect("leased");
    }
    if !is_open {
        let done = Update::of(&batch_key(name)).set("status", BatchStatus::Done);
        fixture.table.update(done).await.expect("done");
    }
}

fn batch_key(BatchRef { campaign, date, number }: BatchRef) -> carillon_table::Key {
    carillon_table::Key::Batch { campaign, date, number }
}

async fn change_batch(fixture: &Fixture, name: BatchRef, change: BatchChange) {
    let run = carillon_protocol::product::run(RUN);
    let table = &fixture.table;
    match change {
        BatchChange::Lease => {
            let lease = ProductLease { run, until: now() + SignedDuration::from_hours(1) };
            batch::store::lease(table, &name, lease, now()).await.expect("the table answers");
        }
        BatchChange::BreakLease => {
            batch::store::break_lease(table, &name, Some(run)).await.expect("the table answers");
        }
        BatchChange::Close => {
            let stored = batch::Batch { name, ..any_batch() };
            let closed = batch::store::leased_update(&stored, run)
                .set("status", BatchStatus::Done)
                .remove("lease");
            fixture.held(closed).await;
        }
    }
}

#[tokio::test]
async fn the_writes_of_campaigns() {
    let fixture = Fixture::new().await;
    for status in CampaignStatus::ALL {
        for (requeues, of_walk) in [(0, 0), (1, 1), (1, 0), (2, 1)] {
            let id = fixture.campaign();
            let mut stored = campaign::Campaign { id, status, ..any_campaign() };
            stored.walk.requeues = Requeues { retried: of_walk, uploaded: 0 };
            let table = &fixture.table;
            campaign::store::create(table, &stored).await.expect("created");
            for _ in 0..requeues {
                let goes_on = campaign::store::requeue(table, id).await.expect("counted");
                assert_eq!(goes_on, !status.is_final());
            }
            let walk = Walk { requeues: of_walk as u8, ..Walk::default() };
            let upload = Upload::None;
            let model = Campaign { status, walk, requeues, upload, has_sweep: false };
            let completed = campaign::store::complete(table, &stored, now()).await.expect("asked");
            assert_eq!(
                completed,
                model.complete(RULES).is_some(),
                "{status:?} {requeues} {of_walk}"
            );
            let stale = campaign::store::complete(table, &stored, now()).await.expect("asked");
            assert!(!stale || !completed, "in the version that was read");
        }
        let id = fixture.campaign();
        let stored = campaign::Campaign { id, status, ..any_campaign() };
        campaign::store::create(&fixture.table, &stored).await.expect("created");
        let announced = campaign::store::announce_upload(&fixture.table, id, now()).await;
        let (walk, upload) = (Walk::default(), Upload::None);
        let model = Campaign { status, walk, requeues: 0, upload, has_sweep: false };
        assert_eq!(announced.is_ok(), model.announce().is_some(), "{status:?}");
    }
}

//! The addresses of persons in the table: which contact has which address, whatever order
//! reports, number changes, merges and splits come in.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon::address::Address;
use carillon::channel::event::Choice;
use carillon::contact::addresses::find;
use carillon::contact::store::{
    begin_erasure, current, record_preference, strip_profile, unblacklist,
};
use carillon::contact::{Contact, Profile, addresses, merge, person};
use carillon::ids::{ContactId, IdSource};
use carillon::table::Table;
use carillon::time::Timestamp;
use carillon_testkit::World;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const PHONE: &str = "+573001234567";
const OTHER: &str = "+573007654321";
const USER: &str = "CO.1001";
const STRANGER: &str = "CO.2002";
const HOUR: Duration = Duration::from_hours(1);

fn parsed(addresses: &[&str]) -> Vec<Address> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

/// A table with the operations on persons, and a time.
struct Persons {
    world: World,
    ids: IdSource,
    start: Timestamp,
}

impl Persons {
    async fn new() -> Self {
        let world = World::silent().await;
        let start = world.clock.now();
        Self { world, ids: IdSource::seeded(7), start }
    }

    fn table(&self) -> &Table {
        self.world.host.table()
    }

    fn at(&self, hours: u32) -> Timestamp {
        self.start + hours * HOUR
    }

    async fn resolve(&self, addresses: &[&str], hours: u32) -> ContactId {
        let (person, at) = (parsed(addresses), self.at(hours));
        person::resolve(self.table(), &self.ids, &person, at).await.unwrap().unwrap()
    }

    async fn attach(&self, contact: ContactId, addresses: &[&str], hours: u32) -> ContactId {
        let at = self.at(hours);
        person::attach(self.table(), contact, &parsed(addresses), at).await.unwrap()
    }

    async fn change(&self, old: &[&str], new: &[&str], hours: u32) -> Option<ContactId> {
        let (old, new, at) = (parsed(old), parsed(new), self.at(hours));
        person::change(self.table(), &self.ids, (&old, &new), at).await.unwrap()
    }

    async fn split(&self, contact: ContactId, addresses: &[&str], hours: u32) -> Option<ContactId> {
        let moved = parsed(addresses).into_iter().collect();
        let split = (&moved, merge::History::Goes);
        let split = merge::split(self.table(), contact, split, &self.ids, self.at(hours));
        Some(split.await.unwrap()?.new)
    }

    async fn owner(&self, address: &str) -> Option<ContactId> {
        let found = find(self.table(), &address.parse().unwrap()).await.unwrap()?;
        Some(self.current(found).await.id)
    }

    async fn current(&self, contact: ContactId) -> Contact {
        current(self.table(), contact).await.unwrap()
    }

    async fn profile(&self, contact: ContactId) -> Profile {
        self.current(contact).await.profile
    }

    async fn opt_out(&self, contact: ContactId, hours: u32) {
        record_preference(self.table(), contact, Choice::Stop, self.at(hours)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_report_does_not_tie_a_number_that_was_given_up() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE, USER], 0).await;
    persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 1).await.unwrap();
    assert_eq!(persons.attach(person, &[PHONE, USER], 2).await, person);
    assert_eq!(persons.owner(PHONE).await, None);
    // Nor once somebody else has the number.
    let stranger = persons.resolve(&[PHONE, STRANGER], 3).await;
    assert_ne!(stranger, person);
    assert_eq!(persons.attach(person, &[PHONE, USER], 4).await, person);
    assert_eq!(persons.owner(PHONE).await, Some(stranger));
    assert!(persons.profile(stranger).await.merged.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_from_before_a_number_change_is_the_last_owners() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE, USER], 0).await;
    persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 2).await.unwrap();
    let stranger = persons.resolve(&[PHONE], 3).await;
    assert_ne!(stranger, person);
    assert_eq!(persons.resolve(&[PHONE, USER], 1).await, person);
    assert_eq!(persons.resolve(&[PHONE], 4).await, stranger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_back_has_the_old_number_again() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE, USER], 0).await;
    persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 1).await.unwrap();
    persons.change(&[OTHER, "CO.1002"], &[PHONE, "CO.1003"], 2).await.unwrap();
    assert_eq!(persons.owner(PHONE).await, Some(person));
    assert_eq!(persons.owner(OTHER).await, None);
    assert_eq!(persons.attach(person, &[PHONE], 3).await, person);
    assert_eq!(persons.profile(person).await.addresses.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_number_changes_that_are_stored_in_the_wrong_order_leave_the_last_number() {
    let persons = Persons::new().await;
    let last = "+573005555555";
    let person = persons.resolve(&[PHONE, USER], 0).await;
    persons.opt_out(person, 0).await;
    let later = persons.change(&[OTHER, "CO.1002"], &[last, "CO.1003"], 2).await.unwrap();
    assert_ne!(later, person, "nothing connects the two yet");
    for _ in 0..2 {
        let first = persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 1).await;
        assert_eq!(persons.current(first.unwrap()).await.id, person.min(later));
        persons.change(&[OTHER, "CO.1002"], &[last, "CO.1003"], 2).await.unwrap();
        let profile = persons.profile(person).await;
        assert!(profile.opted_out_at.is_some());
        assert_eq!(profile.addresses, parsed(&[last, "CO.1003"]).into_iter().collect());
        for former in [PHONE, USER, OTHER, "CO.1002"] {
            assert_eq!(persons.owner(former).await, None, "{former}");
        }
    }
    // An address that was given up is the next owner's, and what came before it is not.
    let stranger = persons.resolve(&[OTHER, STRANGER], 3).await;
    assert_ne!(stranger, person.min(later));
    let earlier = persons.resolve(&[OTHER], 1).await;
    assert_eq!(persons.current(earlier).await.id, person.min(later));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_number_changes_that_are_stored_at_the_same_moment_leave_the_last_number() {
    let persons = Persons::new().await;
    for case in 0..100 {
        let keys = keys_of(case, 0);
        let [first, last, user, _] = keys.each_ref().map(String::as_str);
        let [second, users] = [keys_of(case, 1), keys_of(case, 2)];
        let (second, later, latest) = (&*second[0], &*users[2], &*users[3]);
        let person = persons.resolve(&[first, user], 0).await;
        let (early, middle, late) = ([first, user], [second, later], [last, latest]);
        tokio::join!(persons.change(&early, &middle, 1), persons.change(&middle, &late, 2));
        let profile = persons.profile(person).await;
        let expected = parsed(&[last, latest]).into_iter().collect();
        assert_eq!(profile.addresses, expected, "case {case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_report_of_a_number_change_does_not_undo_the_change_back() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE, USER], 0).await;
    persons.change(&[OTHER, "CO.1002"], &[PHONE, "CO.1003"], 2).await.unwrap();
    persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 1).await.unwrap();
    let profile = persons.profile(person).await;
    assert_eq!(profile.addresses, parsed(&[PHONE, "CO.1003"]).into_iter().collect());
    assert_eq!(persons.owner(OTHER).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_change_gives_up_both_spellings_and_the_new_number_is_sent_to() {
    let persons = Persons::new().await;
    let twins = ["+541123456789", "+5491123456789"];
    let person = persons.resolve(&[twins[0], twins[1], "AR.1001"], 0).await;
    persons.change(&[twins[1], "AR.1001"], &[OTHER, "AR.1002"], 1).await.unwrap();
    for twin in twins {
        assert_eq!(persons.owner(twin).await, None, "{twin}");
    }
    let profile = persons.profile(person).await;
    assert_eq!(profile.ordered().next().unwrap().as_str(), OTHER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_that_whatsapp_names_is_sent_to() {
    let persons = Persons::new().await;
    let person = persons.resolve(&["+541123456789"], 0).await;
    let twin = persons.resolve(&["+5491123456789"], 0).await;
    assert_eq!(persons.attach(person, &["+5491123456789"], 1).await, person.min(twin));
    let profile = persons.profile(person).await;
    assert_eq!(profile.ordered().next().unwrap().as_str(), "+5491123456789");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_number_is_taken_from_its_previous_owner_without_a_merge() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE, USER], 0).await;
    let previous = persons.resolve(&[OTHER, STRANGER], 0).await;
    persons.opt_out(previous, 1).await;
    assert_eq!(persons.change(&[PHONE, USER], &[OTHER, "CO.1002"], 2).await, Some(person));
    assert_eq!(persons.owner(OTHER).await, Some(person));
    assert_eq!(persons.owner(STRANGER).await, Some(previous));
    assert!(persons.profile(person).await.opted_out_at.is_none());
    // One whose user id is unknown is the same person, from a file for example.
    let listed = persons.resolve(&["+573005555555"], 0).await;
    persons.opt_out(listed, 1).await;
    persons.change(&[OTHER, "CO.1002"], &["+573005555555", "CO.1003"], 3).await.unwrap();
    assert_eq!(persons.owner("+573005555555").await, persons.owner("CO.1003").await);
    assert!(persons.profile(person).await.opted_out_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_merge_is_split_for_good() {
    let persons = Persons::new().await;
    let one = persons.resolve(&[PHONE], 0).await;
    let other = persons.resolve(&[OTHER], 0).await;
    persons.opt_out(other, 1).await;
    let (survivor, loser) = (one.min(other), one.max(other));
    assert_eq!(persons.attach(one, &[OTHER], 2).await, survivor);
    assert_eq!(persons.current(loser).await.id, survivor);
    let (moved, kept) = if loser == one { (PHONE, OTHER) } else { (OTHER, PHONE) };
    let new = persons.split(survivor, &[moved], 3).await.unwrap();
    assert_eq!(persons.split(survivor, &[moved], 3).await, Some(new), "repeated");
    assert_eq!(persons.current(loser).await.id, new);
    assert_eq!(persons.owner(moved).await, Some(new));
    for contact in [survivor, new] {
        let profile = persons.profile(contact).await;
        assert!(profile.opted_out_at.is_some(), "{profile:?}");
        assert_eq!((profile.addresses.len(), profile.apart_from.len()), (1, 1));
    }
    // They stay apart, also through a merge with a third one.
    assert_eq!(persons.attach(survivor, &[moved], 4).await, survivor);
    persons.resolve(&[moved, STRANGER], 5).await;
    assert_eq!(persons.resolve(&[kept, moved], 6).await, survivor);
    assert_ne!(persons.owner(moved).await, Some(survivor));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_were_split_stay_apart_when_one_is_merged_into_a_third() {
    let persons = Persons::new().await;
    let third = persons.resolve(&[STRANGER], 0).await;
    let person = persons.resolve(&[PHONE, OTHER], 0).await;
    let new = persons.split(person, &[OTHER], 1).await.unwrap();
    assert_eq!(persons.resolve(&[OTHER, STRANGER], 2).await, third.min(new));
    assert_eq!(persons.attach(person, &[PHONE, OTHER], 3).await, person);
    assert_eq!(persons.owner(OTHER).await, Some(third.min(new)));
    assert_eq!(persons.owner(PHONE).await, Some(person));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placeholder_in_every_line_ties_at_most_twenty_addresses() {
    let persons = Persons::new().await;
    for number in 0..40 {
        persons.resolve(&[PHONE, &format!("CO.{}", 5000 + number)], 0).await;
    }
    let person = persons.owner(PHONE).await.unwrap();
    assert_eq!(persons.profile(person).await.addresses.len(), 20);
    assert_ne!(persons.resolve(&["CO.5030"], 1).await, person);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_is_reached_again_once_unblocked_and_written_down() {
    let persons = Persons::new().await;
    let person = persons.resolve(&[PHONE], 0).await;
    begin_erasure(persons.table(), person, persons.at(1)).await.unwrap();
    let phone = PHONE.parse().unwrap();
    addresses::erase(persons.table(), person, &phone).await.unwrap();
    strip_profile(persons.table(), person, persons.at(1)).await.unwrap();
    assert_eq!(persons.resolve(&[PHONE], 2).await, person);
    assert!(persons.profile(person).await.addresses.is_empty());
    // An address that is told meanwhile is kept as a hash only.
    persons.attach(person, &[USER], 2).await;
    assert!(persons.profile(person).await.addresses.is_empty());
    unblacklist(persons.table(), person).await.unwrap();
    assert_eq!(persons.resolve(&[PHONE], 3).await, person);
    assert_eq!(persons.profile(person).await.addresses, BTreeSet::from([phone]));
}

/// The keys of one generated person.
fn keys_of(case: usize, person: usize) -> [String; 4] {
    let number = case * 10 + person;
    [
        format!("+5730{:08}", 10_000_000 + number),
        format!("+5731{:08}", 10_000_000 + number),
        format!("CO.{}", 10_000 + number),
        format!("MX.{}", 10_000 + number),
    ]
}

/// Sets of keys that are known to be one person's.
#[derive(Default)]
struct Known(Vec<BTreeSet<String>>);

impl Known {
    fn link(&mut self, keys: &[String]) {
        let is_linked = |set: &BTreeSet<String>| keys.iter().any(|key| set.contains(key));
        let (linked, others): (Vec<_>, Vec<_>) = self.0.drain(..).partition(is_linked);
        self.0 = others;
        self.0.push(linked.into_iter().flatten().chain(keys.iter().cloned()).collect());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_known_as_one_persons_are_one_contact_and_an_opt_out_holds_for_all() {
    let persons = Persons::new().await;
    let mut rng = StdRng::seed_from_u64(11);
    for case in 0..150 {
        let (mut known, mut opted_out) = (Known::default(), BTreeSet::new());
        for hours in 0..6 {
            // Several files and webhooks at the same moment.
            let mut links = Vec::new();
            for _ in 0..rng.random_range(1..=3) {
                let keys = keys_of(case, rng.random_range(0..2));
                let size = rng.random_range(1..=2);
                let some: Vec<String> = keys.sample(&mut rng, size).cloned().collect();
                known.link(&some);
                links.push(some);
            }
            let linking = links.iter().map(|keys| {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let persons = &persons;
                async move { persons.resolve(&keys, hours).await }
            });
            let contacts = futures::future::join_all(linking).await;
            if rng.random_bool(0.2) {
                opted_out.insert(links[0][0].clone());
                persons.opt_out(contacts[0], hours).await;
            }
        }
        for keys in &known.0 {
            let mut owners = BTreeSet::new();
            for key in keys {
                owners.extend(persons.owner(key).await);
            }
            assert_eq!(owners.len(), 1, "case {case}: {keys:?} lead to {owners:?}");
            let owner = *owners.first().unwrap();
            let profile = persons.profile(owner).await;
            let is_out = keys.iter().any(|key| opted_out.contains(key));
            assert_eq!(profile.opted_out_at.is_some(), is_out, "case {case}: {keys:?}");
            let listed: BTreeSet<String> =
                profile.addresses.iter().map(|one| one.as_str().to_owned()).collect();
            assert_eq!(&listed, keys, "case {case}");
        }
    }
}

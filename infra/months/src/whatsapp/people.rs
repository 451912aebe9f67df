//! Who has which phone number, and since when.

use carillon::address::Address;
use carillon::time::Timestamp;

use super::person::{Identity, Line, Person};
use crate::rng::SeededRng;

/// The people of a month and their numbers.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// In the order in which they began.
    tenures: Vec<Tenure>,
    person_count: u64,
    line_count: u64,
}

/// The time for which a person has a number.
#[derive(Debug)]
struct Tenure {
    identity: Identity,
    since: Timestamp,
    /// Until then; none while the person has it.
    until: Option<Timestamp>,
    /// When Carillon was informed that the person has another number.
    end_reported_at: Option<Timestamp>,
}

impl People {
    /// This many people, each with a number.
    pub(crate) fn new(count: u64, since: Timestamp) -> Self {
        let mut people = Self::default();
        for _ in 0..count {
            let line = people.new_line();
            people.add_person(line, since);
        }
        people
    }

    /// A person who has a number for the first time.
    pub(crate) fn add_person(&mut self, line: Line, since: Timestamp) -> Person {
        let person = Person(self.person_count);
        self.person_count += 1;
        self.begin(Identity { person, line }, since);
        person
    }

    /// A number that nobody has had.
    pub(crate) fn new_line(&mut self) -> Line {
        self.line_count += 1;
        Line(self.line_count - 1)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Person> + use<> {
        (0..self.person_count).map(Person)
    }

    /// A random person.
    pub(crate) fn any(&self, rng: &SeededRng) -> Option<Person> {
        (self.person_count > 0).then(|| Person(rng.below(self.person_count)))
    }

    /// A person with the number that they have at `at`.
    pub(crate) fn identity(&self, person: Person, at: Timestamp) -> Option<Identity> {
        let mut tenures = self.tenures_of(person);
        let first = tenures.next()?;
        Some(tenures.filter(|tenure| tenure.since <= at).last().unwrap_or(first).identity)
    }

    /// The numbers that a person had before.
    pub(crate) fn former_lines(&self, person: Person) -> Vec<Line> {
        let ended = self.tenures_of(person).filter(|tenure| tenure.until.is_some());
        ended.map(|tenure| tenure.identity.line).collect()
    }

    /// Who is reached at an address at `at`.
    pub(crate) fn reached(&self, address: &Address, at: Timestamp) -> Option<Identity> {
        let identity = Identity::of_user_id(address);
        let line = identity.map(|one| one.line).or_else(|| Line::of(address))?;
        let holder = self.holder(line, at)?;
        (identity.is_none_or(|one| one == holder)).then_some(holder)
    }

    /// The numbers that nobody has since `at`, except those that the person has had.
    pub(crate) fn vacant_lines(&self, person: Person, at: Timestamp) -> Vec<Line> {
        let vacant = |line: &Line| {
            let mut tenures = self.tenures_at(*line);
            tenures.all(|tenure| {
                tenure.until.is_some_and(|until| until <= at) && tenure.identity.person != person
            })
        };
        (0..self.line_count).map(Line).filter(vacant).collect()
    }

    pub(crate) fn is_vacant(&self, line: Line) -> bool {
        self.tenures_at(line).all(|tenure| tenure.until.is_some())
    }

    /// A person has another number from now on. Returns the identities before and after.
    pub(crate) fn change_number(
        &mut self,
        person: Person,
        line: Line,
        at: Timestamp,
    ) -> Option<(Identity, Identity)> {
        let before = self.identity(person, at)?;
        if let Some(tenure) = self.latest_mut(before) {
            tenure.until = Some(at);
        }
        let after = Identity { person, line };
        self.begin(after, at);
        Some((before, after))
    }

    /// Carillon was informed that a person has another number.
    pub(crate) fn record_reported(&mut self, before: Identity, at: Timestamp) {
        if let Some(tenure) = self.latest_mut(before) {
            tenure.end_reported_at.get_or_insert(at);
        }
    }

    /// Whether Carillon can tell the person from the others who have had the same numbers:
    /// it was informed of each change before the number was somebody else's.
    pub(crate) fn is_known_apart(&self, person: Person) -> bool {
        let mut tenures = self.tenures_of(person);
        tenures.all(|own| {
            let mut others = self.tenures_at(own.identity.line);
            others.all(|other| {
                let (first, second) =
                    if other.since < own.since { (other, own) } else { (own, other) };
                first.since == second.since
                    || first.end_reported_at.is_some_and(|reported| reported < second.since)
            })
        })
    }

    /// Who has had a number, for a violation's message.
    pub(crate) fn describe(&self, line: Line) -> String {
        let describe = |tenure: &Tenure| {
            let Tenure { identity, since, until, end_reported_at } = tenure;
            let person = identity.person.0;
            format!("person {person} had it {since} to {until:?}, end reported {end_reported_at:?}")
        };
        self.tenures_at(line).map(describe).collect::<Vec<_>>().join("; ")
    }

    fn begin(&mut self, identity: Identity, since: Timestamp) {
        self.tenures.push(Tenure { identity, since, until: None, end_reported_at: None });
    }

    fn holder(&self, line: Line, at: Timestamp) -> Option<Identity> {
        let has =
            |tenure: &&Tenure| tenure.since <= at && tenure.until.is_none_or(|until| at < until);
        self.tenures_at(line).find(has).map(|tenure| tenure.identity)
    }

    fn tenures_of(&self, person: Person) -> impl Iterator<Item = &Tenure> {
        self.tenures.iter().filter(move |tenure| tenure.identity.person == person)
    }

    fn tenures_at(&self, line: Line) -> impl Iterator<Item = &Tenure> {
        self.tenures.iter().filter(move |tenure| tenure.identity.line == line)
    }

    fn latest_mut(&mut self, identity: Identity) -> Option<&mut Tenure> {
        self.tenures.iter_mut().rev().find(|tenure| tenure.identity == identity)
    }
}

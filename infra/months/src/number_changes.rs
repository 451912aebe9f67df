//! People change their numbers, and new people get the old ones.

use carillon::time::Timestamp;
use jiff::SignedDuration;

use crate::fixture::Fixture;
use crate::rng::SeededRng;
use crate::whatsapp::{Line, NumberChange, Person, WhatsApp};

/// The highest number of number changes in a month.
const MAX_CHANGES: u64 = 16;
/// The days of the month on which numbers change.
const DAYS: u64 = 26;
/// How long a number is nobody's, at least.
const MIN_VACANCY: SignedDuration = SignedDuration::from_hours(48);

/// The changes that are still to come.
pub(crate) struct NumberChanges {
    /// When a person changes their number.
    changes: Vec<Timestamp>,
    /// When a new person gets a number.
    new_owners: Vec<(Timestamp, Line)>,
}

impl NumberChanges {
    /// Draws the changes of a month.
    pub(crate) fn draw(rng: &SeededRng, start: Timestamp) -> Self {
        let count = rng.below(MAX_CHANGES + 1);
        let changes = (0..count).map(|_| start + rng.millis(0, DAYS * 86_400_000)).collect();
        Self { changes, new_owners: Vec::new() }
    }

    /// Makes the changes that are due.
    pub(crate) fn make_due(&mut self, fixture: &Fixture) {
        let (whatsapp, now) = (&fixture.whatsapp, fixture.clock.now());
        for (_, line) in self.new_owners.extract_if(.., |(at, _)| *at <= now) {
            let mut people = whatsapp.people();
            if people.is_vacant(line) {
                people.add_person(line, now);
            }
        }
        let due = self.changes.extract_if(.., |at| *at <= now).count();
        for _ in 0..due {
            let Some(vacated) = change_number(whatsapp, now) else { continue };
            if whatsapp.rng.chance(700) {
                let after = SignedDuration::from_hours(whatsapp.rng.between(48, 144) as i64);
                self.new_owners.push((now + after, vacated));
            }
        }
    }
}

/// A random person changes their number, often one who is suppressed: to a new number, or to
/// one that was somebody else's. Returns the number that the person had.
fn change_number(whatsapp: &WhatsApp, now: Timestamp) -> Option<Line> {
    let rng = &whatsapp.rng;
    let (before, after) = {
        let mut people = whatsapp.people();
        let suppressed = whatsapp.reports().suppressed_people();
        let chosen: Option<Person> = rng.choose(&suppressed).copied().filter(|_| rng.chance(500));
        let person = chosen.or_else(|| people.any(rng))?;
        let vacant = people.vacant_lines(person, now - MIN_VACANCY);
        let vacant = rng.choose(&vacant).copied().filter(|_| rng.chance(300));
        let line = vacant.unwrap_or_else(|| people.new_line());
        people.change_number(person, line, now)?
    };
    whatsapp.report_number_change(NumberChange { before, after }, now);
    Some(before.line)
}

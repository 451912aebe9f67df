//! The clock. Business code takes `now` as an argument; only handlers, and waits between two
//! messages, read a [`Clock`].

mod stepped;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::SignedDuration;
pub use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::stepped::Stepped;

/// Tells the time and sleeps: by the system's clock in production, by a movable clock in
/// tests and in the demonstration, by a stepped clock in a simulation.
#[derive(Clone, Debug)]
pub struct Clock {
    kind: Kind,
    /// How far it is ahead of the clock that it was made from.
    ahead: SignedDuration,
}

#[derive(Clone, Debug)]
enum Kind {
    System,
    Movable(Arc<Mutex<Movable>>),
    Stepped(Stepped),
}

#[derive(Debug)]
struct Movable {
    base: Timestamp,
    since: Instant,
    rate: f64,
}

impl Movable {
    fn now(&self) -> Timestamp {
        let elapsed = self.since.elapsed().mul_f64(self.rate);
        self.base.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "a movable clock rests on the machine's")]
    fn set(&mut self, now: Timestamp) {
        self.base = now;
        self.since = Instant::now();
    }
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self::of(Kind::System)
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, ahead: SignedDuration::ZERO }
    }

    /// A clock that starts at `start` and runs `rate` (above 0) times as fast as the
    /// system's, and that [`Clock::advance`] moves forward.
    #[expect(clippy::disallowed_methods, reason = "a movable clock rests on the machine's")]
    pub fn movable(start: Timestamp, rate: f64) -> Self {
        let movable =
            Movable { base: start, since: Instant::now(), rate: rate.max(f64::MIN_POSITIVE) };
        Self::of(Kind::Movable(Arc::new(Mutex::new(movable))))
    }

    /// A clock that stands still at `start` until it is moved with [`Clock::advance`], which
    /// wakes the sleepers in order: for a reproducible simulation.
    pub fn stepped(start: Timestamp) -> Self {
        Self::of(Kind::Stepped(Stepped::new(start)))
    }

    /// The clock of another machine, which moves with this one and tells a time that is `by`
    /// ahead of it (negative: behind): for a simulation.
    #[must_use]
    pub fn ahead_by(&self, by: SignedDuration) -> Self {
        Self { kind: self.kind.clone(), ahead: self.ahead + by }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    pub fn now(&self) -> Timestamp {
        let now = match &self.kind {
            Kind::System => Timestamp::now(),
            Kind::Movable(movable) => lock(movable).now(),
            Kind::Stepped(stepped) => stepped.now(),
        };
        now.checked_add(self.ahead).unwrap_or(now)
    }

    /// Moves a movable or a stepped clock forward; does not affect the system's clock.
    pub fn advance(&self, by: Duration) {
        match &self.kind {
            Kind::System => {}
            Kind::Movable(movable) => {
                let mut movable = lock(movable);
                let later = movable.now().checked_add(by).unwrap_or(Timestamp::MAX);
                movable.set(later);
            }
            Kind::Stepped(stepped) => stepped.advance(by),
        }
    }

    /// When the next sleeper of a stepped clock wakes up, by the clock that was made first; none
    /// without a sleeper, and for the other clocks.
    pub fn next_wake(&self) -> Option<Timestamp> {
        match &self.kind {
            Kind::System | Kind::Movable(_) => None,
            Kind::Stepped(stepped) => stepped.next_wake(),
        }
    }

    /// Sleeps for at least `duration` by this clock.
    pub async fn sleep(&self, duration: Duration) {
        match &self.kind {
            Kind::System | Kind::Movable(_) => tokio::time::sleep(self.real(duration)).await,
            Kind::Stepped(stepped) => stepped.sleep(duration).await,
        }
    }

    /// How far this clock moves while `real` time passes.
    pub fn during(&self, real: Duration) -> Duration {
        match &self.kind {
            Kind::System | Kind::Stepped(_) => real,
            Kind::Movable(movable) => real.mul_f64(lock(movable).rate),
        }
    }

    /// The real time that `duration` takes by this clock.
    pub fn real(&self, duration: Duration) -> Duration {
        match &self.kind {
            Kind::System | Kind::Stepped(_) => duration,
            Kind::Movable(movable) => duration.div_f64(lock(movable).rate),
        }
    }
}

fn lock(movable: &Mutex<Movable>) -> std::sync::MutexGuard<'_, Movable> {
    movable.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calendar date at `now` in a time zone.
pub fn date_in(now: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(now).date()
}

/// A timestamp as the standard library's type.
pub fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}

/// The form in which times are stored in the table: fixed width, UTC,
/// milliseconds, so that they sort as text.
pub fn sortable(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Writes a time in the form of [`sortable`]; for `serde(serialize_with)`.
pub fn serialize<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&sortable(*at))
}

/// A time zone by its IANA name, such as `America/Bogota`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "America/Bogota")]
pub struct ZoneName(String);

impl ZoneName {
    /// The time zone.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

impl TryFrom<String> for ZoneName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match TimeZone::get(&name) {
            Ok(_) => Ok(Self(name)),
            Err(_) => Err("expected an IANA time zone such as America/Bogota".to_owned()),
        }
    }
}

impl From<ZoneName> for String {
    fn from(zone: ZoneName) -> String {
        zone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movable_clock_moves_when_told() {
        let clock = Clock::movable(Timestamp::UNIX_EPOCH, 1.0);
        clock.advance(Duration::from_hours(1));
        assert!(clock.now() >= Timestamp::from_second(3600).unwrap());
    }

    #[test]
    fn the_clock_of_another_machine_moves_along() {
        let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
        let other = clock.ahead_by(SignedDuration::from_secs(-60));
        clock.advance(Duration::from_mins(3));
        assert_eq!(other.now(), Timestamp::from_second(120).unwrap());
    }

    #[test]
    fn a_fast_clock_waits_less() {
        let clock = Clock::movable(Timestamp::UNIX_EPOCH, 60.0);
        assert_eq!(clock.real(Duration::from_mins(1)), Duration::from_secs(1));
    }

    #[test]
    fn stored_times_sort_as_text() {
        let early = Timestamp::from_millisecond(1_000).unwrap();
        let late = Timestamp::from_millisecond(1_000_050).unwrap();
        assert!(sortable(early) < sortable(late));
        assert_eq!(sortable(early), "1970-01-01T00:00:01.000Z");
    }
}

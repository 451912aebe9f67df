use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A batch of a campaign: `date#number`, such as `2026-11-21#1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchNumber {
    /// The day of the batch, in the campaign's time zone.
    pub date: Date,
    /// Its number on that day, from 1.
    pub number: u32,
}

/// A reservation that an attempt used: `attempt@date#number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpentReservation {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The batch with the reservation.
    pub batch: BatchNumber,
}

/// A text that is not a batch or a reservation of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected date#number or attempt@date#number")]
pub struct ReservationError;

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.date, self.number)
    }
}

impl FromStr for BatchNumber {
    type Err = ReservationError;

    fn from_str(text: &str) -> Result<Self, ReservationError> {
        let (date, number) = text.split_once('#').ok_or(ReservationError)?;
        let date = date.parse().map_err(|_| ReservationError)?;
        let number = number.parse().map_err(|_| ReservationError)?;
        Ok(Self { date, number })
    }
}

impl fmt::Display for SpentReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.attempt, self.batch)
    }
}

impl FromStr for SpentReservation {
    type Err = ReservationError;

    fn from_str(text: &str) -> Result<Self, ReservationError> {
        let (attempt, batch) = text.split_once('@').ok_or(ReservationError)?;
        let attempt = attempt.parse().map_err(|_| ReservationError)?;
        Ok(Self { attempt, batch: batch.parse()? })
    }
}

impl TryFrom<String> for BatchNumber {
    type Error = ReservationError;

    fn try_from(text: String) -> Result<Self, ReservationError> {
        text.parse()
    }
}

impl From<BatchNumber> for String {
    fn from(batch: BatchNumber) -> Self {
        batch.to_string()
    }
}

impl TryFrom<String> for SpentReservation {
    type Error = ReservationError;

    fn try_from(text: String) -> Result<Self, ReservationError> {
        text.parse()
    }
}

impl From<SpentReservation> for String {
    fn from(spent: SpentReservation) -> Self {
        spent.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_reads_back() {
        let spent: SpentReservation = "2@2026-11-21#11".parse().unwrap();
        assert_eq!((spent.attempt, spent.batch.number), (2, 11));
        assert_eq!(spent.to_string(), "2@2026-11-21#11");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "2026-11-21#1", "x@2026-11-21#1", "1@2026-11-21", "1@#1"] {
            assert_eq!(text.parse::<SpentReservation>(), Err(ReservationError), "{text}");
        }
    }
}

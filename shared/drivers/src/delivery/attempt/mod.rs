//! One attempt at one recipient, in stages: due, prepared, claimed, sent, settled.

mod claimed;
mod outcome;
mod prepared;
mod turn;

use carillon_channel::Outcome;
use jiff::SignedDuration;

use super::due::Due;
use super::error::DeliveryError;
use super::run::{Reservation, Run};

pub(super) use claimed::Claimed;

/// The greatest age of a claim at which its message is still sent.
const MAX_CLAIM_AGE: SignedDuration = SignedDuration::from_mins(1);

/// What became of a claimed attempt.
enum Sending<'a> {
    /// It was handed to the provider.
    Done(Claimed<'a>, Outcome),
    /// It was too late to send it.
    TooLate(Claimed<'a>),
}

impl Run<'_> {
    /// Delivers to one recipient.
    pub(super) async fn deliver(&self, due: Due) -> Result<Reservation, DeliveryError> {
        let claimed = match self.claim_patiently(&due).await? {
            Ok(claimed) => claimed,
            Err(reservation) => return Ok(reservation),
        };
        match self.send(claimed).await {
            Sending::Done(claimed, outcome) => self.settle(&claimed, outcome).await,
            Sending::TooLate(claimed) => self.give_back(&claimed.held).await,
        }
    }

    /// Hands the message to the provider at the lane's next turn, unless its claim is too old
    /// by then, or the request might outlast the run: the process may have been frozen.
    async fn send<'a>(&self, claimed: Claimed<'a>) -> Sending<'a> {
        let clock = &self.sender.clock;
        clock.sleep(self.pacer.send_turn(clock.now())).await;
        let now = clock.now();
        if now > claimed.held.charged.at + MAX_CLAIM_AGE || now > self.send_until {
            return Sending::TooLate(claimed);
        }
        let outcome = self.route.send(&claimed.prepared.outbound).await;
        Sending::Done(claimed, outcome)
    }
}

//! The operator's calls of the API. Some die half-way or lose their answer; the operator's client
//! repeats them later, with the same Idempotency-Key.

use carillon::time::Timestamp;
use serde_json::Value;
use tower::BoxError;

use crate::api_client::{ApiResponse, check};
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::fixture::Fixture;
use crate::operator_call::{Call, Effect};

/// Calls whose outcome the operator does not know.
#[derive(Debug, Default)]
pub(crate) struct OperatorCalls {
    unknown: Vec<Repeat>,
    count: u64,
}

/// A call that is made again.
#[derive(Debug)]
struct Repeat {
    at: Timestamp,
    key: String,
    call: Call,
}

impl OperatorCalls {
    /// Makes a call, unless an earlier one about the same person is not over.
    pub(crate) async fn make(
        &mut self,
        call: Call,
        fixture: &mut Fixture,
        rates: FaultRates,
    ) -> Result<(), BoxError> {
        let person = call.effect.person();
        if person.is_some() && self.unknown.iter().any(|one| one.call.effect.person() == person) {
            return Ok(());
        }
        announce(&call.effect, fixture);
        self.count += 1;
        let key = format!("call-{}", self.count);
        self.attempt(call, key, fixture, rates).await
    }

    /// Repeats the calls that are due.
    pub(crate) async fn repeat_due(
        &mut self,
        fixture: &mut Fixture,
        rates: FaultRates,
    ) -> Result<(), BoxError> {
        let now = fixture.clock.now();
        let due: Vec<Repeat> = self.unknown.extract_if(.., |one| one.at <= now).collect();
        for Repeat { key, call, .. } in due {
            self.attempt(call, key, fixture, rates).await?;
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unknown.is_empty()
    }

    async fn attempt(
        &mut self,
        call: Call,
        key: String,
        fixture: &mut Fixture,
        rates: FaultRates,
    ) -> Result<(), BoxError> {
        let rng = fixture.rng.clone();
        let plan = FaultPlan::draw_call(&rng, rates);
        let answer = fixture.call_api(&call, &key, plan).await?;
        let is_lost = rng.chance(rates.broken_calls);
        let is_known =
            |(status, response): &ApiResponse| !is_lost && !is_unfinished(*status, response);
        if let Some(answer) = answer.filter(is_known) {
            return settle(&call.effect, answer, fixture);
        }
        let at = fixture.clock.now() + rng.millis(500, 400_000);
        self.unknown.push(Repeat { at, key, call });
        Ok(())
    }
}

/// Whether a client repeats the request: it failed, or is still in progress.
fn is_unfinished(status: u16, response: &Value) -> bool {
    status >= 500 || (status == 409 && response["code"] == "request_in_progress")
}

/// From now on the call may have its effect.
fn announce(effect: &Effect, fixture: &Fixture) {
    let mut reports = fixture.whatsapp.reports();
    match effect {
        Effect::None => {}
        Effect::Suppresses(person, by, _) => reports.may_suppress(*person, *by),
        Effect::Lifts(person, address) => {
            reports.may_lift(*person, address, fixture.clock.now());
        }
    }
}

/// The call has had its effect, unless it was refused.
fn settle(effect: &Effect, answer: ApiResponse, fixture: &Fixture) -> Result<(), BoxError> {
    let status = answer.0;
    let now = fixture.clock.now();
    match effect {
        Effect::Suppresses(person, by, address) if status < 300 => {
            fixture.whatsapp.reports().suppress(*person, *by, address.clone(), now);
        }
        Effect::None | Effect::Suppresses(..) => {}
        Effect::Lifts(person, _) => {
            fixture.whatsapp.reports().lift(*person);
            // It is gone already where an answer was lost.
            if status == 404 {
                return Ok(());
            }
        }
    }
    check(answer)
}

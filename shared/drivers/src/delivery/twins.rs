//! Likely twins: two numbers that may be one person's, whose link only WhatsApp knows.
//!
//! In Argentina a mobile number is written with and without a `9`. Both may be in one
//! campaign. The one with the `9` waits until the other is settled: the answer to it names the
//! form that WhatsApp has. If that is the one with the `9`, the two contacts are merged, and
//! the second recipient is a duplicate; otherwise the first is a landline.

use std::collections::HashMap;

use carillon_foundations::address::Address;
use carillon_nouns::contact::addresses;
use carillon_nouns::recipient::{self, RecipientSet, Status, WaitsFor};
use carillon_table::{StoreError, Table};
use jiff::{SignedDuration, Timestamp};

use super::due::Due;

/// How long it waits at least.
const WAIT: SignedDuration = SignedDuration::from_mins(1);

/// The due recipients without those whose likely twin goes first: these are deferred.
pub(super) async fn without_waiting(
    table: &Table,
    recipients: RecipientSet,
    due: Vec<Due>,
    now: Timestamp,
) -> Result<Vec<Due>, StoreError> {
    let twins: HashMap<usize, Address> =
        due.iter().enumerate().filter_map(|(index, one)| Some((index, twin_of(one)?))).collect();
    if twins.is_empty() {
        return Ok(due);
    }
    let owners = addresses::find_many(table, &twins.values().collect::<Vec<_>>()).await?;
    let mut ready = Vec::with_capacity(due.len());
    for (index, one) in due.into_iter().enumerate() {
        let owner = twins.get(&index).and_then(|address| owners.get(address));
        let first = match owner {
            Some(owner) => recipient::store::get(table, &recipients.key(owner.contact)).await?,
            None => None,
        };
        match first.filter(|first| matches!(first.status, Status::Pending | Status::Sending)) {
            Some(first) => {
                let until = first.not_before.unwrap_or(now).max(now) + WAIT;
                let attempt = one.recipient.attempt;
                recipient::store::defer(table, &one.key, attempt, until, WaitsFor::LikelyTwin)
                    .await?;
            }
            None => ready.push(one),
        }
    }
    Ok(ready)
}

/// The address that goes first, unless it is known to be the contact's.
fn twin_of(due: &Due) -> Option<Address> {
    let addresses = &due.contact.profile.addresses;
    let twin = addresses.iter().find_map(|one| one.phone()?.without_mobile_prefix())?.into();
    (!addresses.contains(&twin)).then_some(twin)
}

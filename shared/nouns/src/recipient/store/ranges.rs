//! Recipients in the order of the walk.

use carillon_table::{Key, Page, StoreError, Table};
use futures::future::try_join_all;

use crate::recipient::{Cursor, Recipient, RecipientSet, ShardRange};

/// One page of a campaign's recipients in the order of [`Cursor`], after one or from the first on,
/// and the cursor of its last one; `None` after the last shard.
pub async fn walk(
    table: &Table,
    of: RecipientSet,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<(Vec<Recipient>, Option<Cursor>), StoreError> {
    let Cursor { shard: first, contact } = after.copied().unwrap_or(Cursor::start_of(0));
    let mut range = ShardRange { shard: first, after: contact, until: None };
    while range.shard < of.shards {
        let shard = range.shard;
        let (page, _) = of_range(table, of, &range, limit).await?;
        if let Some(recipient) = page.last() {
            let contact = Some(recipient.contact);
            return Ok((page, Some(Cursor { shard, contact })));
        }
        range = ShardRange { shard: shard + 1, after: None, until: None };
    }
    Ok((Vec::new(), None))
}

/// The first `limit` recipients of a range, and whether there are more.
pub async fn of_range(
    table: &Table,
    of: RecipientSet,
    range: &ShardRange,
    limit: u32,
) -> Result<(Vec<Recipient>, bool), StoreError> {
    let ShardRange { shard, after, until } = *range;
    let from = match after {
        Some(contact) => format!("{}\u{0}", Key::recipient_sk(contact)),
        None => Key::RECIPIENTS.to_owned(),
    };
    let to = match until {
        Some(contact) => Key::recipient_sk(contact),
        None => format!("{}\u{10FFFF}", Key::RECIPIENTS),
    };
    if from > to {
        return Ok((Vec::new(), false));
    }
    let pk = Key::Counters { campaign: of.campaign, shard }.pk();
    let page: Page<Recipient> = table.query(&pk, (&from, &to), None, limit).await?;
    Ok((page.items, page.next.is_some()))
}

/// Reads on in all ranges at once (a campaign has few shards), at most `limit` recipients of
/// each, which come in turns. The ranges then begin behind them; those that were read to their
/// end are gone.
pub async fn in_turns(
    table: &Table,
    of: RecipientSet,
    ranges: &mut Vec<ShardRange>,
    limit: u32,
) -> Result<Vec<Recipient>, StoreError> {
    let reading = ranges.iter().map(|range| of_range(table, of, range, limit));
    let pages = try_join_all(reading.collect::<Vec<_>>()).await?;
    let mut rest = Vec::with_capacity(ranges.len());
    let mut columns = Vec::with_capacity(pages.len());
    for (range, (page, has_more)) in ranges.iter().zip(pages) {
        if has_more {
            let last = page.last().map(|last| last.contact);
            rest.push(ShardRange { after: last.or(range.after), ..*range });
        }
        columns.push(page.into_iter());
    }
    *ranges = rest;
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        turns.extend(columns.iter_mut().filter_map(Iterator::next));
        if turns.len() == before {
            return Ok(turns);
        }
    }
}

//! What the table holds, for assertions that the API can't answer.

use carillon::analytics::{self, Tally};
use carillon::batch::{self, Batch};
use carillon::campaign::{self, Campaign};
use carillon::connection;
use carillon::ids::CampaignId;
use carillon::recipient::{self, Cursor, Recipient};
use carillon::table::{Guard, Item, Key, Shape, Write};

use crate::World;

/// Items read by one request.
const PAGE: u32 = 500;

impl World {
    /// The campaign as stored.
    ///
    /// # Panics
    /// If it can't be read.
    pub async fn stored_campaign(&self, campaign: &str) -> Campaign {
        let found = campaign::store::get(self.host.table(), id(campaign)).await;
        found.expect("the table answers").expect("the campaign exists")
    }

    /// The quota group of the campaign's connection as stored.
    ///
    /// # Panics
    /// If it can't be read, or has none.
    pub async fn stored_quota_group(&self, campaign: &str) -> String {
        let id = self.stored_campaign(campaign).await.settings.connection_id;
        let found = connection::store::get(self.host.table(), id).await;
        let connection = found.expect("the table answers").expect("the connection exists");
        connection.quota_group.expect("a quota")
    }

    /// The campaign's recipients as stored.
    ///
    /// # Panics
    /// If they can't be read.
    pub async fn stored_recipients(&self, campaign: &str) -> Vec<Recipient> {
        let campaign = self.stored_campaign(campaign).await;
        let (table, set) = (self.host.table(), campaign.recipients());
        let (mut recipients, mut cursor): (_, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = recipient::store::walk(table, set, cursor.as_ref(), PAGE).await;
            let (page, next) = page.expect("the table answers");
            recipients.extend(page);
            if next.is_none() {
                return recipients;
            }
            cursor = next;
        }
    }

    /// The campaign's batches.
    ///
    /// # Panics
    /// If they can't be read.
    pub async fn batches(&self, campaign: &str) -> Vec<Batch> {
        let batches = batch::store::of_campaign(self.host.table(), id(campaign)).await;
        batches.expect("the table answers")
    }

    /// The recipients of a batch: those in its ranges, or on its list.
    ///
    /// # Panics
    /// If they can't be read.
    pub async fn recipients_in(&self, batch: &Batch) -> Vec<Recipient> {
        let campaign = self.stored_campaign(&batch.name.campaign.to_string()).await;
        let (table, of) = (self.host.table(), campaign.recipients());
        let (mut unread, mut recipients) = (batch.unread(), Vec::new());
        loop {
            let page = batch::store::read_on(table, of, &mut unread).await;
            let Some(page) = page.expect("the table answers") else { return recipients };
            recipients.extend(page);
        }
    }

    /// The campaign's counters without the figures by day, and a recount of its
    /// recipients, once every change of the table is counted.
    ///
    /// # Panics
    /// If they can't be read.
    pub async fn counters_and_recount(&self, campaign: &str) -> (Tally, Tally) {
        self.host.wait_until_counted().await;
        let (table, campaign) = (self.host.table(), self.stored_campaign(campaign).await);
        let counters = analytics::store::read(table, campaign.id, campaign.shards).await;
        let mut counters = counters.expect("the table answers");
        counters.0.retain(|name, _| !name.starts_with("d_"));
        let recount = analytics::store::recount(table, &campaign).await;
        (counters, recount.expect("the table answers"))
    }

    /// Asserts that the campaign's counters equal a recount of its recipients.
    ///
    /// # Panics
    /// If they differ.
    pub async fn assert_counters_exact(&self, campaign: &str) {
        let (counters, recount) = self.counters_and_recount(campaign).await;
        assert_eq!(counters, recount, "campaign {campaign}");
    }

    /// The items of the table that contain a text.
    ///
    /// # Panics
    /// If they can't be read.
    pub async fn items_containing(&self, text: &str) -> Vec<Item> {
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let page = self.host.table().scan(after).await.expect("the table answers");
            items.extend(page.items.into_iter().filter(|item| format!("{item:?}").contains(text)));
            after = page.next;
            if after.is_none() {
                return items;
            }
        }
    }

    /// Makes the table as it was when these were all its items, but for the counters: they
    /// follow the changes that this makes.
    ///
    /// # Panics
    /// If it can't be written.
    pub async fn restore(&self, backup: Vec<Item>) {
        let key_of = |item: &Item| {
            let text = |name: &str| item[name].as_s().cloned().expect("a text");
            Key::parse(&text(Shape::PK), &text(Shape::SK)).expect("a key")
        };
        let is_counted = |key: &Key| matches!(key, Key::Counters { .. } | Key::Watermark { .. });
        let kept: Vec<Key> = backup.iter().map(key_of).collect();
        let table = self.host.table();
        for item in self.items_containing("").await {
            let key = key_of(&item);
            if !kept.contains(&key) && !is_counted(&key) {
                table.write(Write::delete(&key)).await.expect("deleted");
            }
        }
        for item in backup.into_iter().filter(|item| !is_counted(&key_of(item))) {
            let put = Write::Put { item, guard: Guard::default() };
            table.write(put).await.expect("written");
        }
    }
}

fn id(campaign: &str) -> CampaignId {
    campaign.parse().expect("a campaign's id")
}

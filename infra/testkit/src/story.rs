//! Stories over the API: connect a number, create a campaign, upload its contacts,
//! start it, read its report.

use std::ops::Range;

use serde_json::{Value, json};

use crate::host_setup::{APP_SECRET, VERIFY_TOKEN};
use crate::{Response, World, contacts_csv};

/// Connections and campaigns.
impl World {
    /// Creates a connection to the simulator and returns its id.
    pub async fn connection(&self) -> String {
        self.connection_with(json!({})).await
    }

    /// Creates a connection to the simulator. `settings` replace or add fields of the
    /// request.
    pub async fn connection_with(&self, settings: Value) -> String {
        let mut body = json!({
            "name": "Main",
            "provider": Self::sender("800000000000001", "900000000000001"),
            "credentials": {
                "access_token": "EAAtoken", "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN,
            },
            "throughput_mps": 80, "quota_limit": 100_000,
        });
        merge(&mut body, settings);
        self.post("/v1/connections", &body).await.expect(201).string("id")
    }

    /// The `provider` of a connection to a number of a WhatsApp Business Account.
    pub fn sender(phone_number_id: &str, waba_id: &str) -> Value {
        let settings = json!({"phone_number_id": phone_number_id, "waba_id": waba_id});
        json!({"type": "whatsapp_cloud", "whatsapp_cloud": settings})
    }

    /// Creates a draft that sends a template with the recipient's first name, and
    /// returns its id. `settings` replace or add fields of the request.
    pub async fn campaign(&self, connection: &str, settings: Value) -> String {
        let mut body = json!({
            "name": "Spring", "connection_id": connection, "speed": "fast",
            "message": {"type": "template", "template": {"name": "spring_offer", "language": "en_US", "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "{first_name}"}]}
            ]}},
        });
        merge(&mut body, settings);
        self.post("/v1/campaigns", &body).await.expect(201).string("id")
    }

    /// A draft with contacts 0 to `count`, on a new connection.
    pub async fn draft(&self, count: u32) -> String {
        self.draft_with(count, json!({})).await
    }

    /// [`World::draft`] with `settings` of the campaign.
    pub async fn draft_with(&self, count: u32, settings: Value) -> String {
        let connection = self.connection().await;
        self.draft_on(&connection, 0..count, settings).await
    }

    /// A draft with these contacts on a connection, with `settings` of the campaign.
    pub async fn draft_on(
        &self,
        connection: &str,
        contacts: Range<u32>,
        settings: Value,
    ) -> String {
        let campaign = self.campaign(connection, settings).await;
        self.upload(&campaign, contacts_csv(contacts)).await.expect(200);
        campaign
    }

    /// A started campaign with contacts 0 to `count`, on a new connection.
    pub async fn started(&self, count: u32) -> String {
        self.started_with(count, json!({})).await
    }

    /// [`World::started`] with `settings` of the campaign.
    pub async fn started_with(&self, count: u32, settings: Value) -> String {
        let connection = self.connection().await;
        self.started_on(&connection, 0..count, settings).await
    }

    /// A started campaign with these contacts on a connection, with `settings` of the
    /// campaign.
    pub async fn started_on(
        &self,
        connection: &str,
        contacts: Range<u32>,
        settings: Value,
    ) -> String {
        let campaign = self.draft_on(connection, contacts, settings).await;
        self.start(&campaign).await.expect(200);
        campaign
    }

    /// Uploads recipients.
    pub async fn upload(&self, campaign: &str, csv: impl Into<Vec<u8>>) -> Response {
        self.post_csv(&format!("/v1/campaigns/{campaign}/recipients"), csv.into()).await
    }

    /// Starts a campaign.
    pub async fn start(&self, campaign: &str) -> Response {
        self.transition(campaign, "start").await
    }

    /// Pauses a campaign.
    pub async fn pause(&self, campaign: &str) -> Response {
        self.transition(campaign, "pause").await
    }

    /// Resumes a campaign.
    pub async fn resume(&self, campaign: &str) -> Response {
        self.transition(campaign, "resume").await
    }

    /// Cancels a campaign.
    pub async fn cancel(&self, campaign: &str) -> Response {
        self.transition(campaign, "cancel").await
    }

    async fn transition(&self, campaign: &str, action: &str) -> Response {
        self.post(&format!("/v1/campaigns/{campaign}/{action}"), &json!({})).await
    }

    /// The campaign's report, once every change of the table is counted.
    pub async fn report(&self, campaign: &str) -> Response {
        self.host.wait_until_counted().await;
        self.get(&format!("/v1/campaigns/{campaign}/report")).await.expect(200)
    }

    /// The campaign's analytics by day, once every change of the table is counted.
    pub async fn analytics(&self, campaign: &str) -> Response {
        self.host.wait_until_counted().await;
        self.get(&format!("/v1/campaigns/{campaign}/analytics")).await.expect(200)
    }

    /// The campaign's recipients, at most 500, in the order of their keys.
    pub async fn recipients(&self, campaign: &str) -> Vec<Value> {
        let path = format!("/v1/campaigns/{campaign}/recipients?limit=500");
        let mut recipients = self.get(&path).await.expect(200).items();
        recipients.sort_by_key(|recipient| recipient["address"].to_string());
        recipients
    }
}

/// Contacts, by phone number or BSUID.
impl World {
    /// Finds a contact by its address: the answer's `items` have at most one.
    pub async fn find_contact(&self, address: &str) -> Response {
        self.post("/v1/contacts/search", &json!({ "address": address })).await
    }

    /// The id of the contact with an address.
    ///
    /// # Panics
    /// If there is none.
    pub async fn contact_id(&self, address: &str) -> String {
        let found = self.find_contact(address).await.expect(200);
        let id =
            found.items().first().and_then(|contact| contact["id"].as_str().map(str::to_owned));
        id.unwrap_or_else(|| panic!("no contact has the address {address}"))
    }

    /// Reads the contact with an address.
    pub async fn contact(&self, address: &str) -> Response {
        self.get(&self.contact_path(address).await).await
    }

    /// Creates the contact of a person with these addresses.
    pub async fn create_contact(&self, addresses: &[&str]) -> Response {
        self.post("/v1/contacts", &json!({ "addresses": addresses })).await
    }

    /// Adds a contact to the blacklist.
    pub async fn blacklist(&self, address: &str) -> Response {
        self.post("/v1/suppressions", &json!({ "address": address })).await
    }

    /// Removes a contact from the blacklist.
    pub async fn unblacklist(&self, address: &str) -> Response {
        let contact = self.contact_id(address).await;
        let uuid = contact.trim_start_matches("ctc_");
        self.delete(&format!("/v1/suppressions/sup_blacklisted_{uuid}")).await
    }

    /// Erases a contact.
    pub async fn erase(&self, address: &str) -> Response {
        self.post(&format!("{}/erase", self.contact_path(address).await), &json!({})).await
    }

    async fn contact_path(&self, address: &str) -> String {
        format!("/v1/contacts/{}", self.contact_id(address).await)
    }
}

fn merge(body: &mut Value, settings: Value) {
    if let (Value::Object(body), Value::Object(settings)) = (body, settings) {
        body.extend(settings);
    }
}

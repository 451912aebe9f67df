//! What people do: make campaigns, start them, and change their minds.

use std::fmt::Write;

use carillon::campaign::Status;
use carillon::contact::ContactKey;
use carillon::ids::CampaignId;
use carillon::recipient;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::stage::{APP_SECRET, Stage};
use crate::table::Broken;
use crate::watch::Whom;

const ZONES: [&str; 4] = ["UTC", "America/Bogota", "Asia/Kolkata", "Europe/Madrid"];
const WINDOWS: [(&str, &str); 4] =
    [("08:00", "20:00"), ("20:00", "04:00"), ("09:30", "11:00"), ("06:00", "23:59")];
const SPEEDS: [&str; 3] = ["fast", "normal", "slow"];

/// The office: what was made, and what the limits are.
pub(crate) struct Office {
    pub(crate) campaigns: Vec<CampaignId>,
    /// Unique people in 24 hours.
    pub(crate) limit: u64,
    /// How many contacts there are to choose from.
    pool: u64,
}

impl Office {
    /// Connects the numbers, and makes and starts the campaigns.
    pub(crate) async fn open(stage: &Stage) -> Result<Self, Broken> {
        let dice = &stage.dice;
        let limit = dice.between(12, 45);
        let mut connections = Vec::new();
        for number in 0..dice.between(1, 2) {
            let body = json!({
                "name": "Shop", "phone_number_id": format!("80000000000000{number}"),
                "access_token": "token", "app_secret": APP_SECRET, "portfolio": "everyone",
                "throughput_mps": dice.between(4, 40), "messaging_limit": limit,
            });
            let made = stage.ask("POST", "/v1/connections?check=false", Some(body)).await?;
            connections.push(id_of(made)?);
        }
        let mut office = Self { campaigns: Vec::new(), limit, pool: dice.between(40, 90) };
        for _ in 0..dice.between(2, 4) {
            office.make_campaign(stage, &connections).await?;
        }
        Ok(office)
    }

    async fn make_campaign(&mut self, stage: &Stage, connections: &[String]) -> Result<(), Broken> {
        let dice = &stage.dice;
        let mut body = json!({
            "name": "Spring", "connection_id": dice.pick(connections),
            "message": { "text": { "body": "Hello {first_name}" } },
            "daily_send_limit": dice.between(5, 25), "speed": dice.pick(&SPEEDS),
            "priority": dice.between(1, 10), "timezone": dice.pick(&ZONES),
        });
        if dice.permille(500) {
            body["send_window"] = window(dice);
        }
        let day = |days: u64| stage.clock.now() + SignedDuration::from_hours(days as i64 * 24 + 3);
        if dice.permille(300) {
            body["scheduled_start"] = json!(day(dice.between(0, 6)).to_string());
        }
        if dice.permille(200) {
            body["scheduled_end"] = json!(day(dice.between(7, 20)).to_string());
        }
        let id = id_of(stage.ask("POST", "/v1/campaigns", Some(body)).await?)?;
        stage.upload(&id, self.file(dice, dice.between(15, 45))).await?;
        let (status, answer) =
            stage.ask("POST", &format!("/v1/campaigns/{id}/start"), None).await?;
        if status != 200 {
            return Err(format!("a campaign can't be started: {answer}").into());
        }
        self.campaigns.push(id.parse()?);
        Ok(())
    }

    /// A file of so many contacts, some of them twice.
    fn file(&self, dice: &Dice, count: u64) -> String {
        let mut csv = "phone,first_name\n".to_owned();
        for _ in 0..count {
            let number = dice.below(self.pool);
            // Writing to a string can't fail.
            let _ = writeln!(csv, "{},Person {number}", phone(number));
        }
        csv
    }

    /// Somebody does something.
    pub(crate) async fn stir(&self, stage: &Stage) -> Result<(), Broken> {
        let dice = &stage.dice;
        let Some(id) = dice.pick(&self.campaigns).copied() else { return Ok(()) };
        let path = format!("/v1/campaigns/{id}");
        match dice.below(100) {
            0..20 => self.tell(stage, id, "pause").await?,
            20..42 => self.tell(stage, id, "resume").await?,
            42..44 => self.tell(stage, id, "cancel").await?,
            44..62 => {
                stage.ask("PATCH", &path, Some(changes(dice))).await?;
            }
            62..66 => {
                let contact = phone(dice.below(self.pool)).replace('+', "%2B");
                stage.ask("PUT", &format!("/v1/contacts/{contact}/blacklist"), None).await?;
            }
            66..68 => {
                let contact = phone(dice.below(self.pool)).replace('+', "%2B");
                stage.ask("DELETE", &format!("/v1/contacts/{contact}"), None).await?;
            }
            68..80 => {
                stage.upload(&id.to_string(), self.file(dice, dice.between(1, 8))).await?;
            }
            80..94 => self.change_one(stage, recipient::Status::Unconfirmed, "retry").await?,
            _ => self.change_one(stage, recipient::Status::Read, "close").await?,
        }
        Ok(())
    }

    async fn tell(&self, stage: &Stage, id: CampaignId, what: &str) -> Result<(), Broken> {
        stage.ask("POST", &format!("/v1/campaigns/{id}/{what}"), None).await?;
        Ok(())
    }

    /// Everything that was held goes on.
    pub(crate) async fn resume_all(&self, stage: &Stage) -> Result<(), Broken> {
        for id in &self.campaigns {
            let status = stage.watch.known().campaign(*id).map(|campaign| campaign.status);
            if matches!(status, Some(Status::Paused | Status::Halted)) {
                self.tell(stage, *id, "resume").await?;
            }
        }
        Ok(())
    }

    async fn change_one(
        &self,
        stage: &Stage,
        status: recipient::Status,
        action: &str,
    ) -> Result<(), Broken> {
        stage.watch.catch_up()?;
        let found: Vec<(Whom, u32)> = {
            let known = stage.watch.known();
            let all = known.recipients.iter().filter(|(_, found)| found.status == status);
            all.map(|(whom, found)| (whom.clone(), found.attempt)).collect()
        };
        let Some((whom, attempt)) = stage.dice.pick(&found).cloned() else { return Ok(()) };
        if action == "retry" {
            stage.whatsapp.log().ask_for(whom.clone(), attempt + 1);
        }
        let (campaign, contact) = whom;
        let path = format!("/v1/campaigns/{campaign}/recipients/{}", in_path(&contact));
        stage.ask("PATCH", &path, Some(json!({ "action": action }))).await?;
        Ok(())
    }
}

fn changes(dice: &Dice) -> Value {
    match dice.below(3) {
        0 => json!({ "daily_send_limit": dice.between(4, 30) }),
        1 => json!({ "priority": dice.between(1, 10) }),
        _ => json!({ "send_window": if dice.permille(400) { Value::Null } else { window(dice) } }),
    }
}

fn window(dice: &Dice) -> Value {
    let (from, to) = dice.pick(&WINDOWS).copied().unwrap_or(("08:00", "20:00"));
    json!({ "from": from, "to": to })
}

fn phone(number: u64) -> String {
    format!("+57300{number:07}")
}

fn in_path(contact: &ContactKey) -> String {
    contact.as_str().replace('+', "%2B")
}

fn id_of((status, answer): (u16, Value)) -> Result<String, Broken> {
    match answer["id"].as_str() {
        Some(id) if status < 300 => Ok(id.to_owned()),
        _ => Err(format!("nothing was made: {status} {answer}").into()),
    }
}

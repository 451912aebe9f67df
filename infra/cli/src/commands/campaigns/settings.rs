use carillon::time::Timestamp;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::message::MessageFlags;
use crate::body::Body;
use crate::client::Segment;
use crate::when;

/// The settings of a campaign that have a flag.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Name of the campaign, at most 200 characters.
    #[arg(long)]
    name: Option<String>,
    /// Connection that sends it (`carillon connections list`).
    #[arg(long, value_name = "ID")]
    connection: Option<Segment>,
    #[command(flatten)]
    message: MessageFlags,
    /// Most messages a day, 1 to 1,000,000. Carillon's default is 250.
    #[arg(long, value_name = "N")]
    daily_limit: Option<u32>,
    /// How fast it sends. Carillon's default is normal.
    #[arg(long, value_enum)]
    speed: Option<Speed>,
    /// 1 (first) to 10 (last). Carillon's default is 5.
    #[arg(long, value_name = "N")]
    priority: Option<u8>,
    /// IANA time zone in which its days are counted, such as America/Bogota. Carillon's default
    /// is UTC.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Hours in which it sends, such as 09:00-18:00, in its time zone.
    #[arg(long, value_name = "FROM-TO", value_parser = send_window)]
    send_window: Option<(String, String)>,
    /// When it starts, once `campaigns start` was given.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    start: Option<Timestamp>,
    /// When it ends; recipients that were not sent to are cancelled.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    end: Option<Timestamp>,
    /// Country in which national phone numbers of the file are read, such as CO.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// Most retries of a message that failed, 0 to 10. Carillon's default is 3.
    #[arg(long, value_name = "N")]
    max_retries: Option<u8>,
    /// Label, to find it by.
    #[arg(long)]
    tag: Option<String>,
    /// Description, at most 2,000 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Each speed has a lane of its own on a connection.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Speed {
    /// As fast as the connection may.
    Fast,
    /// Five messages a second.
    Normal,
    /// One message a second.
    Slow,
}

impl Settings {
    /// Sets what was given.
    pub(super) fn apply(self, body: &mut Body) {
        body.set("name", self.name);
        body.set("connection_id", self.connection.map(|id| id.to_string()));
        body.set("message", self.message.into_message());
        body.set("daily_send_limit", self.daily_limit);
        body.set("speed", self.speed.map(Speed::word));
        body.set("priority", self.priority);
        body.set("timezone", self.timezone);
        body.set("send_window", self.send_window.map(|(from, to)| window(&from, &to)));
        body.set("scheduled_start", self.start.map(when::rfc3339));
        body.set("scheduled_end", self.end.map(when::rfc3339));
        body.set("default_country", self.country);
        body.set("max_retries", self.max_retries);
        body.set("tag", self.tag);
        body.set("description", self.description);
    }
}

impl Speed {
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Normal => "normal",
            Self::Slow => "slow",
        }
    }
}

fn window(from: &str, to: &str) -> Value {
    json!({ "from": from, "to": to })
}

fn send_window(text: &str) -> Result<(String, String), String> {
    let (from, to) =
        text.split_once('-').ok_or_else(|| "expected hours such as 09:00-18:00".to_owned())?;
    Ok((from.trim().to_owned(), to.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn flags_become_members() {
        let line = Line::parse_from([
            "test",
            "--name",
            "Spring",
            "--connection",
            "con_1",
            "--daily-limit",
            "500",
            "--speed",
            "fast",
            "--send-window",
            "09:00-18:00",
            "--start",
            "2026-12-01T09:00:00Z",
            "--text",
            "Hello {first_name}",
        ]);
        let mut body = Body::default();
        line.settings.apply(&mut body);
        let expected = json!({
            "name": "Spring", "connection_id": "con_1", "daily_send_limit": 500, "speed": "fast",
            "send_window": {"from": "09:00", "to": "18:00"},
            "scheduled_start": "2026-12-01T09:00:00.000Z",
            "message": {"type": "text", "text": {"body": "Hello {first_name}"}},
        });
        assert_eq!(body.into_value(), expected);
    }

    #[test]
    fn a_template_needs_its_language() {
        assert!(Line::try_parse_from(["test", "--template", "spring_offer"]).is_err());
        assert!(Line::try_parse_from(["test", "--param", "first_name"]).is_err());
    }
}

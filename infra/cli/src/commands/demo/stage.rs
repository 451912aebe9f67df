//! What the demonstration runs on: a host and a simulator with one clock, on
//! their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon::ids::IdSource;
use carillon::time::{Clock, TimeZone, Timestamp, system_time};
use carillon_engines::Place;
use carillon_host::{Home, Host, HostConfig};
use secrecy::SecretString;
use serde_json::Value;
use whatsapp_simulator::{Behaviour, Config, Simulator};

use super::DemoArgs;
use crate::client::Client;
use crate::commands::error::CommandError;
use crate::commands::simulator;

/// Where the demonstration takes place.
pub(super) const ZONE: &str = "America/Bogota";
/// How much faster than the machine's its clock runs between two jumps. At this
/// rate a request still takes less of its time than Meta's limits are fine.
const RATE: f64 = 20.0;
/// When it begins, shortly before the send window opens.
const CURTAIN: (i8, i8) = (8, 50);
/// How many batches are sent at the same time; there is one lane.
const SENDERS: usize = 2;

/// The running parts.
pub(super) struct Stage {
    pub(super) host: Host,
    pub(super) simulator: Simulator,
    pub(super) clock: Clock,
    pub(super) client: Client,
    /// What the API is asked for to make the connection.
    pub(super) connection: Value,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, CommandError> {
        let ids = IdSource::random();
        let (place, admin_key, secrets_key) = belongings(args.keep.as_deref(), &ids)?;
        let clock = Clock::movable(next_curtain(Clock::system().now()), RATE);
        let config = simulator_config(args, &clock);
        let (connection, verify_token) =
            (simulator::connection(&config), config.verify_token.clone());
        let simulator = Simulator::start(config).await.map_err(CommandError::Simulator)?;
        let host = Host::start(HostConfig {
            place,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            graph_url: simulator.url(),
            public_url: None,
            admin_key: admin_key.clone(),
            secrets_key,
            clock: clock.clone(),
            ids,
            senders: SENDERS,
            minimum_share: carillon_host::MINIMUM_SHARE,
            message_retention_days: carillon_host::MESSAGE_RETENTION_DAYS,
            ticking: false,
            stream_twice: false,
        })
        .await?;
        simulator.set_webhook(&format!("{}/webhooks/whatsapp", host.url()), &verify_token);
        let client = Client::new(&host.url(), admin_key)?;
        Ok(Self { host, simulator, clock, client, connection })
    }

    /// Waits until everything that is due has happened and is counted: batches
    /// are sent, webhooks are taken. Tells whether it has..
    pub(super) async fn settle(&self) -> Result<bool, CommandError> {
        let settled = self.host.is_sent().await? && self.simulator.idle();
        if settled {
            self.host.counted().await;
        } else {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(settled)
    }

    pub(super) async fn strike(self) {
        self.host.stop().await;
        self.simulator.shutdown().await;
    }
}

/// Where the table is, and the two keys.
fn belongings(
    keep: Option<&Path>,
    ids: &IdSource,
) -> Result<(Place, SecretString, SecretString), CommandError> {
    let Some(folder) = keep else {
        let secrets_key = BASE64_STANDARD.encode(ids.bytes::<32>());
        return Ok((Place::Memory, carillon::key::generate(ids).into(), secrets_key.into()));
    };
    if folder.join("table.sqlite").exists() {
        return Err(CommandError::NotEmpty(folder.to_owned()));
    }
    let home = Home::open(folder)?;
    let place = Place::Folder(folder.to_owned());
    Ok((place, home.admin_key(None, ids)?, home.secrets_key(None, ids)?))
}

fn simulator_config(args: &DemoArgs, clock: &Clock) -> Config {
    let clock = clock.clone();
    Config {
        seed: args.seed,
        log_file: args.keep.as_ref().map(|folder| folder.join("simulator.jsonl")),
        clock: Arc::new(move || system_time(clock.now())),
        ..simulator::built_in(Behaviour::realistic())
    }
}

/// The time zone of the demonstration.
pub(super) fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

/// The next time it is ten to nine.
fn next_curtain(now: Timestamp) -> Timestamp {
    let local = now.to_zoned(zone());
    let today = local.date().at(CURTAIN.0, CURTAIN.1, 0, 0);
    let date = if local.datetime() < today {
        today.date()
    } else {
        local.date().tomorrow().unwrap_or(local.date())
    };
    let curtain = date.at(CURTAIN.0, CURTAIN.1, 0, 0).to_zoned(zone());
    curtain.map_or(now, |curtain| curtain.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_the_next_ten_to_nine() {
        for (now, begin) in [
            ("2026-11-20T13:49:00Z", "2026-11-20T13:50:00Z"),
            ("2026-11-20T13:50:00Z", "2026-11-21T13:50:00Z"),
            ("2026-11-21T04:59:00Z", "2026-11-21T13:50:00Z"),
        ] {
            let (now, begin): (Timestamp, Timestamp) =
                (now.parse().unwrap(), begin.parse().unwrap());
            assert_eq!(next_curtain(now), begin);
        }
    }
}

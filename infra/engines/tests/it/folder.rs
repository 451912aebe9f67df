//! One folder, one process, and nothing lost.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Outcome, TABLE, create_table, dynamodb, put, s};
use carillon_engines::{EngineError, Engines, Place};

/// Names the folder for the process that is killed.
const FOLDER: &str = "CARILLON_TEST_FOLDER";

#[tokio::test]
async fn a_restart_keeps_everything() -> Outcome {
    let folder = tempfile::tempdir()?;
    let place = Place::Folder(folder.path().join("made/when/missing"));
    let engines = Engines::start(place.clone())?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    let stream = engines.read_stream(TABLE, None, 10)?;
    engines.stop();

    let engines = Engines::start(place)?;

    assert!(holds(&engines, 1).await?);
    assert_eq!(engines.read_stream(TABLE, None, 10)?, stream);
    Ok(())
}

async fn holds(engines: &Engines, number: u32) -> Result<bool, Box<dyn Error>> {
    let answer = dynamodb(engines)
        .get_item()
        .table_name(TABLE)
        .key("pk", s("P"))
        .key("sk", s(format!("TO#{number}")))
        .send()
        .await?;
    Ok(answer.item.is_some())
}

#[test]
fn a_folder_opens_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let place = Place::Folder(folder.path().to_owned());
    let engines = Engines::start(place.clone())?;

    let second = Engines::start(place.clone()).expect_err("the folder is open");

    assert!(matches!(second, EngineError::InUse { .. }));
    let named = folder.path().display().to_string();
    assert!(second.to_string().contains(&named), "{second}");
    drop(engines);
    Engines::start(place)?;
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() -> Outcome {
    let folder = tempfile::tempdir()?;
    let acknowledged = write_until_killed(folder.path())?;

    let engines = Engines::start(Place::Folder(folder.path().to_owned()))?;

    assert!(acknowledged >= 100);
    for number in 0..=acknowledged {
        assert!(holds(&engines, number).await?, "{number} of {acknowledged}");
    }
    Ok(())
}

/// Runs this file's `writer` as a process, kills it in mid-flight, and says
/// the last number it had acknowledged.
fn write_until_killed(folder: &Path) -> Result<u32, Box<dyn Error>> {
    let mut writer = Command::new(std::env::current_exe()?)
        .args(["folder::writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = writer.stdout.take().ok_or("no output")?;
    let mut last = None;
    for line in BufReader::new(output).lines() {
        last = line?.strip_prefix("wrote ").and_then(|n| n.parse().ok()).or(last);
        if last == Some(150) {
            writer.kill()?;
        }
    }
    writer.wait()?;
    last.ok_or_else(|| "nothing was written".into())
}

#[tokio::test]
#[ignore = "the process that `what_was_acknowledged_survives_a_kill` kills"]
async fn writer() -> Outcome {
    let Ok(folder) = std::env::var(FOLDER) else {
        return Ok(());
    };
    let engines = Engines::start(Place::Folder(folder.into()))?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0.. {
        put(&client, number).await?;
        println!("\nwrote {number}");
    }
    Ok(())
}

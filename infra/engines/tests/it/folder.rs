//! The data folder: its lock, and what survives a restart and a kill.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use carillon_engines::{EngineError, Engines, Storage};

use crate::support::{TABLE, TestResult, create_table, dynamodb, put, s};

/// Passes the data folder to the process that the test kills.
const FOLDER_VARIABLE: &str = "CARILLON_TEST_FOLDER";

#[tokio::test]
async fn a_restart_keeps_the_items_and_the_stream() -> TestResult {
    let folder = tempfile::tempdir()?;
    let storage = Storage::Folder(folder.path().join("created/if/missing"));
    let engines = Engines::start(storage.clone())?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    put(&client, 1).await?;
    let stream = engines.read_stream(TABLE, None, 10)?;
    engines.stop();

    let engines = Engines::start(storage)?;

    assert!(has_item(&engines, 1).await?);
    assert_eq!(engines.read_stream(TABLE, None, 10)?, stream);
    Ok(())
}

async fn has_item(engines: &Engines, number: u32) -> Result<bool, Box<dyn Error>> {
    let response = dynamodb(engines)
        .get_item()
        .table_name(TABLE)
        .key("pk", s("P"))
        .key("sk", s(format!("TO#{number}")))
        .send()
        .await?;
    Ok(response.item.is_some())
}

#[test]
fn a_data_folder_opens_only_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let storage = Storage::Folder(folder.path().to_owned());
    let engines = Engines::start(storage.clone())?;

    let second = Engines::start(storage.clone()).expect_err("the folder is locked");

    assert!(matches!(second, EngineError::InUse { .. }));
    let path = folder.path().display().to_string();
    assert!(second.to_string().contains(&path), "{second}");
    drop(engines);
    Engines::start(storage)?;
    Ok(())
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() -> TestResult {
    let folder = tempfile::tempdir()?;
    let acknowledged = write_until_killed(folder.path())?;

    let engines = Engines::start(Storage::Folder(folder.path().to_owned()))?;

    assert!(acknowledged >= 100);
    for number in 0..=acknowledged {
        assert!(has_item(&engines, number).await?, "{number} of {acknowledged}");
    }
    Ok(())
}

/// Runs [`writer`] as a process and kills it. Returns the last number that it
/// acknowledged.
fn write_until_killed(folder: &Path) -> Result<u32, Box<dyn Error>> {
    let mut writer = Command::new(std::env::current_exe()?)
        .args(["folder::writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER_VARIABLE, folder)
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
    last.ok_or_else(|| "the process wrote nothing".into())
}

#[tokio::test]
#[ignore = "the process that `acknowledged_writes_survive_a_kill` kills"]
async fn writer() -> TestResult {
    let Ok(folder) = std::env::var(FOLDER_VARIABLE) else {
        return Ok(());
    };
    let engines = Engines::start(Storage::Folder(folder.into()))?;
    let client = dynamodb(&engines);
    create_table(&client).await?;
    for number in 0.. {
        put(&client, number).await?;
        println!("\nwrote {number}");
    }
    Ok(())
}

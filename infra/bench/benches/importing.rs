//! Import rows a second, and the memory it takes.

use carillon_bench::{Stage, StageConfig, Stopwatch, head, peak_rss_mib, row};
use whatsapp_simulator::Behaviour;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    head(
        "Importing CSV, one request",
        &["rows", "rows/s", "again (all duplicates), rows/s", "peak RSS before, MiB", "after, MiB"],
    );
    for rows in [20_000, 200_000] {
        runtime.block_on(measure(rows));
    }
}

async fn measure(rows: u32) {
    let config =
        StageConfig { behaviour: Behaviour::no_webhooks(), throughput: 80, counting: false };
    let stage = Stage::set(config).await;
    let campaign = stage.campaign().await;
    let before = peak_rss_mib();
    let start = Stopwatch::start();
    let added = stage.import(&campaign, 0, rows).await;
    let first = start.seconds();
    assert_eq!(added["added"], rows, "{added}");
    let start = Stopwatch::start();
    let again = stage.import(&campaign, 0, rows).await;
    assert_eq!(again["duplicates"], rows, "{again}");
    row(&[
        rows.to_string(),
        format!("{:.0}", f64::from(rows) / first),
        format!("{:.0}", f64::from(rows) / start.seconds()),
        format!("{before:.0}"),
        format!("{:.0}", peak_rss_mib()),
    ]);
    drop(stage);
}

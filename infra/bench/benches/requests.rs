//! What AWS would charge for: requests and capacity units over a whole campaign,
//! counted between Carillon and the engines, and dollars per million messages.

use carillon_bench::{Counted, Stage, StageConfig, head, row};
use whatsapp_simulator::Behaviour;

const MESSAGES: u32 = 2_000;
/// us-east-1 list prices in November 2026, dollars per million: on-demand write
/// and read request units, SQS FIFO requests.
/// Sources: AWS, "Amazon DynamoDB pricing", "Amazon SQS pricing".
const WRITES: f64 = 0.625;
const READS: f64 = 0.125;
const QUEUE: f64 = 0.50;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let mut behaviour = Behaviour::all_read();
    behaviour.webhooks.batch_max = 20;
    let stage = Stage::set(StageConfig { behaviour, throughput: 1_000, counting: true }).await;
    let campaign = stage.campaign().await;
    let (dynamodb, sqs) =
        (stage.dynamodb.as_ref().expect("counting"), stage.sqs.as_ref().expect("counting"));
    dynamodb.take();
    stage.import(&campaign, 0, MESSAGES).await;
    stage.host.wait_until_counted().await;
    let imported = dynamodb.take();
    let _ = sqs.take();
    stage.send_all(&campaign).await;
    stage.wait_for(&campaign, "read", u64::from(MESSAGES)).await;
    stage.host.wait_until_counted().await;
    let (sent, queue) = (dynamodb.take(), sqs.take());
    drop(stage);
    show("Importing, per recipient", &imported);
    show("Planning, sending, all three statuses, counting, per message", &sent);
    dollars(&imported, &sent, &queue);
}

fn show(title: &str, counted: &Counted) {
    let messages = f64::from(MESSAGES);
    head(title, &["operation", "requests", "write units", "read units"]);
    for (operation, requests) in &counted.requests {
        let per = |units: Option<&f64>| units.map_or(0.0, |units| units / messages);
        row(&[
            operation.clone(),
            format!("{:.3}", *requests as f64 / messages),
            format!("{:.3}", per(counted.write_units.get(operation))),
            format!("{:.3}", per(counted.read_units.get(operation))),
        ]);
    }
}

fn dollars(imported: &Counted, sent: &Counted, queue: &Counted) {
    let per = |sum: f64| sum / f64::from(MESSAGES);
    let writes = |counted: &Counted| per(counted.write_units.values().sum::<f64>());
    let reads = |counted: &Counted| per(counted.read_units.values().sum::<f64>());
    // An empty poll costs too, but how many there are depends on the time a
    // campaign takes, not on its messages: only those that moved a batch count.
    let moved = ["SendMessage", "DeleteMessage"];
    let queue: u64 = moved.iter().filter_map(|name| queue.requests.get(*name)).sum();
    let queue = per(queue as f64 * 1.5);
    head(
        "Dollars per million messages, us-east-1 list prices",
        &["what", "units a message", "dollars"],
    );
    let rows = [
        ("DynamoDB writes, importing", writes(imported), WRITES),
        ("DynamoDB reads, importing", reads(imported), READS),
        ("DynamoDB writes, sending and statuses", writes(sent), WRITES),
        ("DynamoDB reads, sending and statuses", reads(sent), READS),
        ("SQS requests", queue, QUEUE),
    ];
    let mut sum = 0.0;
    for (what, units, price) in rows {
        sum += units * price;
        row(&[what.to_owned(), format!("{units:.3}"), format!("{:.2}", units * price)]);
    }
    row(&["**all**".to_owned(), String::new(), format!("**{sum:.2}**")]);
}

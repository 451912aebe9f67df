//! Messages a second and processor time per message: claim, send, settle, the
//! three statuses, counters included, on a file.

use carillon_bench::{Cpu, Stage, StageConfig, Stopwatch, cpu_shares, head, row};
use whatsapp_simulator::Behaviour;

const MESSAGES: u32 = 5_000;
/// The provider's latency for one batch, in milliseconds.
const LATENCY: u64 = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("carillon")
        .enable_all()
        .build()
        .expect("a runtime");
    head(
        "Sending, `fast`, 1,000 messages a second allowed",
        &[
            "provider's latency",
            "sent, messages/s",
            "all statuses counted, messages/s",
            "our CPU, µs/message",
            "engines' CPU, µs/message",
            "simulator's CPU, µs/message",
        ],
    );
    for latency in [0, 100] {
        runtime.block_on(measure(latency));
    }
    runtime.block_on(one_batch());
}

fn behaviour(latency: u64) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.latency_ms = latency;
    behaviour.webhooks.batch_max = 20;
    behaviour
}

async fn measure(latency: u64) {
    let behaviour = behaviour(latency);
    let stage = Stage::set(StageConfig { behaviour, throughput: 1_000, counting: false }).await;
    let campaign = stage.campaign().await;
    stage.import(&campaign, 0, MESSAGES).await;
    stage.host.wait_until_counted().await;
    let (cpu, start) = (Cpu::now(), Stopwatch::start());
    stage.send_all(&campaign).await;
    let sent = start.seconds();
    stage.wait_for(&campaign, "read", u64::from(MESSAGES)).await;
    let all = start.seconds();
    let (ours, engines, simulator) = cpu_shares(&cpu, &Cpu::now(), f64::from(MESSAGES));
    let messages = f64::from(MESSAGES);
    row(&[
        format!("{latency} ms"),
        format!("{:.0}", messages / sent),
        format!("{:.0}", messages / all),
        format!("{ours:.0}"),
        format!("{engines:.0}"),
        format!("{simulator:.0}"),
    ]);
    drop(stage);
}

/// 250 messages at `fast` on an ordinary number of 80 a second.
async fn one_batch() {
    let stage =
        Stage::set(StageConfig { behaviour: behaviour(LATENCY), throughput: 80, counting: false })
            .await;
    let campaign = stage.campaign().await;
    stage.import(&campaign, 0, 250).await;
    stage.host.wait_until_counted().await;
    let start = Stopwatch::start();
    stage.send_all(&campaign).await;
    let all = start.seconds();
    let peak = stage.simulator.summary().peak_per_second;
    let log = stage.simulator.log();
    let accepted = log.iter().map(|entry| entry.at_ms);
    let span = accepted.clone().max().unwrap_or(0) - accepted.min().unwrap_or(0);
    // Accepted before its latency: the last answer comes that much later.
    let sending = (span + LATENCY) as f64 / 1_000.0;
    head(
        "One batch of 250, `fast`, a number of 80 messages a second, 100 ms latency",
        &[
            "from the first message to the last answer, s",
            "from the scheduler's run to the batch's end, s",
            "most in one second",
        ],
    );
    row(&[format!("{sending:.2}"), format!("{all:.2}"), peak.to_string()]);
    drop(stage);
}

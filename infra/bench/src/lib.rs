//! What the benchmarks share: Carillon and a simulator on one machine, a meter
//! for processor time by thread, a proxy that counts what AWS would charge for.

mod meter;
mod proxy;
mod stage;

pub use meter::{Cpu, Stopwatch, peak_rss_mib};
pub use proxy::{Counted, CountingProxy};
pub use stage::{Stage, StageConfig, cpu_shares};

/// Prints a row of a Markdown table.
pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// Prints the head of a Markdown table.
pub fn head(title: &str, cells: &[&str]) {
    println!("\n### {title}\n");
    println!("| {} |", cells.join(" | "));
    println!("|{}", "---|".repeat(cells.len()));
}

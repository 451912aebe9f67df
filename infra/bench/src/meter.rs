use std::collections::BTreeMap;
use std::fs;

/// Time on the machine's clock since it was started.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The seconds since the start.
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Processor time used so far, in microseconds, by the name of the threads that
/// used it. Reads `/proc`, so it works on Linux alone.
#[derive(Debug, Clone, Default)]
pub struct Cpu(BTreeMap<String, f64>);

/// The kernel counts in hundredths of a second for user space, on every
/// architecture Linux runs on today.
const MICROS_A_TICK: f64 = 10_000.0;

impl Cpu {
    /// What was used until now.
    pub fn now() -> Self {
        let mut used = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            if let Some((name, micros)) = thread(&task.path()) {
                *used.entry(name).or_default() += micros;
            }
        }
        Self(used)
    }

    /// What threads whose name starts with `prefix` used since `before`.
    pub fn since(&self, before: &Self, prefix: &str) -> f64 {
        let sum = |cpu: &Self| -> f64 {
            cpu.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, used)| used).sum()
        };
        sum(self) - sum(before)
    }

    /// The names of the threads.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

fn thread(task: &std::path::Path) -> Option<(String, f64)> {
    let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    // The name may hold spaces; what counts comes after the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some((name, ticks * MICROS_A_TICK))
}

/// The most memory this process has held so far, in MiB.
pub fn peak_rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

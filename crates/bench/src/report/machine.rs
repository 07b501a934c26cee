//! What the numbers were measured on.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub memory_mb: u64,
}

/// Of a process: what it holds, and what it has held at most.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub resident_mb: u64,
    pub peak_mb: u64,
}

impl Machine {
    pub fn here() -> Self {
        let field = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines()
                .find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim().to_owned()))
        };
        let unknown = || "unknown".to_owned();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            kernel: kernel.unwrap_or_else(|_| unknown()),
            memory_mb: field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)).unwrap_or_default() / 1_024,
        }
    }
}

pub fn memory_of(pid: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| kilobytes(line.strip_prefix(name)?)).map(|kb| kb / 1_024);
    Some(Memory { resident_mb: field("VmRSS:")?, peak_mb: field("VmHWM:")? })
}

/// The kernel tells processor time in ticks of a hundredth of a second, on every machine.
const TICK_NS: u64 = 10_000_000;

/// Processor time that a process has used so far, all its threads together.
pub fn cpu_ns_of(pid: u32) -> Option<u64> {
    cpu_ns_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of a process may hold blanks and brackets; behind its last bracket nothing does.
fn cpu_ns_in(stat: &str) -> Option<u64> {
    let behind_name = stat.rsplit_once(')')?.1;
    let mut ticks = behind_name.split_whitespace().skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * TICK_NS)
}

fn kilobytes(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_that_in_user_mode_and_in_the_kernel() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 3 4 20 0 9 0 1234 5678 90";
        assert_eq!(cpu_ns_in(stat), Some(1_750_000_000));
        assert_eq!(cpu_ns_in("nonsense"), None);
        assert!(cpu_ns_of(std::process::id()).is_some());
    }
}

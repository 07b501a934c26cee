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

fn kilobytes(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

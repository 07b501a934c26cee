//! The report for a terminal.

use super::{Report, Row, milliseconds, rate};

const HEAD: [&str; 12] = [
    "measured",
    "per s",
    "server us",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "shed",
    "yardstick",
    "per s",
    "ratio",
    "goal",
];

pub fn table(report: &Report) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(report.rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = heading(report).join("\n") + "\n\n";
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Words to the left, numbers to the right.
            if matches!(column, 0 | 8 | 11) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if let Some(row) = number.checked_sub(1).map(|index| &report.rows[index]) {
            row.remarks.iter().for_each(|remark| text.push_str(&format!("  {remark}\n")));
        }
    }
    if !report.growth.is_empty() {
        text.push_str(&format!("\n{}", super::growth::markdown(&report.growth)));
    }
    if !report.yardsticks.is_empty() {
        text.push('\n');
    }
    yardsticks(report).iter().for_each(|line| text.push_str(&format!("{line}\n")));
    text.push_str(&format!("\n{}\n", verdict(report)));
    text
}

pub fn heading(report: &Report) -> Vec<String> {
    let machine = &report.machine;
    let mut lines = vec![
        format!(
            "machine  {} cores, {}, Linux {}, {} MB",
            machine.cores, machine.processor, machine.kernel, machine.memory_mb
        ),
        format!("command  {}", report.command),
        format!("version  {} {}, {:.0} s", report.version, report.commit, report.seconds),
    ];
    if !report.optimised {
        lines.push("A DEBUG BUILD: these numbers say nothing about speed.".to_owned());
    }
    lines
}

fn cells(row: &Row) -> [String; 12] {
    let numbers = &row.numbers;
    let latency = |part: fn(&crate::latency::Percentiles) -> f64| {
        numbers.latency.as_ref().map_or_else(String::new, |latency| milliseconds(part(latency)))
    };
    let (name, their_per_s, ratio) = row.against.as_ref().map_or_else(Default::default, |against| {
        (against.name.clone(), rate(against.per_s), format!("{:.2}", against.ratio))
    });
    [
        row.what.clone(),
        per_s(row),
        server_us(row),
        latency(|latency| latency.p50_ms),
        latency(|latency| latency.p99_ms),
        latency(|latency| latency.p999_ms),
        latency(|latency| latency.max_ms),
        if numbers.shed > 0 { numbers.shed.to_string() } else { String::new() },
        name,
        their_per_s,
        ratio,
        goal(row),
    ]
}

/// Nothing where no rate was measured.
pub fn per_s(row: &Row) -> String {
    if row.numbers.per_s > 0.0 { rate(row.numbers.per_s) } else { String::new() }
}

pub fn server_us(row: &Row) -> String {
    row.numbers.server_us.map_or_else(String::new, |server_us| format!("{server_us:.1}"))
}

pub fn goal(row: &Row) -> String {
    let words = row.goal.as_ref().map(|goal| format!("{} {}", goal.words, if goal.met { "met" } else { "MISSED" }));
    words.unwrap_or_default()
}

pub fn yardsticks(report: &Report) -> Vec<String> {
    let line = |yardstick: &super::Yardstick| {
        let per_s = yardstick.per_s.map(|per_s| format!("{}/s", rate(per_s)));
        let latency = yardstick
            .latency
            .as_ref()
            .map(|latency| format!("p50 {} ms, p99 {} ms", milliseconds(latency.p50_ms), milliseconds(latency.p99_ms)));
        let found: Vec<String> = per_s.into_iter().chain(latency).collect();
        format!("{}: {}", yardstick.name, found.join(", "))
    };
    let memory = report
        .memory
        .map(|memory| format!("memory of the server: {} MB, {} MB at most", memory.resident_mb, memory.peak_mb));
    report.yardsticks.iter().map(line).chain(memory).collect()
}

pub fn verdict(report: &Report) -> String {
    let verdict = &report.integrity;
    let counts = format!(
        "{} orders acknowledged, {} calls unanswered, {} orders found, {} pieces sold",
        verdict.acknowledged, verdict.unanswered, verdict.orders_seen, verdict.sold
    );
    if verdict.holds() {
        return format!("books: right ({counts})");
    }
    let told = verdict.faults.told.iter().map(|fault| format!("\n  {fault}")).collect::<String>();
    format!("books: WRONG, {} faults ({counts}){told}", verdict.faults.found)
}

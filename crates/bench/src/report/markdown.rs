//! The report as a Markdown page, with the chart next to it.

use super::table::{goal, heading, per_s, server_us, verdict, yardsticks};
use super::{Report, Row, milliseconds, rate};

/// Both charts are named as the page should link them.
pub fn markdown(report: &Report, chart: &str, growth_chart: &str) -> String {
    let mut page = String::new();
    heading(report).iter().for_each(|line| page.push_str(&format!("    {line}\n")));
    page.push_str(&format!("\n![rates next to their yardsticks]({chart})\n\n"));
    page.push_str("| | per s | server µs | p50 ms | p99 ms | p99.9 ms | max ms | yardstick | per s | ratio | goal |\n");
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---|\n");
    report.rows.iter().for_each(|row| page.push_str(&line(row)));
    page.push('\n');
    if !report.growth.is_empty() {
        page.push_str(&format!("![what more orders cost]({growth_chart})\n\n"));
        page.push_str(&super::growth::markdown(&report.growth));
        page.push('\n');
    }
    for row in report.rows.iter().filter(|row| !row.remarks.is_empty()) {
        page.push_str(&format!("- {}: {}\n", row.what, row.remarks.join("; ")));
    }
    yardsticks(report).iter().for_each(|line| page.push_str(&format!("- {line}\n")));
    page.push_str(&format!("- {}\n", verdict(report).replace('\n', " ")));
    page
}

fn line(row: &Row) -> String {
    let numbers = &row.numbers;
    let latency = numbers.latency.as_ref().map_or_else(
        || " | | | ".to_owned(),
        |found| {
            let parts = [found.p50_ms, found.p99_ms, found.p999_ms, found.max_ms];
            parts.map(milliseconds).join(" | ")
        },
    );
    let against = row.against.as_ref().map_or_else(
        || " | | ".to_owned(),
        |against| format!("{} | {} | **{:.2}**", against.name, rate(against.per_s), against.ratio),
    );
    format!("| {} | {} | {} | {latency} | {against} | {} |\n", row.what, per_s(row), server_us(row), goal(row))
}

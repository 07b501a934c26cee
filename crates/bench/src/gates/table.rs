//! The gates as one table for a terminal.

use super::{GatesReport, Row};

const HEAD: [&str; 10] =
    ["gate", "place", "held/s", "success %", "busy", "unclear", "given", "oversold", "leaked", "false sold-outs"];

pub fn table(report: &GatesReport) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(report.rows.iter().map(cells));
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or_default()).collect();
    let mut text = format!(
        "{} callers at once, {} s each, spread over {} products; then 200 pieces that everybody wants\n",
        report.callers, report.seconds, report.products
    );
    text += &format!("machine  {} cores, {}\n", report.machine.cores, report.machine.processor);
    if !report.optimised {
        text += "A DEBUG BUILD: these rates say nothing about speed.\n";
    }
    text.push('\n');
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Words to the left, numbers to the right.
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    for missing in &report.not_run {
        text += &format!("!!!! NOT RUN: {}: {}\n", missing.gate, missing.why);
    }
    let verdict = if report.holds() { "every piece was given once and came back" } else { "A COUNT IS WRONG" };
    text + "\n" + verdict + "\n"
}

fn cells(row: &Row) -> [String; 10] {
    let counts = &row.counts;
    [
        row.gate.to_owned(),
        row.place.to_owned(),
        format!("{:.0}", counts.held_per_s),
        format!("{:.1}", counts.success * 100.0),
        counts.busy.to_string(),
        counts.unclear.to_string(),
        format!("{}/{}", counts.given, counts.scarce),
        counts.oversold.to_string(),
        counts.leaked.to_string(),
        counts.false_sold_outs.to_string(),
    ]
}

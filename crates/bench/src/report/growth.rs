//! What more orders cost, as a picture: four small charts over the same logarithmic axis, each with a scale of its own
//! that begins at zero, so that a flat line is flat and a steep one steep.

use std::fmt::Write;

use super::chart::text;
use super::{GrowthStep, Report, rate};

const WIDTH: u32 = 860;
const PANEL_WIDTH: f64 = 360.0;
const PANEL_HEIGHT: f64 = 130.0;
const LEFT: f64 = 60.0;
const BETWEEN_X: f64 = 430.0;
const BETWEEN_Y: f64 = 220.0;
const TOP: f64 = 90.0;
const COLOURS: [&str; 4] = ["#2563eb", "#d97706", "#059669", "#7c3aed"];

/// A line of a chart: its name and its value at a step.
type Line = (&'static str, fn(&GrowthStep) -> Option<f64>);

const PANELS: [(&str, &[Line]); 4] = [
    ("orders a second", &[("placed, 64 connections", |step| Some(step.placed_per_s))]),
    (
        "p99, ms",
        &[
            ("place", |step| step.place_p99_ms),
            ("newest orders", |step| step.list_p99_ms),
            ("one user's", |step| step.user_p99_ms),
            ("filtered search", |step| step.search_p99_ms),
        ],
    ),
    ("memory, MB", &[("after a start", |step| step.memory_mb.map(|memory_mb| memory_mb as f64))]),
    ("start after a kill, ms", &[("until ready", |step| Some(step.start_ms))]),
];

/// None where nothing has grown.
pub fn chart(report: &Report) -> Option<String> {
    if report.growth.is_empty() {
        return None;
    }
    let height = TOP + 2.0 * BETWEEN_Y;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, 16, 26, "#1c2430", "What more orders in the store cost");
    let under = format!("{} cores, {}; {}", report.machine.cores, report.machine.processor, report.commit);
    text(&mut svg, 16, 44, "#5b6675", &under);
    for (number, (title, lines)) in PANELS.iter().enumerate() {
        let x = LEFT + BETWEEN_X * (number % 2) as f64;
        let y = TOP + BETWEEN_Y * (number / 2) as f64;
        panel(&mut svg, (x, y), title, lines, &report.growth);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn panel(svg: &mut String, (x, y): (f64, f64), title: &str, lines: &[Line], steps: &[GrowthStep]) {
    let most = lines.iter().flat_map(|(_, value)| steps.iter().filter_map(value)).fold(1e-9, f64::max);
    let least_log = (steps[0].orders as f64).log10();
    let whole_log = ((steps[steps.len() - 1].orders as f64).log10() - least_log).max(1e-9);
    let across = |step: &GrowthStep| x + PANEL_WIDTH * ((step.orders as f64).log10() - least_log) / whole_log;
    let bottom = y + PANEL_HEIGHT;
    text(svg, x as u32, y as u32 - 12, "#1c2430", title);
    writeln!(svg, "<path d=\"M{x:.0} {y:.0}V{bottom:.0}H{:.0}\" fill=\"none\" stroke=\"#b6bfca\"/>", x + PANEL_WIDTH)
        .expect("a string takes everything");
    let shown = if most < 10.0 { format!("{most:.1}") } else { rate(most) };
    text(svg, (x - 48.0) as u32, y as u32 + 8, "#5b6675", &shown);
    for step in steps {
        text(svg, across(step) as u32 - 12, bottom as u32 + 16, "#5b6675", &short(step.orders));
    }
    for (number, ((name, value), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = steps
            .iter()
            .filter_map(|step| Some(format!("{:.1},{:.1}", across(step), bottom - PANEL_HEIGHT * value(step)? / most)))
            .collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        )
        .expect("a string takes everything");
        text(svg, x as u32 + 92 * number as u32, bottom as u32 + 36, colour, name);
    }
}

/// 10 k, 300 k, 1 M.
pub fn short(orders: u64) -> String {
    match orders {
        1_000_000.. => format!("{:.1} M", orders as f64 / 1e6).replace(".0 ", " "),
        _ => format!("{:.0} k", orders as f64 / 1e3),
    }
}

/// The steps as a Markdown table.
pub fn markdown(steps: &[GrowthStep]) -> String {
    let mut page = String::from(
        "| orders in the store | bulk orders/s | placed/s | place p99 ms | newest orders p99 ms | one user's p99 ms | \
         filtered search p99 ms | start after a kill ms | memory MB | disk MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for step in steps {
        let ms = |value: Option<f64>| value.map_or_else(String::new, super::milliseconds);
        let cells = [
            short(step.orders),
            step.filled_per_s.map_or_else(String::new, rate),
            rate(step.placed_per_s),
            ms(step.place_p99_ms),
            ms(step.list_p99_ms),
            ms(step.user_p99_ms),
            ms(step.search_p99_ms),
            format!("{:.0}", step.start_ms),
            step.memory_mb.map_or_else(String::new, |memory_mb| memory_mb.to_string()),
            step.disk_mb.to_string(),
        ];
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    page
}

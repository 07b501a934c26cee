//! The report as a picture: for each measurement two bars, ours and the yardstick's, each pair on a scale of its own.
//!
//! Rates of different things have nothing to do with each other; a ratio has. So the longer bar of a pair is always as
//! long, and the numbers stand beside the bars.

use std::fmt::Write;

use super::{Report, Row, rate};

const WIDTH: u32 = 860;
const LABEL_WIDTH: u32 = 250;
const BAR_WIDTH_MAX: f64 = 420.0;
const PAIR_HEIGHT: u32 = 52;
const TOP: u32 = 56;

/// Rows without a yardstick are not drawn.
pub fn chart(report: &Report) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.against.is_some()).collect();
    let height = TOP + PAIR_HEIGHT * rows.len() as u32 + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"600\" fill=\"#1c2430\">Rates next to their yardsticks</text>\n"
    );
    let under = format!("{} cores, {}; {}", report.machine.cores, report.machine.processor, report.commit);
    text(&mut svg, 16, 44, "#5b6675", &under);
    for (index, row) in rows.iter().enumerate() {
        pair(&mut svg, TOP + PAIR_HEIGHT * index as u32, row);
    }
    svg.push_str("</svg>\n");
    svg
}

fn pair(svg: &mut String, top: u32, row: &Row) {
    let Some(against) = &row.against else { return };
    let (ours, theirs) = (row.numbers.per_s, against.per_s);
    let most = ours.max(theirs).max(1e-9);
    text(svg, 16, top + 20, "#1c2430", &row.what);
    text(svg, 16, top + 36, "#5b6675", &format!("ratio {:.2}", against.ratio));
    for (y, per_s, colour, name) in
        [(top + 6, ours, "#2563eb", "doos"), (top + 26, theirs, "#b6bfca", against.name.as_str())]
    {
        let width = BAR_WIDTH_MAX * per_s / most;
        writeln!(
            svg,
            "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" rx=\"2\" fill=\"{colour}\"/>"
        )
        .expect("a string takes everything");
        text(svg, LABEL_WIDTH + width as u32 + 8, y + 13, "#1c2430", &format!("{}/s {name}", rate(per_s)));
    }
}

pub fn text(svg: &mut String, x: u32, y: u32, colour: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{words}</text>").expect("a string takes everything");
}

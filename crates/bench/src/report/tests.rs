//! The forms of a report.

use super::*;
use crate::notes::Faults;

fn report() -> Report {
    let latency = Percentiles { p50_ms: 1.25, p99_ms: 12.4, p999_ms: 20.0, max_ms: 31.0 };
    let numbers = Numbers { per_s: 21_340.0, shed: 3, latency: Some(latency), ..Numbers::default() };
    let against =
        Against { name: "bare axum".to_owned(), rounds_per_s: vec![], per_s: 42_000.0, latency: None, ratio: 0.51 };
    let row = Row {
        scenario: "place",
        what: "place <many>".to_owned(),
        rounds_per_s: vec![],
        numbers,
        against: Some(against),
        goal: Some(Goal::at_least(0.5, 0.51)),
        remarks: vec!["settled in 4 s".to_owned()],
    };
    Report {
        machine: Machine { cores: 2, processor: "p".to_owned(), kernel: "k".to_owned(), memory_mb: 1 },
        command: "doos bench place".to_owned(),
        version: "1".to_owned(),
        commit: "abc".to_owned(),
        optimised: true,
        seconds: 3.0,
        rows: vec![row],
        yardsticks: vec![Yardstick {
            kind: YardstickKind::RawJournal,
            name: "raw journal".to_owned(),
            per_s: Some(312_000.0),
            order_bytes: Some(700),
            latency: None,
        }],
        growth: vec![],
        memory: None,
        integrity: Verdict::default(),
    }
}

#[test]
fn a_table_has_every_number_and_its_goal() {
    let text = table(&report());
    for words in [
        "21.3 k",
        "1.25",
        "12",
        "20",
        "31",
        "42.0 k",
        "0.51",
        ">= 0.50 met",
        "settled in 4 s",
        "312 k/s",
        "books: right",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert!(!text.contains("DEBUG"));
}

#[test]
fn a_missed_goal_wrong_books_and_a_debug_build_are_said_loudly() {
    let mut broken = report();
    broken.rows[0].goal = Some(Goal::below_ms("p99", 10.0, 12.4));
    broken.integrity.faults = Faults { found: 1, told: vec!["order 7 is lost".to_owned()] };
    broken.optimised = false;
    for text in [table(&broken), markdown(&broken, "c.svg", "g.svg")] {
        for words in ["p99 < 10 ms MISSED", "books: WRONG, 1 faults", "order 7 is lost", "A DEBUG BUILD"] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
}

#[test]
fn every_line_of_the_markdown_table_has_its_columns() {
    let mut without = report();
    without.rows.push(Row { against: None, goal: None, numbers: Numbers::default(), ..report().rows.remove(0) });
    let page = markdown(&without, "c.svg", "g.svg");
    let columns: Vec<usize> =
        page.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
    assert_eq!(columns, [12; 4]);
}

#[test]
fn bars_of_a_pair_are_to_scale_and_words_are_escaped() {
    let svg = chart(&report());
    assert!(svg.contains("place &lt;many&gt;"));
    let widths: Vec<f64> = svg
        .lines()
        .filter(|line| line.contains("rx="))
        .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths.len(), 2);
    assert!((widths[0] / widths[1] - 21_340.0 / 42_000.0).abs() < 0.001, "{widths:?}");
}

#[test]
fn the_median_is_the_middle_one() {
    assert_eq!(
        (median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0]), median(&[7.0]), median(&[])),
        (2.0, 2.0, 7.0, 0.0)
    );
}

#[test]
fn capacity_is_computed_from_measured_costs_or_not_at_all() {
    assert_eq!(capacity(&report()), None, "nothing was measured of lives and reads");
    let mut whole = report();
    for (scenario, server_us) in [("life", 100.0), ("delivered", 200.0), ("read", 10.0)] {
        let numbers = Numbers { server_us: Some(server_us), ..Numbers::default() };
        whole.rows.push(Row { scenario, numbers, ..report().rows.remove(0) });
    }
    whole.yardsticks.push(Yardstick {
        kind: YardstickKind::RawSqlite,
        name: "raw SQLite".to_owned(),
        per_s: Some(8_000.0),
        order_bytes: Some(700),
        latency: None,
    });
    let page = capacity(&whole).unwrap();
    let line = page.lines().find(|line| line.contains("10 k orders/s")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    // 10,000 times 100 µs are one of two cores; one database takes 8,000/s, so that is what is too little first.
    assert_eq!(cells[4..=6], ["1.00", "50 %", "7.0"], "{line}");
    assert!(cells[10].starts_with("database, at 8000 orders/s"), "{line}");
    let line = page.lines().find(|line| line.contains("100 k requests")).unwrap();
    // 20,000 times 100 µs and 80,000 times 10 µs.
    assert!(line.contains("| 2.80 | 140 % |"), "{line}");
}

#[test]
fn growth_is_drawn_from_zero_and_its_table_has_every_step() {
    let mut grown = report();
    assert_eq!(growth_chart(&grown), None);
    for (orders, placed_per_s) in [(10_000, 20_000.0), (100_000, 10_000.0)] {
        grown.growth.push(GrowthStep {
            orders,
            filled_per_s: None,
            placed_per_s,
            place_p99_ms: Some(8.0),
            list_p99_ms: Some(2.0),
            user_p99_ms: Some(1.0),
            search_p99_ms: Some(4.0),
            start_ms: 150.0,
            memory_mb: Some(90),
            disk_mb: 12,
        });
    }
    let svg = growth_chart(&grown).unwrap();
    let line = svg.lines().find(|line| line.contains("<polyline")).unwrap();
    let heights: Vec<f64> = line
        .split('"')
        .nth(1)
        .unwrap()
        .split(' ')
        .map(|point| point.split(',').nth(1).unwrap().parse().unwrap())
        .collect();
    // The bottom is at 220: half the rate is half the height above it.
    assert_eq!((220.0 - heights[0], 220.0 - heights[1]), (130.0, 65.0));
    let page = markdown(&grown, "c.svg", "g.svg");
    assert!(
        page.contains("![what more orders cost](g.svg)") && page.contains("| 10 k |") && page.contains("| 100 k |")
    );
}

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
        yardsticks: vec![Yardstick { name: "raw journal".to_owned(), per_s: Some(312_000.0), latency: None }],
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
    for text in [table(&broken), markdown(&broken, "c.svg")] {
        for words in ["p99 < 10 ms MISSED", "books: WRONG, 1 faults", "order 7 is lost", "A DEBUG BUILD"] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
}

#[test]
fn every_line_of_the_markdown_table_has_its_columns() {
    let mut without = report();
    without.rows.push(Row { against: None, goal: None, numbers: Numbers::default(), ..report().rows.remove(0) });
    let page = markdown(&without, "c.svg");
    let columns: Vec<usize> =
        page.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
    assert_eq!(columns, [11; 4]);
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

//! Putting months of orders away, beside the process that runs on the store or without one.
//!
//! What holds: only rows that are folded are looked at and moved, each transaction for itself, between two tables that
//! every reader looks into. A version that is newer than the one put away lies in the journal, is found there first, and
//! brings its order back when it is folded. A power cut may take the last transactions back; then the orders are in use
//! again. So nothing is remembered for a restart.
//!
//! What must never happen: work beside a server of an older program, which would not find what is put away; once something
//! is, the database's schema number keeps such programs out.

use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::time::Timestamp;
use doos_ports::archive::{ArchivedMonth, Ask, Fate, Judge, MonthReport, Obstacles, Progress, Step, Tell, is_settled};
use rusqlite::Connection;
use std::path::Path;

use crate::books::{Books, Standing};
use crate::database::{each_in_use, first_in_use, lock_out_older, open_beside, put_away};
use crate::error::{Error, Result};
use crate::store::Layout;

const NOT_SETTLED: &str = "month_not_over";

/// Puts months away, one at a time.
pub struct Archive {
    connection: Connection,
    books: Books,
}

/// One month, and the ids that lie in it.
#[derive(Clone, Copy)]
struct Span {
    month: Month,
    low: u64,
    end: u64,
}

fn failed(source: rusqlite::Error) -> Error {
    Error::Database { action: "archive in", source }
}

impl Archive {
    /// Opens the database of a data directory beside whoever runs on it.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let books = Books::open(data_dir)?;
        Ok(Self { connection: open_beside(&Layout::of(data_dir).database())?, books })
    }

    /// What was put away, by month.
    pub fn archived(&self) -> Result<Vec<ArchivedMonth>> {
        let sql = "SELECT month, orders, began_ms, ended_ms FROM archived_months ORDER BY month";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?, row.get::<_, Option<i64>>(3)?))
        });
        let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failed)?;
        let month_of = |number: i64| {
            let month = u32::try_from(number % 100).ok().and_then(|month| Month::try_new(number / 100, month));
            let unknown = || Error::Row { what: "an archived month".to_owned(), found: format!("{number}") };
            month.ok_or_else(unknown)
        };
        let told = rows.into_iter().map(|(month, orders, began, ended)| {
            let (began_at, ended_at) = (Timestamp::from_millis(began), ended.map(Timestamp::from_millis));
            Ok(ArchivedMonth { shard: 0, month: month_of(month)?, orders: orders.cast_unsigned(), began_at, ended_at })
        });
        told.collect()
    }

    /// Puts away what is asked for and can be. What is cut off here is gone on with by the next call.
    pub fn run(&mut self, ask: Ask, now: Timestamp, judge: &Judge<'_>, tell: &Tell<'_>) -> Result<Vec<MonthReport>> {
        let mail = self.mail()?;
        let mut reports = Vec::new();
        for span in self.spans()?.into_iter().filter(|span| ask.which.takes(span.month)) {
            let told = |step: Step, done: u64| tell(&Progress { shard: 0, month: span.month, step, done });
            let mut report = MonthReport::new(0, span.month);
            let mut obstacles = self.look(span, judge, &mut report, &told)?;
            for (id, standing) in mail.iter().filter(|(id, _)| (span.low..span.end).contains(&id.get())) {
                obstacles.add(reason_of(*standing), 1, Some(*id));
            }
            obstacles.add(NOT_SETTLED, u64::from(!is_settled(span.month, now)), None);
            report.obstacles = obstacles.told();
            if report.obstacles.is_empty() {
                if ask.dry_run {
                    report.fate = Fate::Archivable;
                } else {
                    self.put_away(span, now, judge, &mut report, &told)?;
                }
            }
            reports.push(report);
        }
        Ok(reports)
    }

    /// The months of all that is in use, oldest first.
    fn spans(&self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        let mut from = 1;
        while let Some(first) = first_in_use(&self.connection, from)? {
            let unreadable = || Error::Row { what: "an order's id".to_owned(), found: format!("{first}") };
            let month = Month::of(OrderId::new(first).ok_or_else(unreadable)?.issued_at());
            let end = OrderId::floor_at(month.next().start());
            spans.push(Span { month, low: OrderId::floor_at(month.start()), end });
            from = end;
        }
        Ok(spans)
    }

    /// The orders that a message which is not done with is about.
    fn mail(&self) -> Result<Vec<(OrderId, Standing)>> {
        self.books.read(|cut| {
            let mut mail = Vec::new();
            cut.open_messages(&mut |message, standing| mail.push((message.order_id, standing)))?;
            Ok(mail)
        })
    }

    fn look(
        &self,
        span: Span,
        judge: &Judge<'_>,
        report: &mut MonthReport,
        told: &impl Fn(Step, u64),
    ) -> Result<Obstacles> {
        let mut obstacles = Obstacles::default();
        report.orders = 0;
        each_in_use(&self.connection, span.low, span.end, |id, order| {
            report.orders += 1;
            if let Some(reason) = judge(order) {
                obstacles.add(reason, 1, Some(id));
            }
            if report.orders.is_multiple_of(1_000) {
                told(Step::Looking, report.orders);
            }
        })?;
        told(Step::Looking, report.orders);
        Ok(obstacles)
    }

    fn put_away(
        &mut self,
        span: Span,
        now: Timestamp,
        judge: &Judge<'_>,
        report: &mut MonthReport,
        told: &impl Fn(Step, u64),
    ) -> Result<()> {
        lock_out_older(&self.connection)?;
        let month = span.month.year * 100 + i64::from(span.month.month);
        let begun = "INSERT INTO archived_months (month, orders, began_ms) VALUES (?1, 0, ?2)
                     ON CONFLICT (month) DO UPDATE SET ended_ms = NULL";
        self.connection.execute(begun, (month, now.as_millis())).map_err(failed)?;
        let mut from = span.low;
        loop {
            let done = put_away(&mut self.connection, (from, span.end), month, |order| judge(order).is_none())?;
            let Some(last) = done.last else { break };
            from = last + 1;
            report.archived += done.orders;
            report.bytes_before += done.bytes_before;
            report.bytes_after += done.bytes_after;
            told(Step::PuttingAway, report.archived);
        }
        // What came back, or was folded into the month, while the others went.
        report.obstacles = self.look(span, judge, &mut report.clone(), &|_, _| {})?.told();
        if report.obstacles.is_empty() {
            let ended = "UPDATE archived_months SET ended_ms = ?2 WHERE month = ?1";
            self.connection.execute(ended, (month, now.as_millis())).map_err(failed)?;
            report.fate = Fate::Archived;
            told(Step::Done, report.archived);
        }
        Ok(())
    }
}

const fn reason_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Unread => "message_open",
        Standing::Waiting => "message_waiting",
        Standing::Parked => "dead_letter",
    }
}

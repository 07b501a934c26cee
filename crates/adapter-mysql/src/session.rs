//! A connection on loan, and the exchanges with the server that run on it.
//!
//! What holds: it knows whether it is clean, that is, outside of a transaction and with its last reply read. Only a clean
//! one goes back to its database; any other is closed when it is dropped.

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Params, Row, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::database::Database;
use crate::dialect::Dialect;
use crate::error::Fault;

pub(crate) struct Open {
    pub conn: Conn,
    pub dialect: Dialect,
}

/// A connection on loan.
pub(crate) struct Session {
    open: Option<Open>,
    home: Arc<Database>,
    statement_timeout: Duration,
    /// Nothing is half done on it.
    clean: bool,
    in_transaction: bool,
    /// It was open before; a failure of the first statement may only mean that the server has closed it.
    pub reused: bool,
    /// Its place among the lent ones; those that have none are kept by their owner and never returned.
    room: Option<OwnedSemaphorePermit>,
}

pub(crate) fn decode<T: FromRow>(what: &str, rows: Vec<Row>) -> Result<Vec<T>, Fault> {
    rows.into_iter().map(|row| T::from_row_opt(row).map_err(|error| Fault::row(what, error))).collect()
}

impl Session {
    pub fn lent(home: &Arc<Database>, open: Open, room: Option<OwnedSemaphorePermit>, reused: bool) -> Self {
        Self {
            open: Some(open),
            home: Arc::clone(home),
            statement_timeout: home.statement_timeout(),
            clean: true,
            in_transaction: false,
            reused,
            room,
        }
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("a session has its connection until it is dropped")
    }

    pub fn dialect(&self) -> Dialect {
        self.open.as_ref().expect("a session has its connection until it is dropped").dialect
    }

    /// The server's number for this connection, to end it by.
    pub fn id(&self) -> u32 {
        self.open.as_ref().expect("a session has its connection until it is dropped").conn.id()
    }

    /// Runs one exchange with the server under the deadline. Whoever stops listening half way leaves it unclean.
    async fn exchange<T>(&mut self, work: impl AsyncFnOnceSend<T>) -> Result<T, Fault> {
        self.clean = false;
        let (patience, name) = (self.statement_timeout, self.home.name.clone());
        let done = timeout(patience, work.call(&mut self.open().conn)).await;
        let result = match done {
            Ok(result) => result.map_err(Fault::from),
            Err(_) => return Err(Fault::Away(format!("{name} did not answer within {patience:?}"))),
        };
        self.clean = !matches!(result, Err(Fault::Away(_)));
        result
    }

    /// One statement as text; for several, the rows of the first one.
    pub async fn text(&mut self, sql: &str) -> Result<Vec<Row>, Fault> {
        self.exchange(Text(sql)).await
    }

    /// Several statements in one packet, with the rows of each.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Fault> {
        self.exchange(Texts(sql)).await
    }

    pub async fn exec(&mut self, sql: &str, params: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let params = if params.is_empty() { Params::Empty } else { Params::Positional(params) };
        self.exchange(Exec(sql, params)).await
    }

    pub async fn fetch<T: FromRow>(&mut self, what: &str, sql: &str, params: Vec<Value>) -> Result<Vec<T>, Fault> {
        decode(what, self.exec(sql, params).await?)
    }

    /// Many rows through one statement, in as few round trips as the server's dialect allows.
    pub async fn write_rows(&mut self, statement: &Statement, rows: Vec<Vec<Value>>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.dialect() {
            Dialect::MariaDb => self.exchange(Bulk(statement.for_rows(1), rows)).await,
            Dialect::MySql => {
                for (sql, params) in crate::dialect::batches(statement, rows) {
                    self.exec(&sql, params).await?;
                }
                Ok(())
            }
        }
    }

    /// Gives the next statements that many seconds more than any statement has.
    pub fn patiently(&mut self, seconds: u64) -> &mut Self {
        self.statement_timeout = self.home.statement_timeout() + Duration::from_secs(seconds);
        self
    }

    pub async fn begin(&mut self) -> Result<(), Fault> {
        self.in_transaction = true;
        self.text("START TRANSACTION").await.map(drop)
    }

    /// Says that a transaction was begun inside of a longer text.
    pub fn has_begun(&mut self) {
        self.in_transaction = true;
    }

    /// An [`Away`](Fault::Away) from here means that the outcome is unknown.
    pub async fn commit(&mut self) -> Result<(), Fault> {
        self.text("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Several statements of which the last one is a COMMIT. An [`Away`](Fault::Away) means that the outcome is unknown;
    /// after any other fault the statements behind it were not run, and the transaction is still open.
    pub async fn texts_to_commit(&mut self, sql: &str) -> Result<(), Fault> {
        self.texts(sql).await?;
        self.in_transaction = false;
        Ok(())
    }

    pub async fn rollback(&mut self) -> Result<(), Fault> {
        self.text("ROLLBACK").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Whether it could serve the next piece of work.
    pub const fn is_usable(&self) -> bool {
        self.clean && !self.in_transaction
    }

    /// Rows that the last statement changed.
    pub fn affected_rows(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.conn.affected_rows())
    }

    pub async fn affected_by(&mut self, sql: &str, params: Vec<Value>) -> Result<u64, Fault> {
        self.exec(sql, params).await?;
        Ok(self.open().conn.affected_rows())
    }

    pub async fn id_made_by(&mut self, sql: &str, params: Vec<Value>) -> Result<u64, Fault> {
        self.exec(sql, params).await?;
        self.open().conn.last_insert_id().ok_or_else(|| Fault::Refused("the server gave no number".to_owned()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_usable()
            && self.room.is_some()
            && let Some(open) = self.open.take()
        {
            self.home.take_back(open);
        }
    }
}

/// What is said to the server in one exchange. A closure could not promise that its future may change threads.
trait AsyncFnOnceSend<T>: Send {
    fn call(self, conn: &mut Conn) -> impl Future<Output = mysql_async::Result<T>> + Send;
}

struct Text<'a>(&'a str);
struct Texts<'a>(&'a str);
struct Exec<'a>(&'a str, Params);
struct Bulk(String, Vec<Vec<Value>>);

impl AsyncFnOnceSend<Vec<Row>> for Text<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Row>> {
        conn.query(self.0).await
    }
}

impl AsyncFnOnceSend<Vec<Vec<Row>>> for Texts<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Vec<Row>>> {
        let mut results = conn.query_iter(self.0).await?;
        let mut sets = Vec::new();
        while !results.is_empty() || sets.is_empty() {
            sets.push(results.collect::<Row>().await?);
            if results.is_empty() {
                break;
            }
        }
        results.drop_result().await?;
        Ok(sets)
    }
}

impl AsyncFnOnceSend<Vec<Row>> for Exec<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Row>> {
        conn.exec(self.0, self.1).await
    }
}

impl AsyncFnOnceSend<()> for Bulk {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<()> {
        conn.exec_batch(self.0, self.1.into_iter().map(Params::Positional)).await
    }
}

/// An INSERT whose row of question marks can be repeated.
pub(crate) struct Statement {
    pub head: &'static str,
    pub columns: usize,
    pub tail: &'static str,
}

impl Statement {
    /// With its rows in it.
    pub fn written_out(&self, rows: &[Vec<Value>]) -> String {
        let mut sql = format!("{} VALUES ", self.head);
        for (place, row) in rows.iter().enumerate() {
            sql += if place == 0 { "(" } else { ",(" };
            sql += &crate::dialect::list(row.iter().cloned());
            sql += ")";
        }
        sql + " " + self.tail
    }

    pub fn for_rows(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        format!("{} VALUES {} {}", self.head, vec![row; rows].join(","), self.tail)
    }
}

//! The questions. Each is one statement, so that its answer is of one instant, and of one epoch.

use async_trait::async_trait;
use doos_domain::ids::ProductId;
use doos_domain::money::Currency;
use doos_domain::order::Status;
use doos_domain::statistics::{Calendar, Figures, ProductFigures};
use doos_ports::Result;
use doos_ports::statistics::{Bucket, ProductSales, SeriesQuery, Statistics, Totals};

use super::{ENGINE, MySqlStatistics};
use crate::dialect::list;
use crate::error::Fault;

const SERVED: &str = "(SELECT served FROM t_standing WHERE one = 1)";

pub(super) const fn figures_of(
    (orders, paid_orders, units, sales_minor, refunded_minor): (i64, i64, i64, i64, i64),
) -> Figures {
    Figures { orders, paid_orders, units, sales_minor, refunded_minor }
}

pub(super) const fn product_figures_of((orders, units, sales_minor): (i64, i64, i64)) -> ProductFigures {
    ProductFigures { orders, units, sales_minor }
}

pub(super) fn currency_of(code: &str) -> Result<Currency, Fault> {
    Currency::from_code(code).ok_or_else(|| Fault::row("the statistics", format!("`{code}` is no currency")))
}

/// In the order of their codes, which is the order of the answers.
fn currencies() -> String {
    list(Currency::ALL.map(Currency::code))
}

impl MySqlStatistics {
    async fn read_series(&self, query: SeriesQuery) -> Result<Vec<Bucket>, Fault> {
        let SeriesQuery { step, from, to } = query;
        let sql = format!(
            "SELECT currency, start, orders, paid_orders, units, sales_minor, refunded_minor FROM t_sales \
             WHERE epoch = {SERVED} AND step = {} AND currency IN ({}) AND start >= {from} AND start < {to} \
             ORDER BY currency, start",
            step.minutes(),
            currencies(),
        );
        let rows = self.database.read_text::<(String, i64, i64, i64, i64, i64, i64)>("t_sales", &sql).await?;
        let bucket = |(code, start, orders, paid, units, sales, refunded): (String, i64, i64, i64, i64, i64, i64)| {
            Ok(Bucket {
                start,
                currency: currency_of(&code)?,
                figures: figures_of((orders, paid, units, sales, refunded)),
            })
        };
        rows.into_iter().map(bucket).collect()
    }

    async fn read_totals(&self) -> Result<Totals, Fault> {
        let sql = format!(
            "SELECT NULL, currency, orders, paid_orders, units, sales_minor, refunded_minor FROM t_sales \
             WHERE epoch = {SERVED} AND step = 0 AND currency IN ({}) AND start = 0 \
             UNION ALL SELECT status, '', orders, 0, 0, 0, 0 FROM t_state_count WHERE epoch = {SERVED}",
            currencies(),
        );
        type Row = (Option<u8>, String, i64, i64, i64, i64, i64);
        let mut totals = Totals::default();
        for (status, code, orders, paid, units, sales, refunded) in
            self.database.read_text::<Row>("t_state_count", &sql).await?
        {
            match status {
                Some(number) => {
                    let status = Status::from_number(number)
                        .ok_or_else(|| Fault::row("t_state_count", format!("{number} is no status")))?;
                    totals.states.insert(status, orders);
                }
                None => {
                    totals.all_time.insert(currency_of(&code)?, figures_of((orders, paid, units, sales, refunded)));
                }
            }
        }
        Ok(totals)
    }

    async fn read_top_products(&self, day: i64, limit: usize) -> Result<Vec<ProductSales>, Fault> {
        let sql = format!(
            "SELECT product_id, currency, orders, units, sales_minor FROM t_product_sales \
             WHERE epoch = {SERVED} AND day = {day} ORDER BY units DESC, sales_minor DESC, product_id LIMIT {limit}"
        );
        let rows = self.database.read_text::<(u64, String, i64, i64, i64)>("t_product_sales", &sql).await?;
        let sales = |(product, code, orders, units, sales): (u64, String, i64, i64, i64)| {
            Ok(ProductSales {
                product_id: ProductId::new(product)
                    .ok_or_else(|| Fault::row("t_product_sales", "a product out of range"))?,
                currency: currency_of(&code)?,
                figures: product_figures_of((orders, units, sales)),
            })
        };
        rows.into_iter().map(sales).collect()
    }
}

#[async_trait]
impl Statistics for MySqlStatistics {
    fn calendar(&self) -> Calendar {
        self.calendar
    }

    async fn series(&self, query: SeriesQuery) -> Result<Vec<Bucket>> {
        self.read_series(query).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn totals(&self) -> Result<Totals> {
        self.read_totals().await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn top_products(&self, day: i64, limit: usize) -> Result<Vec<ProductSales>> {
        self.read_top_products(day, limit).await.map_err(|fault| fault.undone(ENGINE))
    }
}

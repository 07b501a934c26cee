//! Sums for dashboards: sales by time, the best sold products, how many orders stand where, what runs low.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use doos_app::statistics::Day;
use doos_domain::statistics::Step;
use doos_domain::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;

use crate::payload::Parameters;
use crate::problem::{Problem, Result};
use crate::state::{Caller, State};
use crate::view::statistics::{
    FunnelView, NowView, SalesView, StockAlarmView, StockAlarmsView, SummaryView, TopProductsView,
};
use crate::{negotiate, rest, view};

const TOP_DEFAULT: usize = 10;
const ALARM_BELOW_DEFAULT: i64 = 20;
const ALARMS_DEFAULT: usize = 20;
const MINUTE_MS: i64 = 60_000;

/// What is shown is old the moment it is sent.
fn fresh(body: &impl Serialize) -> Response<Body> {
    let mut response = rest::json(StatusCode::OK, view::to_json(body));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub async fn sales(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
) -> Result<Response<Body>> {
    let step = match parameters.get("step")?.or(parameters.get("by")?) {
        None => Step::Hour,
        Some(name) => {
            Step::from_name(name).ok_or_else(|| Problem::new("invalid_request", "a step is minute, hour or day"))?
        }
    };
    let now = state.app.ports.clock.now();
    let to = time(&parameters, "to")?.unwrap_or(now);
    let span_ms = MINUTE_MS
        * match step {
            Step::Minute => 60,
            Step::Hour => 24 * 60,
            Step::Day => 30 * 24 * 60,
        };
    let from = time(&parameters, "from")?.unwrap_or_else(|| to.plus_millis(-span_ms));
    let series = state.app.sales(&principal, step, from, to).await?;
    Ok(fresh(&SalesView::of(&series, utc_offset_minutes(&state), now)))
}

pub async fn top_products(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let day = match parameters.get("day")? {
        None | Some("today") => Day::Today,
        Some("yesterday") => Day::Yesterday,
        Some(date) => Day::Number(day_number(date)?),
    };
    let limit = number(&parameters, "limit")?.unwrap_or(TOP_DEFAULT);
    let top = state.app.top_products(&principal, day, limit).await?;
    let language = negotiate::language(parameters.get("lang")?, &headers);
    let name = |id| state.app.catalog.find(id).map(|product| product.name.in_language(language).to_owned());
    Ok(fresh(&TopProductsView::of(&top, utc_offset_minutes(&state), name)))
}

pub async fn funnel(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    let summary = state.app.statistics_summary(&principal).await?;
    Ok(fresh(&FunnelView::of(&summary.totals, summary.at)))
}

pub async fn summary(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    Ok(fresh(&SummaryView::of(&state.app.statistics_summary(&principal).await?)))
}

pub async fn now(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    Ok(fresh(&NowView::of(&state.app.statistics_now(&principal).await?)))
}

pub async fn stock_alarms(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let below = number(&parameters, "below")?.unwrap_or(ALARM_BELOW_DEFAULT);
    let limit = number(&parameters, "limit")?.unwrap_or(ALARMS_DEFAULT);
    let low = state.app.stock_alarms(&principal, below, limit).await?;
    let language = negotiate::language(parameters.get("lang")?, &headers);
    let products = low.iter().map(|(product, level)| StockAlarmView::of(product, level, language)).collect();
    Ok(fresh(&StockAlarmsView { below, products }))
}

fn utc_offset_minutes(state: &State) -> i64 {
    state.app.ports.statistics.calendar().utc_offset_minutes()
}

/// A point in time as RFC 3339 has it.
pub fn time(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = parameters.get(name)? else { return Ok(None) };
    let parsed: std::result::Result<jiff::Timestamp, _> = text.parse();
    let time = parsed.map_err(|_| {
        let detail = format!("`{name}` is a time such as 2026-03-01T09:30:00Z; write a plus sign as %2B");
        Problem::new("invalid_request", detail)
    })?;
    Ok(Some(Timestamp::from_millis(time.as_millisecond())))
}

/// Days after 1970-01-01.
fn day_number(date: &str) -> Result<i64> {
    let invalid = || Problem::new("invalid_request", "a day is today, yesterday or a date such as 2026-03-01");
    let date: jiff::civil::Date = date.parse().map_err(|_| invalid())?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
    Ok(start.timestamp().as_second().div_euclid(86_400))
}

fn number<T: std::str::FromStr>(parameters: &Parameters, name: &str) -> Result<Option<T>> {
    let Some(text) = parameters.get(name)? else { return Ok(None) };
    let parsed = text.parse().map_err(|_| Problem::new("invalid_request", format!("`{name}` is a whole number")));
    parsed.map(Some)
}

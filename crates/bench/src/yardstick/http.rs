//! A bare axum server: answers a read with bytes given at the start, and an order by parsing its body and answering about
//! the same bytes as ours. No storage, no checks, no limits: the ceiling of the HTTP stack on this machine.

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Deserialize)]
struct Order {
    user_id: String,
    items: Vec<Item>,
    address: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Item {
    product_id: String,
    quantity: u32,
}

/// As many bytes as an order's answer, and as much to serialise.
#[derive(Serialize)]
struct Answer {
    order_id: &'static str,
    user_id: String,
    status: &'static str,
    version: u32,
    items: Vec<Item>,
    address: Option<String>,
    filling: &'static str,
}

/// The part of a real answer that a bare server does not have: prices, times, the first entry of the history.
const FILLING: &str = concat!(
    "total 9999 CNY 99.99 unit price 9999 CNY created 2026-01-01T00:00:00.000Z updated 2026-01-01T00:00:00.000Z ",
    "history to pending at 2026-01-01T00:00:00.000Z actor customer:42 reason placed version 1 payment captured 0 ",
    "refunded 0"
);

async fn place(Json(order): Json<Order>) -> impl IntoResponse {
    let answer = Answer {
        order_id: "117490635044462592",
        user_id: order.user_id,
        status: "pending",
        version: 1,
        items: order.items,
        address: order.address,
        filling: FILLING,
    };
    (StatusCode::CREATED, Json(answer))
}

async fn read(State(answer): State<Bytes>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

/// Serves until it is killed.
pub async fn serve(listen: SocketAddr, answer: Vec<u8>) -> Result<()> {
    let listener = super::listen(listen).await?;
    let routes = Router::new().route("/v1/orders", post(place)).route("/v1/orders/{id}", get(read));
    axum::serve(listener, routes.with_state(Bytes::from(answer))).await?;
    Ok(())
}

//! Yardsticks to measure DOOS against.
//!
//! `doos-bench bare` is a bare axum server that parses the body of an order and answers about the same bytes, with no
//! storage behind it: the ceiling of the HTTP stack on this machine. `scripts/measure.sh` runs both side by side.
//!
//! What must never happen here: a load that does not end, or a listener off loopback.

use anyhow::{Result, ensure};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Parser)]
#[command(name = "doos-bench", about = "Yardsticks to measure DOOS against")]
struct Cli {
    #[command(subcommand)]
    yardstick: Yardstick,
}

#[derive(Subcommand)]
enum Yardstick {
    /// A bare server for `POST /v1/orders`, without storage
    Bare {
        #[arg(long)]
        listen: SocketAddr,
    },
}

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

#[tokio::main]
async fn main() -> Result<()> {
    let Yardstick::Bare { listen } = Cli::parse().yardstick;
    ensure!(listen.ip().is_loopback(), "{listen} is not a loopback address");
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/v1/orders", post(place))).await?;
    Ok(())
}

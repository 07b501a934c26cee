//! The dashboard's sums and the console's search, from the outside.

use doos_ports::statistics::Statistics;
use std::sync::Arc;

use crate::client::Client;
use crate::shop::{Shop, customer, open, open_prod, operator, service, soon};
use std::cmp::Reverse;

fn amy(shop: &Shop) -> Client {
    shop.client.with(shop.token(&operator()))
}

/// What the role does: until nothing is missing.
async fn come_level(shop: &Shop) {
    let following = async { while shop.app.follow_feed(shop.app.ports.clock.now()).await.unwrap().is_behind {} };
    soon(following).await;
}

/// What `/v1/stats/now` says once nothing is missing; what goes on behind may put that off a little.
async fn level_now(shop: &Shop) -> serde_json::Value {
    let looking = async {
        loop {
            come_level(shop).await;
            let now = shop.client.get("/v1/stats/now").await.json();
            if now["projections"].as_array().unwrap().iter().all(|it| it["lag_ms"] == 0 && it["filling"] == false) {
                return now;
            }
        }
    };
    soon(looking).await
}

async fn paid(shop: &Shop, user: u64, product: u64, quantity: u32) -> String {
    let order = shop.client.order(user, product, quantity).await;
    shop.client.until(&order, "confirmed").await;
    let answer = amy(shop).post(&format!("/v1/orders/{order}:pay"), "").await;
    assert!(answer.status == 200 || answer.status == 202, "{}", answer.text);
    shop.client.until(&order, "shipped").await;
    order
}

#[tokio::test]
async fn sales_are_told_by_step_and_currency() {
    let shop = open().await;
    paid(&shop, 42, 1, 2).await;
    shop.client.order(42, 2, 1).await;
    come_level(&shop).await;
    for step in ["minute", "hour", "day"] {
        let answer = shop.client.get(&format!("/v1/stats/sales?step={step}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let series = answer.json();
        assert_eq!(series["step"], step);
        let currency = &series["currencies"][0];
        assert_eq!(currency["currency"], "CNY");
        let total = &currency["total"];
        assert_eq!((&total["orders"], &total["paid_orders"], &total["units"]), (&2.into(), &1.into(), &2.into()));
        assert_eq!((&total["sales_minor"], &total["sales"]), (&19_998.into(), &"199.98".into()));
        let buckets = currency["buckets"].as_array().unwrap();
        let sum: i64 = buckets.iter().map(|bucket| bucket["sales_minor"].as_i64().unwrap()).sum();
        assert_eq!(sum, 19_998);
    }
    let empty = shop.client.get("/v1/stats/sales?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z").await.json();
    assert_eq!(empty["currencies"], serde_json::json!([]));
    assert_eq!(empty["to"], "2001-01-02T00:00:00.000Z");
}

#[tokio::test]
async fn a_series_of_too_many_points_or_of_nonsense_is_refused() {
    let shop = open().await;
    for query in [
        "step=minute&from=2026-01-01T00:00:00Z&to=2026-01-07T22:41:00Z",
        "step=second",
        "from=yesterday",
        "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "step=hour&step=day",
    ] {
        let answer = shop.client.get(&format!("/v1/stats/sales?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        answer.problem("invalid_request");
    }
    let most = "step=minute&from=2026-01-01T00:00:00Z&to=2026-01-07T22:40:00Z";
    assert_eq!(shop.client.get(&format!("/v1/stats/sales?{most}")).await.status, 200);
    for path in [
        "top-products?day=tomorrow",
        "top-products?day=2026-02-30",
        "top-products?limit=0",
        "top-products?limit=101",
        "top-products?limit=x",
        "stock-alarms?below=many",
        "stock-alarms?limit=0",
    ] {
        shop.client.get(&format!("/v1/stats/{path}")).await.problem("invalid_request");
    }
}

#[tokio::test]
async fn the_best_sold_products_of_a_day_come_by_name() {
    let shop = open().await;
    paid(&shop, 42, 1, 2).await;
    paid(&shop, 43, 1, 1).await;
    paid(&shop, 43, 2, 1).await;
    come_level(&shop).await;
    let top = shop.client.get("/v1/stats/top-products?lang=zh").await.json();
    let first = &top["products"][0];
    assert_eq!((&first["product_id"], &first["name"]), (&"1".into(), &"商品1".into()));
    assert_eq!((&first["quantity"], &first["orders"]), (&3.into(), &2.into()));
    assert_eq!(first["sales"], serde_json::json!({"amount_minor": 29_997, "currency": "CNY"}));
    assert_eq!(top["products"].as_array().unwrap().len(), 2);
    let day = top["day"].as_str().unwrap();
    let named = shop.client.get(&format!("/v1/stats/top-products?day={day}&limit=1")).await.json();
    assert_eq!(named["products"][0]["quantity"], 3);
    assert_eq!(named["products"].as_array().unwrap().len(), 1);
    let before = shop.client.get("/v1/stats/top-products?day=yesterday").await.json();
    assert!(before["products"].as_array().unwrap().is_empty() && before["day"] != top["day"]);
}

#[tokio::test]
async fn the_glances_agree_with_each_other() {
    let shop = open().await;
    let cancelled = paid(&shop, 42, 1, 1).await;
    let kept = paid(&shop, 42, 2, 1).await;
    let open = shop.client.order(42, 101, 1).await;
    shop.client.until(&open, "confirmed").await;
    let answer = amy(&shop).post(&format!("/v1/orders/{cancelled}:cancel"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    shop.client.until(&kept, "shipped").await;
    come_level(&shop).await;
    let summary = shop.client.get("/v1/stats/summary").await.json();
    assert_eq!(summary["orders"], 3);
    assert_eq!(summary["by_status"]["cancelled"], 1);
    assert_eq!(summary["sales"], serde_json::json!([{"amount_minor": 19_999, "currency": "CNY"}]));
    assert_eq!(summary["today"]["refunded"], serde_json::json!([{"amount_minor": 9_999, "currency": "CNY"}]));
    assert_eq!(summary["yesterday"]["orders"], 0);
    let funnel = shop.client.get("/v1/stats/funnel").await.json();
    assert_eq!(funnel["by_status"], summary["by_status"]);
    assert_eq!(funnel["by_status"].as_object().unwrap().len(), 8, "every state is named");
    let now = level_now(&shop).await;
    assert_eq!((&now["orders"], &now["open_orders"], &now["today"]), (&3.into(), &2.into(), &summary["today"]));
    assert_eq!(now["projections"][0]["name"], "statistics");
    assert!(now["orders_per_s"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn products_that_run_low_are_told_least_first() {
    let shop = open().await;
    let alarms = shop.client.get("/v1/stats/stock-alarms").await.json();
    assert_eq!(alarms["below"], 20);
    let low = alarms["products"].as_array().unwrap();
    assert_eq!((low.len(), &low[0]["product_id"], &low[0]["free"]), (1, &"3".into(), &2.into()));
    let all = shop.client.get("/v1/stats/stock-alarms?below=100000&limit=2").await.json();
    assert_eq!(all["products"].as_array().unwrap().len(), 2);
    assert_eq!(all["products"][0]["product_id"], "3");
}

#[tokio::test]
async fn sums_are_for_everybody_but_customers_and_the_console_for_operators() {
    let shop = open_prod().await;
    let paths =
        ["sales", "top-products", "funnel", "summary", "now", "stock-alarms"].map(|it| format!("/v1/stats/{it}"));
    let console = ["/v1/admin/search", "/v1/admin/system", "/v1/admin/orders/1/ledger"].map(str::to_owned);
    let of_customer = shop.client.with(shop.token(&customer(42)));
    let of_service = shop.client.with(shop.token(&service()));
    for path in paths.iter().chain(&console) {
        shop.client.get(path).await.problem("token_missing");
        of_customer.get(path).await.problem("forbidden");
        let by_service = of_service.get(path).await;
        assert_eq!(by_service.status, if paths.contains(path) { 200 } else { 403 }, "{path}");
        let by_operator = amy(&shop).get(path).await;
        assert!(by_operator.status == 200 || path.ends_with("ledger"), "{path}: {}", by_operator.text);
    }
    of_service.post("/v1/admin/projections:rebuild", "").await.problem("forbidden");
}

#[tokio::test]
async fn orders_are_found_by_whatever_is_known_of_them() {
    let shop = open().await;
    let body = |user: &str, product: u64, address: &str| {
        format!(r#"{{"user_id":"{user}","items":[{{"product_id":{product},"quantity":1}}],"address":"{address}"}}"#)
    };
    let mut ids = Vec::new();
    for (user, product, address) in
        [("42", 1, "上海市静安区南京西路1266号"), ("bob", 2, "7 Harbour Street"), ("42", 101, "北京市静安里 Harbour")]
    {
        let placed = shop.client.post("/v1/orders", body(user, product, address)).await;
        assert_eq!(placed.status, 201, "{}", placed.text);
        ids.push(placed.json()["order_id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        shop.client.until(id, "confirmed").await;
    }
    come_level(&shop).await;
    let (shanghai, bob, beijing) = (ids[0].as_str(), ids[1].as_str(), ids[2].as_str());
    let by_number = format!("q={shanghai}");
    for (query, expected) in [
        ("q=%E9%9D%99%E5%AE%89", vec![beijing, shanghai]),
        ("q=%E5%8D%97%E4%BA%AC%E8%A5%BF%E8%B7%AF", vec![shanghai]),
        ("q=harb", vec![beijing, bob]),
        ("q=harbour&user_id=42", vec![beijing]),
        ("q=bob", vec![bob]),
        ("q=%E5%95%86%E5%93%812", vec![bob]),
        ("q=42", vec![beijing, shanghai]),
        (by_number.as_str(), vec![shanghai]),
        ("user_id=bob", vec![bob]),
        ("product_id=1", vec![shanghai]),
        ("status=confirmed&product_id=2", vec![bob]),
        ("status=cancelled", vec![]),
        ("to=2020-01-01T00:00:00Z", vec![]),
        ("from=2020-01-01T00:00:00Z", vec![beijing, bob, shanghai]),
        ("q=nothing", vec![]),
    ] {
        // Within one millisecond an id's bucket decides, not who came first.
        let mut expected = expected;
        expected.sort_by_key(|id: &&str| Reverse(id.parse::<u64>().unwrap()));
        let answer = shop.client.get(&format!("/v1/admin/search?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let found = answer.json();
        let found: Vec<&str> =
            found["orders"].as_array().unwrap().iter().map(|it| it["order_id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    for (query, code) in [
        ("user_id=nobody", "name_unknown"),
        ("status=lost", "invalid_request"),
        ("product_id=x", "invalid_request"),
        ("from=then", "invalid_request"),
        ("page_size=0", "invalid_page"),
        ("page_token=xyz", "invalid_page"),
    ] {
        shop.client.get(&format!("/v1/admin/search?{query}")).await.problem(code);
    }
    let long = format!("/v1/admin/search?q={}", "a".repeat(201));
    shop.client.get(&long).await.problem("invalid_request");
}

#[tokio::test]
async fn what_is_found_comes_in_pages() {
    let shop = open().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.client.order(42, 1, 1).await);
    }
    come_level(&shop).await;
    ids.reverse();
    let mut found = Vec::new();
    let mut token = String::new();
    for _ in 0..5 {
        let page = shop.client.get(&format!("/v1/admin/search?user_id=42&page_size=2&page_token={token}")).await.json();
        let orders = page["orders"].as_array().unwrap();
        found.extend(orders.iter().map(|it| it["order_id"].as_str().unwrap().to_owned()));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        let other = shop.client.get(&format!("/v1/admin/search?user_id=43&page_token={token}")).await;
        other.problem("invalid_page");
    }
    assert_eq!(found, ids);
}

#[tokio::test]
async fn an_order_shows_what_it_moved_in_the_ledger() {
    let shop = open().await;
    let order = shop.client.order(42, 1, 2).await;
    shop.client.until(&order, "confirmed").await;
    shop.client.post(&format!("/v1/orders/{order}:cancel"), "").await;
    let path = format!("/v1/admin/orders/{order}/ledger");
    let kinds = async || -> Vec<String> {
        let list = shop.client.get(&path).await.json();
        let movements = list["movements"].as_array().unwrap().iter();
        movements.map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
    };
    soon(async {
        while kinds().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(kinds().await, ["deduct", "release"]);
    shop.client.get("/v1/admin/orders/99/ledger").await.problem("not_found");
    shop.client.get("/v1/admin/orders/x/ledger").await.problem("not_found");
}

#[tokio::test]
async fn the_system_page_tells_of_queues_consumers_and_read_models() {
    let shop = open().await;
    let order = shop.client.order(42, 1, 2).await;
    shop.client.until(&order, "confirmed").await;
    let lagging = shop.client.get("/v1/admin/system").await.json();
    assert_eq!((&lagging["profile"], &lagging["dead_letters"]), (&"dev".into(), &0.into()));
    assert_eq!(lagging["queues"][0]["name"], "order_changes");
    assert_eq!(lagging["queues"][0]["max"], 4_096);
    assert_eq!(lagging["projections"][1]["name"], "search");
    let behind = |system: &serde_json::Value| system["projections"][1]["lag_ms"].as_i64().unwrap();
    let looking = async {
        while behind(&shop.client.get("/v1/admin/system").await.json()) == 0 {
            tokio::task::yield_now().await;
        }
        come_level(&shop).await;
        while behind(&shop.client.get("/v1/admin/system").await.json()) > 0 {
            come_level(&shop).await;
        }
    };
    soon(looking).await;
}

#[tokio::test]
async fn an_operator_begins_the_read_models_anew() {
    let shop = open().await;
    paid(&shop, 42, 1, 1).await;
    come_level(&shop).await;
    let before = shop.client.get("/v1/stats/summary").await.json();
    shop.client.post("/v1/admin/projections:rebuild", "").await.problem("forbidden");
    let begun = amy(&shop).post("/v1/admin/projections:rebuild", "").await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    assert_eq!(shop.client.get("/v1/stats/now").await.json()["projections"][0]["filling"], true);
    come_level(&shop).await;
    let after = shop.client.get("/v1/stats/summary").await.json();
    assert_eq!((&after["sales"], &after["by_status"]), (&before["sales"], &before["by_status"]));
    let statistics: Arc<dyn Statistics> = Arc::clone(&shop.app.ports.statistics);
    assert_eq!(statistics.totals().await.unwrap().states.values().sum::<i64>(), 1);
}

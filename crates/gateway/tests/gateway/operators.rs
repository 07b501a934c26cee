//! What operators answer for: the log of actions, letters settled in bulk, the repair of the books, pages of the ledger,
//! the state of the roles.

use doos_gateway::{AuditView, DifferenceView, Extra, RepairCall, RepairStepView, RepairView, StepOutcome};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use crate::back_office::{amy, park};
use crate::client::Client;
use crate::shop::{Setup, open, open_with};

const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn log(amy: &Client) -> Vec<Value> {
    let page = amy.get("/v1/admin/actions?page_size=100").await;
    page.json()["actions"].as_array().unwrap().clone()
}

/// Deed, subject and outcome of each entry, oldest first, without the openings of the shop.
async fn deeds(amy: &Client) -> Vec<(String, String, String)> {
    let text = |action: &Value, name: &str| action[name].as_str().unwrap().to_owned();
    let opening = |action: &&Value| !action["details"]["reference"].as_str().unwrap_or("").starts_with("opening-");
    let entries = log(amy).await;
    let told = entries.iter().rev().filter(opening);
    told.map(|it| (text(it, "deed"), text(it, "subject"), text(it, "outcome"))).collect()
}

fn entry(deed: &str, subject: &str, outcome: &str) -> (String, String, String) {
    (deed.to_owned(), subject.to_owned(), outcome.to_owned())
}

#[tokio::test]
async fn everything_dangerous_stands_in_the_log_of_actions() {
    let shop = open().await;
    let amy = amy(&shop);
    let made = amy.post("/v1/products", r#"{"name":"Cup","price":{"amount_minor":700,"currency":"CNY"}}"#).await;
    let cup = made.json()["product_id"].as_str().unwrap().to_owned();
    amy.call("PATCH", &format!("/v1/products/{cup}"), r#"{"on_sale":false}"#, None).await;
    amy.post(&format!("/v1/stock/{cup}:receive"), r#"{"quantity":5,"reference":"van 7"}"#).await;
    amy.post(&format!("/v1/stock/{cup}:write-off"), r#"{"quantity":9}"#).await.problem("not_enough_free");
    let order = shop.client.order(42, 1, 1).await;
    shop.client.until(&order, "confirmed").await;
    amy.post(&format!("/v1/orders/{order}:deliver"), "").await.problem("illegal_move");
    amy.post(&format!("/v1/orders/{order}:cancel"), "").await;
    park(&shop, "x/DeductStock", "nobody knows").await;
    amy.post("/v1/admin/dead-letters/x%2FDeductStock:discard", "").await;
    amy.post("/v1/admin/projections:rebuild", "").await;
    let expected = [
        entry("create_product", &cup, "done"),
        entry("change_product", &cup, "done"),
        entry("receive_stock", &cup, "done"),
        entry("write_off_stock", &cup, "refused"),
        entry("deliver_order", &order, "refused"),
        entry("cancel_order", &order, "done"),
        entry("discard_dead_letter", "x/DeductStock", "done"),
        entry("rebuild_projections", "", "done"),
    ];
    assert_eq!(
        deeds(&amy).await.iter().filter(|(_, subject, _)| *subject != "1").collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    let log = log(&amy).await;
    assert!(log.iter().all(|action| action["actor"] == "operator:amy" && action["at"].is_string()));
    let find = |deed: &str| log.iter().find(|action| action["deed"] == deed).unwrap();
    assert_eq!(find("write_off_stock")["code"], "not_enough_free");
    assert_eq!(find("create_product")["details"], json!({"name": "Cup", "price": "7.00 CNY"}));
    assert_eq!(find("change_product")["details"], json!({"on_sale": "false"}));
    assert_eq!(find("discard_dead_letter")["details"]["cause"], "nobody knows");
}

#[tokio::test]
async fn an_action_carries_the_trace_of_its_call() {
    let shop = open().await;
    let amy = amy(&shop);
    let request = amy.request("POST", "/v1/stock/1:receive").header("traceparent", SENT);
    let body = axum::body::Body::from(r#"{"quantity":1}"#);
    assert_eq!(amy.send(request.body(body).unwrap()).await.status, 200);
    assert_eq!(log(&amy).await[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn customers_do_not_fill_the_log_of_actions() {
    let shop = open().await;
    let before = log(&amy(&shop)).await.len();
    let order = shop.client.order(42, 1, 1).await;
    shop.client.post(&format!("/v1/orders/{order}:cancel"), "").await;
    assert_eq!(log(&amy(&shop)).await.len(), before);
}

#[tokio::test]
async fn the_log_of_actions_comes_in_pages_newest_first() {
    let shop = open().await;
    let amy = amy(&shop);
    for number in 1..=5 {
        amy.post("/v1/stock/2:receive", format!(r#"{{"quantity":{number}}}"#)).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = amy.get(&format!("/v1/admin/actions?page_size=2&page_token={token}")).await.json();
        seen.extend(page["actions"].as_array().unwrap().iter().map(|action| action["details"]["quantity"].clone()));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen[..5], ["5", "4", "3", "2", "1"], "{seen:?}");
    assert_eq!(seen.len(), 9, "with the four openings");
    amy.get("/v1/admin/actions?page_token=e30").await.problem("invalid_page");
    amy.get("/v1/admin/actions?page_size=0").await.problem("invalid_page");
}

#[tokio::test]
async fn many_dead_letters_are_settled_in_one_call_each_by_itself() {
    let shop = open_with(Setup { roles: false, ..Setup::default() }).await;
    let amy = amy(&shop);
    for id in ["a/DeductStock", "b/DeductStock", "c/DeductStock"] {
        park(&shop, id, "broken").await;
    }
    let body = r#"{"ids":["a/DeductStock","gone","b/DeductStock","a/DeductStock"]}"#;
    let replayed = amy.post("/v1/admin/dead-letters:replay", body).await;
    let results = &replayed.json()["results"];
    assert_eq!(results[0], json!({"id": "a/DeductStock", "done": true}), "{}", replayed.text);
    assert_eq!((&results[1]["done"], &results[1]["code"]), (&false.into(), &"not_found".into()));
    assert_eq!((&results[2]["id"], results.as_array().unwrap().len()), (&"b/DeductStock".into(), 3));
    let discarded = amy.post("/v1/admin/dead-letters:discard", r#"{"ids":["c/DeductStock"]}"#).await;
    assert_eq!(discarded.json()["results"][0]["done"], true);
    assert_eq!(amy.get("/v1/admin/dead-letters").await.json()["dead_letters"], json!([]));
    let waiting = shop.app.ports.inbox.waiting_count(doos_domain::message::Consumer::Inventory).await.unwrap();
    assert_eq!(waiting, 2, "what was replayed waits for its consumer, what was discarded does not");
    let deeds: Vec<String> = deeds(&amy).await.into_iter().map(|(deed, ..)| deed).collect();
    assert_eq!(deeds, ["replay_dead_letter", "replay_dead_letter", "discard_dead_letter"]);
}

#[tokio::test]
async fn a_list_of_letters_that_is_none_is_refused() {
    let shop = open().await;
    let amy = amy(&shop);
    let many: Vec<String> = (0..101).map(|number| format!("\"{number}\"")).collect();
    let many = format!(r#"{{"ids":[{}]}}"#, many.join(","));
    for (body, pointer) in [
        ("{}", "#/ids"),
        (r#"{"ids":[]}"#, "#/ids"),
        (r#"{"ids":[7]}"#, "#/ids/0"),
        (r#"{"ids":"x"}"#, "#/ids"),
        (&many, "#/ids"),
    ] {
        let refused = amy.post("/v1/admin/dead-letters:replay", body).await;
        assert_eq!(refused.problem("invalid_request")["errors"][0]["pointer"], pointer, "{body}");
    }
    shop.client.post("/v1/admin/dead-letters:discard", r#"{"ids":["x"]}"#).await.problem("forbidden");
    amy.get("/v1/admin/dead-letters:discard").await.problem("method_not_allowed");
}

/// A node whose books lack one row; the calls of its repair are kept.
fn one_difference() -> (Extra, Arc<Mutex<Vec<RepairCall>>>) {
    let calls: Arc<Mutex<Vec<RepairCall>>> = Arc::default();
    let seen = Arc::clone(&calls);
    let repair: doos_gateway::Repair = Arc::new(move |call: RepairCall| {
        seen.lock().unwrap().push(call.clone());
        let difference = DifferenceView {
            subject: "product 1".to_owned(),
            rule: "stock_row_equals_movements".to_owned(),
            found: "one is missing".to_owned(),
        };
        let outcome = if call.confirm { StepOutcome::Done } else { StepOutcome::Planned };
        let step = RepairStepView { subject: "product 1".to_owned(), outcome, told: "put right".to_owned() };
        let differences = if call.confirm { Vec::new() } else { vec![difference] };
        let report =
            AuditView { cut: 9, differences_found: differences.len() as u64, differences, ..AuditView::default() };
        Box::pin(async move { Ok(RepairView { confirmed: call.confirm, steps: vec![step], report }) })
    });
    (Extra { repair, ..Extra::default() }, calls)
}

#[tokio::test]
async fn a_repair_tells_what_it_would_do_and_does_it_when_told_so() {
    let (extra, calls) = one_difference();
    let shop = open_with(Setup { extra, ..Setup::default() }).await;
    let amy = amy(&shop);
    for body in ["", "{}", r#"{"confirm":false}"#] {
        let dry = amy.post("/v1/admin/audit:repair", body).await.json();
        assert_eq!((&dry["confirmed"], &dry["steps"][0]["outcome"]), (&false.into(), &"planned".into()), "{body}");
        assert_eq!(dry["report"]["differences"][0]["subject"], "product 1");
    }
    assert!(deeds(&amy).await.is_empty(), "nothing was done yet");
    let done = amy.post("/v1/admin/audit:repair", r#"{"confirm":true}"#).await.json();
    assert_eq!((&done["steps"][0]["outcome"], &done["report"]["differences_found"]), (&"done".into(), &0.into()));
    let confirmed = RepairCall { actor: "operator:amy".to_owned(), confirm: true };
    assert_eq!(calls.lock().unwrap().last(), Some(&confirmed));
    assert_eq!(deeds(&amy).await, [entry("repair_books", "", "done")]);
    amy.post("/v1/admin/audit:repair", r#"{"confirm":"yes"}"#).await.problem("invalid_request");
    shop.client.post("/v1/admin/audit:repair", "").await.problem("forbidden");
}

#[tokio::test]
async fn a_node_that_repairs_no_books_says_so_and_the_log_keeps_the_try() {
    let shop = open().await;
    let amy = amy(&shop);
    amy.post("/v1/admin/audit:repair", r#"{"confirm":true}"#).await.problem("unavailable");
    assert_eq!(deeds(&amy).await, [entry("repair_books", "", "refused")]);
}

#[tokio::test]
async fn a_products_movements_come_in_pages() {
    let shop = open().await;
    let amy = amy(&shop);
    for number in 1..=4 {
        amy.post("/v1/stock/2:receive", format!(r#"{{"quantity":{number}}}"#)).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = amy.get(&format!("/v1/stock/2/movements?page_size=2&page_token={token}")).await.json();
        seen.extend(page["movements"].as_array().unwrap().iter().map(|it| it["quantity"].as_i64().unwrap()));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        amy.get(&format!("/v1/stock/1/movements?page_token={token}")).await.problem("invalid_page");
    }
    assert_eq!(seen, [4, 3, 2, 1, 1_000]);
}

#[tokio::test]
async fn the_system_page_tells_how_each_role_does_and_operators_why() {
    let extra = Extra { roles: vec!["relay".to_owned(), "cdc".to_owned()], ..Extra::default() };
    let shop = open_with(Setup { extra, ..Setup::default() }).await;
    let (began, failed) = (shop.app.ports.clock.now(), shop.app.ports.clock.now().plus_millis(5));
    shop.app.roles.begins("relay", began);
    let away = doos_app::Error::Unavailable { cause: "kafka-7 is away".to_owned() };
    shop.app.roles.ran("relay", failed, Some(&away));
    let seen = amy(&shop).get("/v1/admin/system").await.json();
    let [relay, cdc] = [&seen["roles"][0], &seen["roles"][1]];
    assert_eq!((&relay["state"], &cdc["state"]), (&"failing".into(), &"unknown".into()));
    assert_eq!(relay["since"], relay["last_failure"]["at"]);
    assert_eq!(relay["last_failure"]["code"], "unavailable");
    assert!(relay["last_failure"]["cause"].as_str().unwrap().contains("kafka-7 is away"));
    let by_demo = shop.client.get("/v1/admin/system").await;
    assert!(!by_demo.text.contains("kafka-7"), "what is inside is for operators");
    shop.app.roles.ran("relay", failed.plus_millis(5), None);
    let again = amy(&shop).get("/v1/admin/system").await.json();
    assert_eq!(again["roles"][0]["state"], "working");
    assert!(again["started_at"].as_str().unwrap() <= again["as_of"].as_str().unwrap());
    shop.client.order(42, 1, 1).await;
    let disk = amy(&shop).get("/v1/admin/system").await.json()["disk"].clone();
    assert!(disk["commits_measured"].as_i64().unwrap() >= 1, "{disk}");
    assert!(disk["commit_ms_p50"].as_f64() <= disk["commit_ms_max"].as_f64(), "{disk}");
}

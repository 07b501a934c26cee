//! The commands beside a running server and without one.

use serde_json::Value;
use std::fs;

use crate::support::Place;
use crate::support::command::run;
use crate::support::server::{Server, Setup};
use crate::support::shop::{self, ask, await_status};
use crate::support::wait::until;

#[tokio::test]
async fn the_banner_says_where_it_listens_and_how_to_place_the_first_order() {
    let server = Setup::bare().start().await;
    let banner = server.banner();
    assert!(banner.contains(&format!("listening on http://{}", server.listen())), "{banner}");
    let curl = banner.lines().position(|line| line.contains("curl")).unwrap_or_else(|| panic!("no curl in {banner}"));
    let command: String = banner.lines().skip(curl).collect::<Vec<_>>().join("\n");
    assert!(command.contains("/v1/orders") || command.contains("/orders"), "{banner}");
    let file: Value = serde_json::from_str(&fs::read_to_string(server.data().join("server.json")).unwrap()).unwrap();
    assert_eq!(file["pid"], server.pid());
    assert!(banner.contains("token"), "it warns that calls without a token are let in: {banner}");
}

#[tokio::test]
async fn the_log_is_json_and_carries_trace_ids() {
    let server = Setup::new().start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = server
        .client()
        .post("/v1/orders", &shop::order_of("42", "101", 1))
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .await;
    assert_eq!(answer.headers["trace-id"], trace);
    assert!(!server.last_log().is_empty(), "a start is worth a line");
    for line in server.last_log().lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test]
async fn audit_balances_beside_a_running_server_and_after_it() {
    let mut server = Setup::new().start().await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    server.run(&["audit"]).await.expect(0);
    await_status(&server.client(), &order, "confirmed").await;
    server.run(&["audit", "-o", "json"]).await.expect_json(0);
    server.stop().await;
    server.run(&["-o", "json", "audit"]).await.expect_json(0);
    server.run(&["audit"]).await.expect(0);
}

/// The provider's books are lost, so it refuses a refund it must not refuse: a message that only a person can settle.
async fn server_with_a_dead_letter() -> (Server, String) {
    let mut server = Setup::new().setting("LIMITS__RETRY_TRIES_MAX", 2).start().await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    ask(&server.client(), &order, "pay").await;
    await_status(&server.client(), &order, "shipped").await;
    server.stop().await;
    fs::remove_file(server.data().join("outside/provider.log")).unwrap();
    server.start().await;
    ask(&server.operator().await, &order, "cancel").await.expect(200);
    let letter = await_letter(&server).await;
    (server, letter)
}

async fn await_letter(server: &Server) -> String {
    until("the refund is parked", async || {
        let list = server.run(&["dlq", "list", "-o", "json"]).await.expect_json(0);
        match list["dead_letters"].as_array().unwrap().as_slice() {
            [letter] => Ok(letter["id"].as_str().unwrap().to_owned()),
            _ => Err(list),
        }
    })
    .await
}

#[tokio::test]
async fn dead_letters_are_listed_shown_replayed_and_discarded() {
    let (server, letter) = server_with_a_dead_letter().await;
    let listed = server.run(&["dlq", "list"]).await.expect(0);
    assert!(listed.contains(&letter) && listed.contains("payment"), "{listed}");
    let shown = server.run(&["dlq", "show", &letter, "-o", "json"]).await.expect_json(0);
    assert_eq!(shown["message"]["event"], "RefundPayment");
    assert_eq!(shown["tries"], 2);

    // Replayed it fails again, and comes back with a later time.
    server.run(&["dlq", "replay", &letter]).await.expect(0);
    until("it was tried again and parked again", async || {
        let again = server.run(&["dlq", "show", &letter, "-o", "json"]).await;
        match again.code {
            Some(0) => {
                let again: Value = serde_json::from_str(&again.stdout).unwrap();
                if again["parked_at"] != shown["parked_at"] { Ok(()) } else { Err(again.to_string()) }
            }
            _ => Err(again.stderr),
        }
    })
    .await;

    server.run(&["dlq", "discard", &letter]).await.expect(0);
    let empty = server.run(&["dlq", "list", "-o", "json"]).await.expect_json(0);
    assert_eq!(empty["dead_letters"], serde_json::json!([]));
    for verb in ["show", "replay", "discard"] {
        let gone = server.run(&["dlq", verb, &letter]).await;
        assert!(gone.code != Some(0) && gone.stderr.contains("not_found"), "{verb}: {gone:?}");
    }
}

#[tokio::test]
async fn dead_letters_are_settled_without_a_server_too_and_survive_its_restart() {
    let (mut server, letter) = server_with_a_dead_letter().await;
    server.kill().await;
    let listed = server.run(&["dlq", "list"]).await.expect(0);
    assert!(listed.contains(&letter), "{listed}");
    server.start().await;
    server.run(&["dlq", "show", &letter]).await.expect(0);
    server.stop().await;
    server.run(&["dlq", "discard", &letter]).await.expect(0);
    let listed = server.run(&["dlq", "list"]).await.expect(0);
    assert!(!listed.contains(&letter), "{listed}");
}

#[tokio::test]
async fn tokens_are_printed_alone() {
    let server = Setup::new().start().await;
    for who in [["--user", "42"], ["--service", "till"], ["--operator", "amy"]] {
        let said = server.run(&["token", who[0], who[1]]).await;
        assert!(said.stderr.is_empty(), "{}", said.stderr);
        let text = said.expect(0);
        assert_eq!(text.trim_end().split('.').count(), 3, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let nobody = server.run(&["token", "--user", "0"]).await;
    assert_ne!(nobody.code, Some(0));
}

#[tokio::test]
async fn doctor_names_what_is_insecure_and_how_to_fix_it() {
    let server = Setup::new().start().await;
    let said = server.run(&["doctor"]).await.expect(0);
    for subject in ["disk", "clock", "access", "secrets", "port"] {
        assert!(said.contains(subject), "{said}");
    }
    assert!(said.contains("fix: ") && said.contains("--require-auth"), "{said}");
    let findings = server.run(&["doctor", "-o", "json"]).await.expect_json(0);
    assert!(findings.to_string().contains("\"level\""), "{findings}");
}

#[tokio::test]
async fn config_print_names_the_origin_of_each_value_and_hides_secrets() {
    let place = Place::new();
    let file = place.path().join("doos.yaml");
    fs::write(&file, "limits:\n  unpaid_deadline_ms: 5000\nauth:\n  token_secret: b7c1f0d94e2a8853f6d07a1c9be45d20\n")
        .unwrap();
    let settings = [("DOOS_LIMITS__HOLD_DEADLINE_MS", "7000")];
    let arguments = ["config", "print", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:4711"];
    let said = crate::support::command::run_with(place.path(), &settings, &arguments).await.expect(0);
    let line = |key: &str| said.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("no {key} in {said}"));
    assert!(
        line("limits.unpaid_deadline_ms").contains("5000") && line("limits.unpaid_deadline_ms").contains("doos.yaml")
    );
    let from_environment = line("limits.hold_deadline_ms");
    assert!(from_environment.contains("7000") && from_environment.to_lowercase().contains("env"), "{from_environment}");
    assert!(line("listen").contains("4711"));
    assert!(line("limits.worker").to_lowercase().contains("default"), "{}", line("limits.worker"));
    assert!(!said.contains("b7c1f0d9"), "a secret was printed");
}

#[tokio::test]
async fn explain_knows_every_code_a_client_can_meet() {
    let place = Place::new();
    let said = run(place.path(), &["explain", "out_of_stock"]).await.expect(0);
    assert!(said.contains("out_of_stock") && said.lines().count() > 3, "{said}");
    let unknown = run(place.path(), &["explain", "no_such_code"]).await;
    assert_ne!(unknown.code, Some(0), "{unknown:?}");
}

#[tokio::test]
async fn the_journal_is_printed_beside_the_server_and_after_a_kill() {
    let mut server = Setup::new().start().await;
    shop::place(&server.client(), "42", "101", 1).await;
    let running = server.run(&["journal", "inspect"]).await.expect(0);
    assert!(!running.trim().is_empty());
    server.kill().await;
    let killed = server.run(&["journal", "inspect"]).await.expect(0);
    assert!(killed.lines().count() >= 1, "{killed}");
}

#[tokio::test]
async fn the_interface_is_described_by_command_and_by_the_server_alike() {
    let server = Setup::new().start().await;
    let said = server.run(&["openapi"]).await.expect_json(0);
    assert!(said["paths"]["/v1/orders"]["post"].is_object());
    let served = server.client().get("/openapi.json").send().await.expect(200);
    assert_eq!(served["paths"], said["paths"]);
    let page = server.client().get("/docs").send().await;
    assert_eq!(page.status, 200, "{}", page.text);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = Setup::new().start().await;
    let client = server.client();
    let order = shop::place(&client, "42", "101", 1).await;
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "shipped").await;
    let counted = [
        "app_order_placed_total 1",
        "app_stock_charge_success_total 1",
        "app_shipping_success_total{source=\"normal\"} 1",
        "app_shipping_success_total{source=\"retry\"} 0",
    ];
    until("what happened is counted", async || {
        let text = client.get("/metrics").send().await.text;
        let missing: Vec<_> = counted.iter().filter(|line| !text.lines().any(|found| found == **line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    let text = client.get("/metrics").send().await.text;
    for name in ["app_forwarder_lag_ms", "repo_flush_success_total"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name}");
    }
}

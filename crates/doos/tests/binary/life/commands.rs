//! The commands beside a running server and without one.

use serde_json::Value;
use std::fs;

use crate::support::Place;
use crate::support::command::{run, run_unheard, run_with};
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
    let told = server.run(&["dlq", "replay", &letter]).await.expect(0);
    assert!(told.starts_with("back in line: ") && told.contains(&letter), "{told}");
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

    let told = server.run(&["-o", "json", "dlq", "discard", &letter]).await.expect_json(0);
    assert_eq!(told["id"], letter.as_str());
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
async fn a_token_lasts_a_second_to_a_year_and_no_other_time() {
    let place = Place::new();
    let help = run(place.path(), &["token", "--help"]).await.expect(0);
    assert!(help.contains("1 to 31536000") && help.contains("365 days"), "{help}");
    for option in ["--ttl", "--ttl-s"] {
        for ttl in ["1", "31536000"] {
            run(place.path(), &["token", "--user", "42", option, ttl]).await.expect(0);
        }
        for ttl in ["0", "31536001", "18446744073709551615"] {
            let refused = run(place.path(), &["token", "--user", "42", &format!("{option}={ttl}")]).await;
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{ttl}");
            assert!(refused.stderr.contains("1..=31536000"), "{ttl}: {}", refused.stderr);
        }
    }
    let settings = [("DOOS_AUTH__TOKEN_TTL_S", "0")];
    let refused = run_with(place.path(), &settings, &["token", "--user", "42"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("31536000 seconds"), "{}", refused.stderr);
}

/// The option stands once before the verb and once behind it.
async fn told_as_json(data: &std::path::Path, arguments: &[&str]) -> Value {
    let before = [&["-o", "json"], arguments].concat();
    run(data, &before).await.expect_json(0);
    let behind = [arguments, &["--output=json"]].concat();
    run(data, &behind).await.expect_json(0)
}

#[tokio::test]
async fn every_command_speaks_json_if_asked_to() {
    let mut server = Setup::new().argument("--output=json").start().await;
    let banner: Value = serde_json::from_str(&server.banner()).unwrap();
    assert_eq!(banner["url"], format!("http://{}", server.listen()));
    shop::place(&server.client(), "42", "101", 1).await;
    server.stop().await;
    let data = server.data();
    let token = told_as_json(&data, &["token", "--user", "42"]).await;
    assert_eq!(token["token"].as_str().unwrap().split('.').count(), 3, "{token}");
    let printed = told_as_json(&data, &["config", "print"]).await;
    assert_eq!(printed["limits.worker"]["origin"], "default", "{printed}");
    assert_eq!(printed["data_dir"]["value"], data.to_str().unwrap());
    assert_eq!(printed["auth.token_secret"]["value"], "(not set)");
    let journal = told_as_json(&data, &["journal", "inspect"]).await;
    assert!(journal["sound"] == true && journal["groups"].as_u64().unwrap() > 0, "{journal}");
    let explained = told_as_json(&data, &["explain", "out_of_stock"]).await;
    assert_eq!((&explained["code"], &explained["status"]), (&"out_of_stock".into(), &409.into()));
    assert!(explained["page"].as_str().unwrap().contains("## What to do"), "{explained}");
    let copy = data.with_file_name("copy");
    let copied = run(&data, &["backup", copy.to_str().unwrap(), "-o", "json"]).await.expect_json(0);
    assert_eq!(copied["directory"], copy.to_str().unwrap());
    assert!(copied["position"].as_u64().unwrap() > 0, "{copied}");
    told_as_json(&data, &["dlq", "list"]).await;
    told_as_json(&data, &["audit"]).await;
    told_as_json(&data, &["doctor"]).await;
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_no_command_in_a_panic() {
    let mut server = Setup::new().start().await;
    shop::place(&server.client(), "42", "101", 1).await;
    server.stop().await;
    let data = server.data();
    for arguments in [
        &["config", "print"][..],
        &["config", "print", "-o", "json"],
        &["journal", "inspect"],
        &["audit"],
        &["doctor"],
        &["explain", "internal"],
        &["openapi"],
        &["token", "--user", "42"],
        &["dlq", "list"],
        &["--help"],
        &["token", "--help"],
        &["--version"],
    ] {
        let said = run_unheard(&data, arguments).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
        assert!(!said.stderr.contains("panicked"), "{arguments:?}: {}", said.stderr);
    }
}

/// `doos serve | head -1`, and the same with the log: whoever only wanted to see the first line stops nothing.
#[tokio::test]
async fn a_server_goes_on_when_nobody_reads_its_banner_and_its_log_any_more() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = crate::support::command::doos();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(place.path().join("data"));
    let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    let listen = until("it listens", async || {
        let text = fs::read_to_string(place.path().join("data/server.json")).map_err(|error| error.to_string())?;
        let file: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        file["listen"].as_str().unwrap().parse().map_err(|_| text)
    })
    .await;
    let client = crate::support::client::Client::new(listen);
    let order = shop::place(&client, "42", "101", 1).await;
    await_status(&client, &order, "confirmed").await;
    assert!(child.try_wait().unwrap().is_none(), "it runs");
    crate::support::server::terminate(child.id().unwrap()).await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
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
    assert!(killed.lines().last().unwrap().starts_with("sound: "), "{killed}");
}

#[tokio::test]
async fn damage_in_the_journal_is_found_and_told_by_the_exit_code() {
    let mut server = Setup::new().start().await;
    for _ in 0..3 {
        shop::place(&server.client(), "42", "101", 1).await;
    }
    server.stop().await;
    let segments = fs::read_dir(server.data().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|kind| kind == "seg")).min().unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    server.run(&["journal", "inspect"]).await.expect(0);
    let mut bytes = fs::read(&segment).unwrap();
    // Behind the header's page and the first group's own header.
    bytes[4_096 + 100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let told = server.run(&["journal", "inspect"]).await.expect(1);
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("DAMAGED: 1 of ") && last.contains(name), "{told}");
    let told = server.run(&["journal", "inspect", name, "-o", "json"]).await.expect_json(1);
    assert_eq!((&told["sound"], &told["damaged"]), (&false.into(), &serde_json::json!([name])));
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

#[tokio::test]
async fn the_read_models_are_compared_with_the_orders_and_filled_anew_by_one_command() {
    let mut server = Setup::new().start().await;
    for _ in 0..5 {
        let order = shop::place(&server.client(), "42", "101", 1).await;
        await_status(&server.client(), &order, "confirmed").await;
    }
    let equal = |told: &Value| {
        let projections = told["projections"].as_array().unwrap();
        projections.len() == 2 && projections.iter().all(|it| it["equal"] == true && it["held"] == 5)
    };
    until("both have all five and equal the orders", async || {
        let told = server.run(&["projections", "compare", "-o", "json"]).await.expect_json(0);
        assert_eq!(told["equal"], true, "what they have not reached yet is no difference: {told}");
        if equal(&told) { Ok(()) } else { Err(told) }
    })
    .await;
    let told = server.run(&["projections", "rebuild", "-o", "json"]).await.expect_json(0);
    assert!(told["equal"] == true && equal(&told), "{told}");
    let text = server.run(&["projections", "compare"]).await.expect(0);
    assert!(text.contains("5 of 5 orders") && text.trim_end().ends_with("equal to the orders"), "{text}");
    server.stop().await;
    let refused = server.run(&["projections", "compare"]).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("no server runs on"), "{}", refused.stderr);
}

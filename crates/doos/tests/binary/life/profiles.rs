//! Profile prod starts on safe settings only, and says how to make them.

use crate::support::Place;
use crate::support::command::{run_with, token};
use crate::support::server::Setup;
use crate::support::shop;

const GOOD_TOKEN_SECRET: &str = "b7c1f0d94e2a8853f6d07a1c9be45d20";
const GOOD_CALLBACK_SECRET: &str = "5e90ab3c7714d8f2e6b1c05f39a7d848";

/// What a prod server with these secrets says instead of starting.
async fn refusal(token_secret: Option<&str>, callback_secret: Option<&str>) -> String {
    let place = Place::new();
    let mut settings = Vec::new();
    settings.extend(token_secret.map(|secret| ("DOOS_AUTH__TOKEN_SECRET", secret)));
    settings.extend(callback_secret.map(|secret| ("DOOS_PAYMENT__CALLBACK_SECRET", secret)));
    let said = run_with(place.path(), &settings, &["serve", "--profile", "prod", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(!said.stderr.contains(GOOD_TOKEN_SECRET), "a secret was printed: {}", said.stderr);
    said.stderr
}

#[tokio::test]
async fn prod_refuses_missing_short_and_well_known_secrets_and_names_the_fix() {
    let well_known = "changeme-changeme-changeme-changeme";
    let regular = "abababababababababababababababab";
    for token_secret in [None, Some("short"), Some(well_known), Some(regular)] {
        let said = refusal(token_secret, Some(GOOD_CALLBACK_SECRET)).await;
        assert!(said.contains("auth.token_secret") && said.contains("openssl rand"), "{token_secret:?}: {said}");
    }
    let said = refusal(Some(GOOD_TOKEN_SECRET), None).await;
    assert!(said.contains("payment.callback_secret"), "{said}");
}

#[tokio::test]
async fn prod_starts_on_good_secrets_without_demo_goods_and_asks_for_tokens() {
    let server = Setup::new()
        .argument("--profile=prod")
        .setting("AUTH__TOKEN_SECRET", GOOD_TOKEN_SECRET)
        .setting("PAYMENT__CALLBACK_SECRET", GOOD_CALLBACK_SECRET)
        .start()
        .await;
    server.client().get("/v1/orders").send().await.expect_problem(401, "token_missing");
    let issued = server.run(&["token", "--operator", "amy", "--profile", "prod"]).await.expect(0);
    let operator = server.client().with_token(issued.trim());
    let products = operator.get("/v1/products").send().await.expect(200);
    assert_eq!(products["products"], serde_json::json!([]));
    let product = shop::new_product(&operator, 1_000, 1).await;
    let unknown = operator.post("/v1/orders", &shop::order_of("user_123", &product, 1)).send().await;
    unknown.expect_problem(404, "name_unknown");
    // A token signed with a secret of profile dev is worth nothing here.
    let foreign = Setup::new().start().await;
    let foreign = token(&foreign.data(), ["--operator", "amy"]).await;
    server.client().with_token(foreign).get("/v1/orders").send().await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn a_secret_of_digits_alone_is_a_text_and_not_a_number() {
    let digits = "00000000000012345678901234567890";
    let place = Place::new();
    let file = place.path().join("secret");
    std::fs::write(&file, digits).unwrap();
    let server = Setup::new()
        .argument("--profile=prod")
        .setting("AUTH__TOKEN_SECRET_FILE", file.display())
        .setting("PAYMENT__CALLBACK_SECRET", "98765432109876543210987654321098")
        .start()
        .await;
    // The server has it from a file, the command from its environment: they must mean the same.
    let settings = [("DOOS_AUTH__TOKEN_SECRET", digits)];
    let issued = run_with(place.path(), &settings, &["token", "--operator", "amy"]).await.expect(0);
    server.client().with_token(issued.trim()).get("/v1/orders").send().await.expect(200);
    let printed = run_with(place.path(), &settings, &["config", "print"]).await.expect(0);
    let line = printed.lines().find(|line| line.starts_with("auth.token_secret = ")).unwrap();
    assert!(line.contains("set, not shown") && line.contains("DOOS_AUTH__TOKEN_SECRET"), "{line}");
    assert!(!printed.contains("12345678901"), "{printed}");
}

#[tokio::test]
async fn a_setting_that_does_not_exist_or_makes_no_sense_is_refused_by_name() {
    let place = Place::new();
    for (key, value, named) in [
        ("DOOS_LIMITS__NO_SUCH_LIMIT", "1", "no_such_limit"),
        ("DOOS_LIMITS__WORKER", "64", "limits.worker"),
        ("DOOS_KAFKA__BROKERS", "[\"broker:9092\"]", "kafka.brokers"),
    ] {
        let said = run_with(place.path(), &[(key, value)], &["serve", "--listen", "127.0.0.1:0"]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(named), "{}", said.stderr);
    }
}

//! The configuration files say everything: each option stands in both, both load, and what prod needs is refused when
//! it is missing.
#![cfg(test)]

use doos_node::config::{self, Config, Flags};
use serde_json::json;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

/// A key stands in a file as `name:` at the depth of its section, commented out or not.
fn stands_in(text: &str, key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap();
    text.lines().any(|line| line.trim_start_matches(['#', ' ', '-']).starts_with(&format!("{name}:")))
}

#[test]
fn every_option_stands_in_both_files() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for name in ["dev.yaml", "prod.yaml"] {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let mut missing = Vec::new();
        config::flatten("", &defaults, &mut |key, _| {
            if !stands_in(&text, key) {
                missing.push(key.to_owned());
            }
        });
        for secret in ["auth.token_secret", "payment.callback_secret", "opensearch.password"] {
            if !stands_in(&text, secret) {
                missing.push(secret.to_owned());
            }
        }
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
    }
}

#[test]
fn the_dev_file_says_the_defaults() {
    let loaded = config::load(&Flags { file: Some(file("dev.yaml")), values: Vec::new() }).unwrap();
    let mut from_file = serde_json::to_value(&loaded.config).unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    from_file["data_dir"] = defaults["data_dir"].clone();
    assert_eq!(from_file, defaults);
    loaded.config.check().unwrap();
}

#[test]
fn prod_refuses_missing_short_and_well_known_secrets_naming_the_key() {
    let with = |token: &str| {
        let values = vec![
            ("profile", json!("prod")),
            ("auth.token_secret", json!(token)),
            ("payment.callback_secret", json!("b7f1c0d94e6a58231f7d90ce4ab8356e")),
        ];
        config::load(&Flags { file: None, values }).unwrap().config.check()
    };
    for token in ["", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "changeme-changeme-changeme-changeme-1234"] {
        let refused = with(token).unwrap_err().to_string();
        assert!(refused.contains("auth.token_secret") && refused.contains("openssl"), "{token}: {refused}");
    }
    with("9e1c5a7340bd28f6e4d1907ac35f8b62").unwrap();
    let missing = Flags { file: None, values: vec![("profile", json!("prod"))] };
    assert!(config::load(&missing).unwrap().config.check().is_err());
}

#[test]
fn half_a_cluster_is_refused_naming_what_is_missing() {
    let shard = json!([{ "dsn": "root:root123@tcp(localhost:3306)/doos_order_0" }]);
    let values = vec![("database.shards", shard), ("server.grpc_port", json!(50051))];
    let loaded = config::load(&Flags { file: None, values }).unwrap();
    assert_eq!(loaded.config.database.shards[0].dsn.database, "doos_order_0");
    let refused = loaded.config.check().unwrap_err().to_string();
    assert!(refused.contains("kafka.brokers"), "{refused}");
    assert!(!loaded.print().contains("root123"));
    let values = vec![("kafka.brokers", json!(["localhost:9092"]))];
    let refused = config::load(&Flags { file: None, values }).unwrap().config.check().unwrap_err().to_string();
    assert!(refused.contains("database.shards"), "{refused}");
}

#[test]
fn the_cluster_s_file_is_a_whole_cluster() {
    let loaded = config::load(&Flags { file: Some(file("cluster.yaml")), values: Vec::new() }).unwrap();
    loaded.config.check().unwrap();
    assert!(loaded.config.database.is_cluster());
    let values = vec![("database.mark_after_ms", json!(5_000))];
    let late = config::load(&Flags { file: Some(file("cluster.yaml")), values }).unwrap();
    let refused = late.config.check().unwrap_err().to_string();
    assert!(refused.contains("database.mark_after_ms"), "{refused}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_opened_naming_the_key() {
    for (key, value, named) in [
        ("limits.order_lines_max", json!(0), "limits.order_lines_max"),
        ("limits.order_group_len_max", json!(0), "limits.order_group_len_max"),
        ("tracing.sample_ratio", json!(7), "tracing.sample_ratio"),
        ("gateway.header_bytes_max", json!(1), "header_bytes_max"),
        ("gateway.page_size_max", json!(0), "page_size_max"),
    ] {
        let values = vec![(key, value)];
        let refused = config::load(&Flags { file: None, values }).unwrap().config.check().unwrap_err().to_string();
        assert!(refused.contains(named), "{key}: {refused}");
    }
}

#[test]
fn the_payment_provider_s_key_makes_no_tokens() {
    let secret = "9e1c5a7340bd28f6e4d1907ac35f8b62";
    let values = vec![
        ("profile", json!("prod")),
        ("auth.token_secret", json!(secret)),
        ("payment.callback_secret", json!(secret)),
    ];
    let refused = config::load(&Flags { file: None, values }).unwrap().config.check().unwrap_err().to_string();
    assert!(refused.contains("payment.callback_secret") && !refused.contains(secret), "{refused}");
}

#[test]
fn an_unknown_key_is_refused_and_named() {
    let values = vec![("limits.order_line_max", json!(5))];
    let refused = config::load(&Flags { file: None, values }).err().unwrap().to_string();
    assert!(refused.contains("order_line_max"), "{refused}");
}

#[test]
fn every_value_tells_its_origin_and_secrets_are_not_shown() {
    let secret = "9e1c5a7340bd28f6e4d1907ac35f8b62";
    let values = vec![("auth.token_secret", json!(secret)), ("listen", json!("127.0.0.1:9999"))];
    let printed = config::load(&Flags { file: Some(file("dev.yaml")), values }).unwrap().print();
    assert!(!printed.contains(secret), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("listen = ") && line.ends_with("# flag")), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("limits.worker = ") && line.contains("# file")), "{printed}");
}

#[test]
fn a_gate_that_could_not_be_kept_is_refused_with_the_fix() {
    let shards = ("database.shards", json!([{ "dsn": "doos:x@tcp(localhost:3306)/doos_order_0" }]));
    let kafka = ("kafka.brokers", json!(["localhost:9092"]));
    let redis = |addr: &str| ("redis.addr", json!(addr));
    let gate = |name: &str| ("gate", json!(name));
    let check = |values: Vec<(&'static str, serde_json::Value)>| {
        config::load(&Flags { file: None, values }).unwrap().config.check().map_err(|error| error.to_string())
    };
    for name in ["redis", "distributed-lock"] {
        let refused = check(vec![shards.clone(), kafka.clone(), gate(name)]).unwrap_err();
        assert!(refused.contains(name) && refused.contains("Fix: give redis.addr"), "{refused}");
        check(vec![shards.clone(), kafka.clone(), gate(name), redis("redis-sentinel://a:1,b:2/shop")]).unwrap();
    }
    for name in ["memory", "optimistic", "optimistic-no-retry", "row-lock", "queue"] {
        check(vec![shards.clone(), kafka.clone(), gate(name)]).unwrap();
    }
    let alone = check(vec![gate("queue")]).unwrap_err();
    assert!(alone.contains("gate:") && alone.contains("database.shards"), "{alone}");
    let unused = check(vec![redis("127.0.0.1:6379")]).unwrap_err();
    assert!(unused.contains("redis.addr") && unused.contains("database.shards"), "{unused}");
    let wrong = check(vec![shards, kafka, redis("rediss://:geheim@a:1")]).unwrap_err();
    assert!(wrong.contains("redis.addr") && wrong.contains("TLS") && !wrong.contains("geheim"), "{wrong}");
    let unknown = config::load(&Flags { file: None, values: vec![gate("redislua")] }).err().unwrap().to_string();
    assert!(unknown.contains("redislua") && unknown.contains("row-lock"), "{unknown}");
}

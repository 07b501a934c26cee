//! Live values on a real etcd: what is set is read by whoever asks next, and what is bad never gets there.
#![cfg(test)]

use doos_node::config::Config;
use doos_node::live;
use std::collections::BTreeMap;

/// A configuration whose values nobody else has; none without an etcd, which a developer's machine may say and CI may not.
fn config() -> Option<Config> {
    let Ok(endpoints) = std::env::var("DOOS_TEST_ETCD") else {
        println!("NOT RUN: no etcd; set DOOS_TEST_ETCD or see scripts/services.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have an etcd");
        return None;
    };
    let mut config = Config::default();
    config.etcd.endpoints = endpoints;
    config.etcd.prefix = format!("/doos-test-live-{}", std::process::id());
    Some(config)
}

#[tokio::test]
async fn a_value_that_is_set_is_there_for_everybody_and_a_bad_one_is_refused() {
    let Some(config) = config() else { return };
    assert!(live::values(&config).await.unwrap().is_empty());
    live::set(&config, "gateway.principal_rate_per_s", Some("50")).await.unwrap();
    live::set(&config, "log.level", Some("info,doos_app=debug")).await.unwrap();
    for (key, text) in [("gateway.principal_rate_per_s", "fast"), ("log.level", "a=b=c"), ("auth.require", "false")] {
        live::set(&config, key, Some(text)).await.unwrap_err();
    }
    let expected = [("gateway.principal_rate_per_s", "50"), ("log.level", "info,doos_app=debug")]
        .map(|(key, text)| (key.to_owned(), text.to_owned()));
    assert_eq!(live::values(&config).await.unwrap(), BTreeMap::from(expected));
    for key in ["gateway.principal_rate_per_s", "log.level"] {
        live::set(&config, key, None).await.unwrap();
    }
    assert!(live::values(&config).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_etcd_there_is_nothing_to_set() {
    let refused = live::set(&Config::default(), "log.level", Some("debug")).await.unwrap_err().to_string();
    assert!(refused.contains("etcd.endpoints is empty"), "{refused}");
}

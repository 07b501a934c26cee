//! Behind Sentinels, and in a cluster.

use doos_adapter_redis::{GateOptions, RedisGate, Standing};
use doos_ports::stock_gate::StockGate;
use doos_ports::suites::scene::Scene;
use std::sync::Arc;
use std::time::Duration;

use crate::common::server::Server;
use crate::common::{link, open, ports, runtime};
use crate::gate::{request, row};

#[test]
fn behind_sentinels_the_new_master_is_found_and_must_be_rebuilt() {
    runtime().block_on(async {
        let Some(mut master) = Server::start(&["save \"\"", "repl-diskless-sync-delay 0"]).await else { return };
        let of = format!("replicaof 127.0.0.1 {}", master.port);
        let replica = Server::start(&["save \"\"", &of]).await.unwrap();
        let monitor = format!("sentinel monitor shop 127.0.0.1 {} 1", master.port);
        let down = "sentinel down-after-milliseconds shop 1500";
        let sentinel = Server::start(&[&monitor, down, "sentinel failover-timeout shop 5000"]).await.unwrap();
        sentinel
            .wait("the replica to be known", &["SENTINEL", "REPLICAS", "shop"], |said| {
                said.contains(&replica.port.to_string())
            })
            .await;
        replica.wait("the copy", &["INFO", "replication"], |said| said.contains("master_link_status:up")).await;

        let address = format!("redis-sentinel://127.0.0.1:{}/shop", sentinel.port);
        let gate = Arc::new(open(&link(&address, "doos")).await);
        let scene = Scene::new(ports(gate.clone()));
        gate.decided(vec![row(1, 1, 5)], Vec::new()).await.unwrap();
        gate.hold(request(&scene, &[(1, 2)])).await.unwrap();
        let written: i64 = master.say(&["HLEN", "{doos:gate}:holds"]).await;
        assert_eq!(written, 1);

        master.kill();
        let found = async {
            loop {
                match gate.standing().await {
                    Ok(Standing::MustBeRebuilt) => return,
                    Ok(standing) => panic!("{standing:?} on another server than it was rebuilt on"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), found).await.expect("the promoted replica is found");
        assert!(gate.hold(request(&scene, &[(1, 1)])).await.is_err());
        gate.rebuild(vec![row(1, 2, 3)], Vec::new()).await.unwrap();
        gate.hold(request(&scene, &[(1, 3)])).await.unwrap();
        let holds: i64 = replica.say(&["HLEN", "{doos:gate}:holds"]).await;
        assert_eq!(holds, 1);
    });
}

#[test]
fn in_a_cluster_every_key_of_the_gate_lies_in_one_slot() {
    runtime().block_on(async {
        let options = ["save \"\"", "cluster-enabled yes"];
        let Some(first) = Server::start(&options).await else { return };
        let second = Server::start(&options).await.unwrap();
        let () = first.say(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]).await;
        let () = second.say(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]).await;
        let () = second.say(&["CLUSTER", "SET-CONFIG-EPOCH", "2"]).await;
        let () = first.say(&["CLUSTER", "MEET", "127.0.0.1", &second.port.to_string()]).await;
        for node in [&first, &second] {
            node.wait("the cluster", &["CLUSTER", "INFO"], |said| {
                said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:2")
            })
            .await;
        }
        let address = format!("redis-cluster://127.0.0.1:{},127.0.0.1:{}", first.port, second.port);
        // Prefixes that fall into different nodes' slots.
        for prefix in ["doos", "shop", "a", "b"] {
            let link = link(&address, prefix);
            let gate = Arc::new(open(&link).await);
            let scene = Scene::new(ports(gate.clone()));
            gate.rebuild(vec![row(1, 1, 9)], vec![request(&scene, &[(1, 1)])]).await.unwrap();
            let (held, ended) = (request(&scene, &[(1, 2)]), request(&scene, &[(1, 3)]));
            for hold in [&held, &ended] {
                gate.hold(hold.clone()).await.unwrap();
            }
            gate.decided(vec![row(1, 2, 6)], vec![ended.order_id]).await.unwrap();
            gate.release(held.order_id).await.unwrap();
            let other = RedisGate::new(link, GateOptions::default());
            assert_eq!(other.hold_count().await.unwrap(), 1);
            assert_eq!(other.overdue(scene.at(60_000), 10).await.unwrap().len(), 1);
        }
        let kept: [i64; 2] = [first.say(&["DBSIZE"]).await, second.say(&["DBSIZE"]).await];
        assert!(kept.iter().all(|count| *count > 0), "both nodes had their part: {kept:?}");
    });
}

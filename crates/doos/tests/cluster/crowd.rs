//! Buyers at both gateways, and the proof at the end that each was told the truth.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fixture::Cluster;
use crate::support::buyer::{Buyer, Purchase, Shop};
use crate::support::goods::Goods;
use crate::support::proof::{expect_each_key_its_one_order, expect_settled_books, expect_the_same_answers_again};

/// Spread over the buckets.
const fn user_of(buyer: u64) -> u64 {
    1_000 + 97 * buyer
}

pub struct Crowd {
    pub goods: Arc<Goods>,
    /// Where the buyers of each gateway go now.
    doors: BTreeMap<&'static str, watch::Sender<SocketAddr>>,
    closing: watch::Sender<bool>,
    buying: JoinSet<Vec<Purchase>>,
    random: fastrand::Rng,
}

impl Crowd {
    pub async fn gather(cluster: &Cluster, buyers: u64, mut random: fastrand::Rng) -> Self {
        let goods = Arc::new(Goods::put_on_the_shelf(&cluster.gateway(1)).await);
        cluster.await_products(goods.products()).await;
        let door = |name| (name, watch::channel(cluster.servers[name].listen()).0);
        let doors = BTreeMap::from(["gateway-1", "gateway-2"].map(door));
        let (closing, _) = watch::channel(false);
        let mut buying = JoinSet::new();
        for number in 0..buyers {
            let door = &doors[if number % 4 < 2 { "gateway-1" } else { "gateway-2" }];
            let shop = Shop { address: door.subscribe(), closing: closing.subscribe(), goods: Arc::clone(&goods) };
            let random = fastrand::Rng::with_seed(random.u64(..));
            buying.spawn(Buyer::new(user_of(number), random, shop).buy_until_closing());
        }
        Self { goods, doors, closing, buying, random }
    }

    /// Where the buyers of a gateway go, now and later.
    pub fn door(&self, gateway: &str) -> watch::Receiver<SocketAddr> {
        self.doors[gateway].subscribe()
    }

    /// A process is about to go; if it is a gateway, its buyers go to the other one.
    pub fn leave(&self, cluster: &Cluster, process: &str) {
        let other = if process == "gateway-1" { "gateway-2" } else { "gateway-1" };
        if let Some(door) = self.doors.get(process) {
            door.send_replace(cluster.servers[other].listen());
        }
    }

    /// It is there again.
    pub fn come_back(&self, cluster: &Cluster, process: &str) {
        if let Some(door) = self.doors.get(process) {
            door.send_replace(cluster.servers[process].listen());
        }
    }

    /// Nothing acknowledged is lost or doubled, nothing oversold, every hold has ended, search knows every order.
    pub async fn prove(mut self, cluster: &Cluster) -> usize {
        self.closing.send_replace(true);
        let purchases: Vec<Purchase> = self.buying.join_all().await.into_iter().flatten().collect();
        let placed = purchases.iter().filter(|purchase| purchase.order.is_some()).count();
        println!("{} keys, {placed} orders, {} refused for stock", purchases.len(), purchases.len() - placed);
        let client = cluster.gateway(2);
        expect_each_key_its_one_order(&client, &purchases).await;
        expect_settled_books(&client, &self.goods).await;
        expect_the_same_answers_again(&client, &purchases, &mut self.random).await;
        cluster.expect_search_to_equal_the_shards().await;
        cluster.expect_balanced_books().await;
        placed
    }
}

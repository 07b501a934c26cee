//! Many orders in one call: the creating stream and the group of moves.

use doos_gateway::proto::order_v1 as pb;
use futures::StreamExt as _;
use pb::create_orders_response::Outcome;
use pb::order_status_result::Outcome as Moved;
use std::collections::BTreeMap;
use tonic::Code;

use crate::grpc::{by, client, order};
use crate::shop::{Setup, customer, open, open_with, operator, service, soon};
use doos_gateway::Options;

fn element(number: usize, product: i64, key: &str) -> pb::CreateOrdersRequest {
    pb::CreateOrdersRequest {
        client_ref: number.to_string(),
        idempotency_key: key.to_owned(),
        order: Some(order(42, product, 1)),
    }
}

#[tokio::test]
async fn a_stream_places_its_orders_and_a_refused_one_does_not_end_it() {
    let shop = open().await;
    let elements = (0..500).map(|number| element(number, if number % 100 == 7 { 999 } else { 1 }, ""));
    let answers = client(&shop).await.create_orders(futures::stream::iter(elements)).await.unwrap().into_inner();
    let answered = answers.map(|answer| answer.map(|answer| (answer.client_ref, answer.outcome)).unwrap());
    let answers: BTreeMap<String, Option<Outcome>> = soon(answered.collect()).await;
    assert_eq!(answers.len(), 500);
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|(number, outcome)| match outcome {
            Some(Outcome::Problem(problem)) => Some((number.as_str(), problem.code.as_str(), problem.retryable)),
            _ => None,
        })
        .collect();
    let expected = ["107", "207", "307", "407", "7"].map(|number| (number, "product_unknown", false));
    assert_eq!(refused, expected);
    assert_eq!(shop.footprint().await.0, 495);
}

#[tokio::test]
async fn elements_with_a_key_are_placed_once_over_streams_and_calls() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let twice = [element(0, 1, "a"), element(1, 1, "b"), element(2, 1, "a")];
    let answers = client.create_orders(futures::stream::iter(twice)).await.unwrap().into_inner();
    let mut ids = BTreeMap::new();
    let mut answers = std::pin::pin!(answers);
    while let Some(answer) = soon(answers.next()).await {
        let answer = answer.unwrap();
        let Some(Outcome::OrderId(id)) = answer.outcome else { panic!("{answer:?}") };
        ids.insert(answer.client_ref, id);
    }
    assert_eq!((ids["0"] == ids["2"], ids["0"] == ids["1"]), (true, false));
    let mut unary = tonic::Request::new(order(42, 1, 1));
    unary.metadata_mut().insert("idempotency-key", "a".parse().unwrap());
    assert_eq!(client.create_order(unary).await.unwrap().into_inner().order_id, ids["0"]);
    assert_eq!(shop.footprint().await.0, 2);
}

#[tokio::test]
async fn no_more_is_read_while_too_much_is_unanswered() {
    let options = Options { bulk_in_flight_max: 4, ..Options::default() };
    let shop = open_with(Setup { options, gated: true, roles: false, ..Setup::default() }).await;
    let elements = futures::stream::iter((0..50).map(|number| element(number, 1, "")));
    let mut answers = client(&shop).await.create_orders(elements).await.unwrap().into_inner();
    let first = tokio::spawn(async move {
        let mut count = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(matches!(answer.outcome, Some(Outcome::OrderId(_))), "{answer:?}");
            count += 1;
        }
        count
    });
    // The first group is one to four orders; with the rest they are at most four until something is answered.
    soon(shop.waiting.acquire()).await.unwrap().forget();
    for _ in 0..200 {
        assert!(shop.footprint().await.1 <= 4);
        tokio::task::yield_now().await;
    }
    shop.gate.add_permits(1_000);
    assert_eq!(soon(first).await.unwrap(), 50);
}

#[tokio::test]
async fn a_stopping_node_answers_what_it_has_read_and_ends_the_stream() {
    let shop = open_with(Setup { gated: true, roles: false, ..Setup::default() }).await;
    let (sender, elements) = tokio::sync::mpsc::channel(4);
    let elements = tokio_stream::wrappers::ReceiverStream::new(elements);
    let mut answers = client(&shop).await.create_orders(elements).await.unwrap().into_inner();
    sender.send(element(0, 1, "")).await.unwrap();
    soon(shop.waiting.acquire()).await.unwrap().forget();
    shop.begin_to_stop();
    shop.gate.add_permits(1);
    let answer = soon(answers.message()).await.unwrap().unwrap();
    assert!(matches!(answer.outcome, Some(Outcome::OrderId(_))));
    assert_eq!(soon(answers.message()).await.unwrap_err().code(), Code::Unavailable);
    drop(sender);
    assert_eq!(shop.stop().await.cut, 0);
}

fn change(order_id: i64, status: &str) -> pb::OrderStatusChange {
    pb::OrderStatusChange { order_id, status: status.to_owned(), reason: String::new(), expected_version: None }
}

#[tokio::test]
async fn a_service_moves_a_group_and_each_change_has_its_own_outcome() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = client.create_order(order(42, 1, 1)).await.unwrap().into_inner().order_id;
        shop.client.until(&id.to_string(), "confirmed").await;
        ids.push(id);
    }
    let request = pb::UpdateOrderStatusRequest {
        changes: vec![
            pb::OrderStatusChange { reason: "customer called".to_owned(), ..change(ids[0], "cancelled") },
            change(ids[1], "delivered"),
            pb::OrderStatusChange { expected_version: Some(99), ..change(ids[1], "cancelled") },
            pb::OrderStatusChange { expected_version: Some(2), ..change(ids[2], "cancelled") },
            change(123_456, "cancelled"),
            change(ids[1], "pending"),
            change(ids[1], "lost"),
        ],
    };
    let results = client.update_order_status(by(&shop, &service(), request)).await.unwrap().into_inner().results;
    let outcomes: Vec<Result<i64, &str>> = results
        .iter()
        .map(|result| match result.outcome.as_ref().unwrap() {
            Moved::Version(version) => Ok(*version),
            Moved::Problem(problem) => Err(problem.code.as_str()),
        })
        .collect();
    let illegal = Err("illegal_move");
    let expected = [Ok(3), illegal, illegal, Ok(3), Err("not_found"), illegal, Err("invalid_request")];
    assert_eq!(outcomes, expected);
    assert_eq!(results.iter().map(|result| result.order_id).collect::<Vec<_>>()[..2], ids[..2]);
    let cancelled = shop.client.get(&format!("/v1/orders/{}", ids[0])).await.json();
    let last = cancelled["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["reason"], &last["actor"]), (&"customer called".into(), &"service:pos".into()));
    assert_eq!(shop.client.get(&format!("/v1/orders/{}", ids[1])).await.json()["status"], "confirmed");
}

#[tokio::test]
async fn groups_are_for_services_and_bounded() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let group = |count: usize| pb::UpdateOrderStatusRequest { changes: vec![change(1, "cancelled"); count] };
    for principal in [customer(42), operator()] {
        let refused = client.update_order_status(by(&shop, &principal, group(1))).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let refused = client.update_order_status(by(&shop, &service(), group(257))).await.unwrap_err();
    assert_eq!(refused.metadata().get("problem-code").unwrap(), "bulk_too_large");
    let done = client.update_order_status(by(&shop, &service(), group(256))).await.unwrap().into_inner();
    assert_eq!(done.results.len(), 256);
}

//! How groups form, how a full queue refuses, how a shutdown drains.

use super::*;

const LIMITS: Limits = Limits { queue_len_max: 8, group_len_max: 4, group_weight_max: 100 };

#[tokio::test]
async fn one_item_alone_is_a_group_at_once() {
    let (sender, mut receiver) = channel::<u32, u32>(LIMITS);
    let pending = sender.submit(7, 1).unwrap();
    let (items, replies) = receiver.next_group().await.unwrap().into_parts();
    assert_eq!(items, [7]);
    replies.send([70]);
    assert_eq!(pending.reply().await, Ok(70));
}

#[tokio::test]
async fn what_arrived_during_a_flush_is_the_next_group_in_order() {
    let (sender, mut receiver) = channel::<u32, ()>(LIMITS);
    let _first = sender.submit(0, 1).unwrap();
    let in_flight = receiver.next_group().await.unwrap();
    let _waiting: Vec<_> = (1..=6).map(|item| sender.submit(item, 1).unwrap()).collect();
    assert_eq!((in_flight.items.as_slice(), sender.depth()), ([0].as_slice(), 6));
    assert_eq!(receiver.next_group().await.unwrap().items, [1, 2, 3, 4]);
    assert_eq!(receiver.next_group().await.unwrap().items, [5, 6]);
    assert_eq!(sender.depth(), 0);
}

#[tokio::test]
async fn a_group_is_bounded_by_weight_and_a_giant_goes_alone() {
    let (sender, mut receiver) = channel::<&str, ()>(LIMITS);
    let _pending: Vec<_> =
        [("a", 60), ("b", 60), ("giant", 900), ("c", 1)].map(|(name, weight)| sender.submit(name, weight)).into();
    for expected in [vec!["a"], vec!["b"], vec!["giant"], vec!["c"]] {
        assert_eq!(receiver.next_group().await.unwrap().items, expected);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_takes_again_after_a_flush() {
    let (sender, mut receiver) = channel::<u32, ()>(LIMITS);
    let _taken: Vec<_> = (0..8).map(|item| sender.submit(item, 1).unwrap()).collect();
    assert_eq!(sender.submit(8, 1).err(), Some(Error::Full));
    let _group = receiver.next_group().await.unwrap();
    assert!(sender.submit(8, 1).is_ok());
}

#[tokio::test]
async fn an_item_whose_flusher_died_has_an_unknown_outcome() {
    let (sender, mut receiver) = channel::<u32, ()>(LIMITS);
    let pending = sender.submit(1, 1).unwrap();
    drop(receiver.next_group().await);
    assert_eq!(pending.reply().await, Err(Error::Gone));
    drop(receiver);
    assert_eq!(sender.submit(2, 1).err(), Some(Error::Closed));
}

#[tokio::test]
async fn a_shutdown_drains_what_was_taken() {
    let (sender, mut receiver) = channel::<u32, ()>(LIMITS);
    let _pending: Vec<_> = (0..6).map(|item| sender.submit(item, 1).unwrap()).collect();
    drop(sender);
    assert_eq!(receiver.next_group().await.unwrap().items.len(), 4);
    assert_eq!(receiver.next_group().await.unwrap().items.len(), 2);
    assert!(receiver.next_group().await.is_none());
}

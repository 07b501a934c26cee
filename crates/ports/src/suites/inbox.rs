//! What every inbox must do: remember what waits and what is parked, per consumer and order, until it is settled.

use doos_domain::ids::MessageId;
use doos_domain::message::{Consumer, Message};
use doos_domain::order::Order;
use std::sync::Arc;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::inbox::{Backlog, DeadLetter, Progress, Waiting};

suite!($ inbox inbox_suite {
    a_message_waits_until_its_time_has_come,
    due_messages_come_oldest_first,
    one_message_an_order_is_due_at_a_time,
    a_first_message_that_is_not_due_holds_back_its_order_alone,
    the_next_time_is_the_earliest,
    messages_of_an_order_wait_in_order_of_arrival,
    a_postponed_message_is_replaced,
    a_settled_message_waits_no_more,
    a_parked_message_waits_no_more,
    a_dead_letter_is_kept_as_it_was_parked,
    dead_letters_come_oldest_first_and_page_without_gaps,
    a_dead_letter_that_is_settled_is_gone,
    a_replayed_dead_letter_waits_again,
    a_backlog_counts_one_order_at_one_consumer,
    consumers_remember_apart,
    settling_what_is_not_there_is_no_harm,
    progress_is_one_unit,
    waiting_and_parked_messages_outlive_the_position,
});

const ME: Consumer = Consumer::Shipping;

struct Remembered {
    scene: Scene,
    orders: Vec<Arc<Order>>,
}

impl Remembered {
    async fn with_orders(ports: Ports, count: u64) -> Self {
        let scene = Scene::new(ports);
        let mut orders = Vec::new();
        for number in 1..=count {
            orders.push(scene.placed(number, number.cast_signed()).await);
        }
        Self { scene, orders }
    }

    /// The message to shipping with that number about the order at that place.
    fn message(&self, place: usize, number: u32) -> Message {
        self.scene.message_to(ME, &self.orders[place], number)
    }

    fn waiting(&self, place: usize, number: u32, next_ms: i64) -> Waiting {
        self.scene.waiting(&self.message(place, number), u64::from(number), next_ms)
    }

    fn dead(&self, place: usize, number: u32, parked_ms: i64) -> DeadLetter {
        self.scene.dead_letter(ME, &self.message(place, number), u64::from(number), parked_ms)
    }

    async fn store(&self, progress: Progress) {
        self.scene.ports.inbox.store(progress).await.expect("progress is stored");
    }

    async fn wait(&self, wait: Vec<Waiting>) {
        self.store(Progress { wait, ..Progress::new(ME) }).await;
    }

    async fn park(&self, park: Vec<DeadLetter>) {
        self.store(Progress { park, ..Progress::new(ME) }).await;
    }

    async fn settle(&self, settled: Vec<MessageId>) {
        self.store(Progress { settled, ..Progress::new(ME) }).await;
    }

    async fn due(&self, at_ms: i64, limit: usize) -> Vec<Waiting> {
        self.scene.ports.inbox.due(ME, self.scene.at(at_ms), limit).await.expect("the inbox can be read")
    }

    async fn count(&self) -> usize {
        self.scene.ports.inbox.waiting_count(ME).await.expect("the inbox can be read")
    }

    async fn dead_letters(&self, after: Option<MessageId>, limit: usize) -> Vec<DeadLetter> {
        self.scene.ports.inbox.dead_letters(after, limit).await.expect("the inbox can be read")
    }

    async fn backlog(&self, consumer: Consumer, place: usize) -> Backlog {
        self.scene.ports.inbox.backlog(consumer, self.orders[place].id).await.expect("the inbox can be read")
    }
}

pub async fn a_message_waits_until_its_time_has_come(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    let waiting = inbox.waiting(0, 1, 1_000);
    inbox.wait(vec![waiting.clone()]).await;
    assert!(inbox.due(999, 10).await.is_empty());
    assert_eq!(inbox.due(1_000, 10).await, std::slice::from_ref(&waiting));
    assert_eq!(inbox.due(5_000, 10).await, [waiting], "to be handed out settles nothing");
    assert_eq!(inbox.count().await, 1);
}

pub async fn due_messages_come_oldest_first(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 4).await;
    let all = [inbox.waiting(0, 1, 300), inbox.waiting(1, 2, 100), inbox.waiting(2, 3, 200), inbox.waiting(3, 4, 900)];
    inbox.wait(all.to_vec()).await;
    let [third, first, second, _] = all;
    assert_eq!(inbox.due(500, 10).await, [first.clone(), second.clone(), third]);
    assert_eq!(inbox.due(500, 2).await, [first, second]);
}

pub async fn one_message_an_order_is_due_at_a_time(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    let (first, second, other) = (inbox.waiting(0, 1, 100), inbox.waiting(0, 2, 110), inbox.waiting(1, 3, 120));
    inbox.wait(vec![second.clone(), first.clone()]).await;
    inbox.wait(vec![other.clone()]).await;
    assert_eq!(inbox.due(500, 10).await, [first.clone(), other.clone()]);
    inbox.settle(vec![first.message.id]).await;
    assert_eq!(inbox.due(500, 10).await, [second, other]);
}

pub async fn a_first_message_that_is_not_due_holds_back_its_order_alone(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    let (first, second, other) = (inbox.waiting(0, 1, 900), inbox.waiting(0, 2, 100), inbox.waiting(1, 3, 200));
    inbox.wait(vec![first.clone(), second, other.clone()]).await;
    assert_eq!(inbox.due(500, 10).await, std::slice::from_ref(&other));
    assert_eq!(inbox.due(1_000, 10).await, [other, first]);
}

pub async fn the_next_time_is_the_earliest(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 3).await;
    let next = || async { inbox.scene.ports.inbox.next_due(ME).await.expect("the inbox can be read") };
    assert_eq!(next().await, None);
    let earliest = inbox.waiting(1, 2, 100);
    inbox.wait(vec![inbox.waiting(0, 1, 300), earliest.clone(), inbox.waiting(2, 3, 200)]).await;
    assert_eq!(next().await, Some(inbox.scene.at(100)));
    inbox.settle(vec![earliest.message.id]).await;
    assert_eq!(next().await, Some(inbox.scene.at(200)));
}

pub async fn messages_of_an_order_wait_in_order_of_arrival(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    let (first, second, third) = (inbox.waiting(0, 1, 300), inbox.waiting(0, 2, 200), inbox.waiting(0, 12, 100));
    inbox.wait(vec![third.clone(), inbox.waiting(1, 5, 50)]).await;
    inbox.wait(vec![second.clone(), first.clone()]).await;
    let waiting = inbox.scene.ports.inbox.waiting_of(ME, inbox.orders[0].id).await.expect("the inbox can be read");
    assert_eq!(waiting, [first, second, third]);
}

pub async fn a_postponed_message_is_replaced(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    let first = inbox.waiting(0, 1, 100);
    let later = Waiting { tries: 2, next_at: inbox.scene.at(400), cause: "still no van".to_owned(), ..first.clone() };
    inbox.wait(vec![first]).await;
    inbox.wait(vec![later.clone()]).await;
    assert_eq!(inbox.count().await, 1);
    assert!(inbox.due(399, 10).await.is_empty());
    assert_eq!(inbox.due(400, 10).await, [later]);
}

pub async fn a_settled_message_waits_no_more(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    let (done, stays) = (inbox.waiting(0, 1, 100), inbox.waiting(1, 2, 100));
    inbox.wait(vec![done.clone(), stays.clone()]).await;
    inbox.settle(vec![done.message.id]).await;
    assert_eq!(inbox.due(500, 10).await, [stays]);
    assert_eq!(inbox.count().await, 1);
}

pub async fn a_parked_message_waits_no_more(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    inbox.wait(vec![inbox.waiting(0, 1, 100)]).await;
    // Taken out of one place and put into the other, in one progress.
    let settled = vec![inbox.message(0, 1).id];
    inbox.store(Progress { settled, park: vec![inbox.dead(0, 1, 200)], ..Progress::new(ME) }).await;
    assert_eq!(inbox.count().await, 0);
    assert!(inbox.due(500, 10).await.is_empty());
    assert_eq!(inbox.dead_letters(None, 10).await.len(), 1);
}

pub async fn a_dead_letter_is_kept_as_it_was_parked(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    let letter = inbox.dead(0, 1, 200);
    inbox.park(vec![letter.clone()]).await;
    let find = |id: MessageId| {
        let inbox = Arc::clone(&inbox.scene.ports.inbox);
        async move { inbox.dead_letter(&id).await.expect("the inbox can be read") }
    };
    assert_eq!(find(letter.message.id.clone()).await, Some(letter));
    assert_eq!(find(inbox.message(0, 2).id).await, None);
}

pub async fn dead_letters_come_oldest_first_and_page_without_gaps(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 7).await;
    let mut letters = Vec::new();
    for place in [3, 0, 6, 1, 5, 2, 4] {
        let at_ms = 100 + 10 * letters.len() as i64;
        let letter = inbox.dead(place, place as u32 + 1, at_ms);
        inbox.park(vec![letter.clone()]).await;
        letters.push(letter);
    }
    // One of another consumer stands among them.
    let other = Consumer::Payment;
    let message = inbox.scene.message_to(other, &inbox.orders[0], 9);
    let letter = inbox.scene.dead_letter(other, &message, 1, 500);
    inbox.store(Progress { park: vec![letter.clone()], ..Progress::new(other) }).await;
    letters.push(letter);

    for limit in [1, 3, 8, 100] {
        let mut listed: Vec<DeadLetter> = Vec::new();
        loop {
            let page = inbox.dead_letters(listed.last().map(|last| last.message.id.clone()), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
            assert!(listed.len() <= letters.len(), "the pages never end");
        }
        assert_eq!(listed, letters, "pages of {limit}");
    }
    let count = inbox.scene.ports.inbox.dead_letter_count().await;
    assert_eq!(count.expect("the inbox can be read"), 8);
}

pub async fn a_dead_letter_that_is_settled_is_gone(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    inbox.park(vec![inbox.dead(0, 1, 100), inbox.dead(1, 2, 200)]).await;
    inbox.settle(vec![inbox.message(0, 1).id]).await;
    assert_eq!(inbox.dead_letters(None, 10).await, [inbox.dead(1, 2, 200)]);
    assert_eq!(inbox.backlog(ME, 0).await, Backlog::default());
}

pub async fn a_replayed_dead_letter_waits_again(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    inbox.park(vec![inbox.dead(0, 1, 100)]).await;
    let again = Waiting { tries: 0, ..inbox.waiting(0, 1, 300) };
    let replay = Progress { settled: vec![again.message.id.clone()], wait: vec![again.clone()], ..Progress::new(ME) };
    inbox.store(replay).await;
    assert!(inbox.dead_letters(None, 10).await.is_empty());
    assert_eq!(inbox.due(300, 10).await, [again]);
    assert_eq!(inbox.backlog(ME, 0).await, Backlog { waiting: 1, parked: 0 });
}

pub async fn a_backlog_counts_one_order_at_one_consumer(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 3).await;
    inbox.wait(vec![inbox.waiting(0, 1, 100), inbox.waiting(0, 2, 100), inbox.waiting(1, 3, 100)]).await;
    inbox.park(vec![inbox.dead(0, 4, 100)]).await;
    assert_eq!(inbox.backlog(ME, 0).await, Backlog { waiting: 2, parked: 1 });
    assert_eq!(inbox.backlog(ME, 1).await, Backlog { waiting: 1, parked: 0 });
    assert_eq!(inbox.backlog(Consumer::Payment, 0).await, Backlog::default());
    let orders: Vec<_> = inbox.orders.iter().map(|order| order.id).collect();
    let all = inbox.scene.ports.inbox.backlogs(ME, &orders).await.expect("the inbox can be read");
    let expected = [Backlog { waiting: 2, parked: 1 }, Backlog { waiting: 1, parked: 0 }];
    assert_eq!(all, orders[..2].iter().copied().zip(expected).collect(), "of many at once, those that have any");
    let none = inbox.scene.ports.inbox.backlogs(Consumer::Payment, &orders).await.expect("the inbox can be read");
    assert!(none.is_empty());
}

pub async fn consumers_remember_apart(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    let mut wait = Vec::new();
    for (number, consumer) in (1..).zip(Consumer::ALL) {
        let message = inbox.scene.message_to(consumer, &inbox.orders[0], 1);
        let waiting = inbox.scene.waiting(&message, 1, 100 * number);
        inbox.store(Progress { wait: vec![waiting.clone()], ..Progress::new(consumer) }).await;
        wait.push((consumer, waiting));
    }
    for (consumer, waiting) in wait {
        let due = inbox.scene.ports.inbox.due(consumer, inbox.scene.at(1_000), 10).await;
        assert_eq!(due.expect("the inbox can be read"), std::slice::from_ref(&waiting));
        let next = inbox.scene.ports.inbox.next_due(consumer).await.expect("the inbox can be read");
        assert_eq!(next, Some(waiting.next_at));
    }
}

pub async fn settling_what_is_not_there_is_no_harm(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 1).await;
    inbox.wait(vec![inbox.waiting(0, 1, 100)]).await;
    inbox.settle(vec![inbox.message(0, 2).id, MessageId::from_text("never seen")]).await;
    assert_eq!(inbox.count().await, 1);
    inbox.store(Progress::new(ME)).await;
    assert_eq!(inbox.count().await, 1);
}

pub async fn progress_is_one_unit(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 3).await;
    inbox.wait(vec![inbox.waiting(0, 1, 100)]).await;
    let mut seed = Progress::new(Consumer::Order);
    seed.outgoing = vec![inbox.message(0, 7), inbox.message(1, 8)];
    inbox.store(seed).await;
    let read = inbox.scene.arrivals(ME, 2).await;
    let progress = Progress {
        consumer: ME,
        position: Some(read[0].position),
        wait: vec![inbox.waiting(1, 2, 100)],
        park: vec![inbox.dead(2, 3, 100)],
        settled: vec![inbox.message(0, 1).id],
        done: vec![inbox.message(0, 1).id, read[0].message.id.clone()],
        outgoing: vec![inbox.scene.message_to(Consumer::Order, &inbox.orders[0], 9)],
    };
    inbox.store(progress).await;
    assert_eq!(inbox.due(500, 10).await, [inbox.waiting(1, 2, 100)]);
    assert_eq!(inbox.dead_letters(None, 10).await, [inbox.dead(2, 3, 100)]);
    assert_eq!(inbox.scene.arrivals(ME, 1).await[0].message.id, read[1].message.id);
    let told = inbox.scene.arrivals(Consumer::Order, 1).await;
    assert_eq!(told[0].message, inbox.scene.message_to(Consumer::Order, &inbox.orders[0], 9));
}

pub async fn waiting_and_parked_messages_outlive_the_position(ports: Ports) {
    let inbox = Remembered::with_orders(ports, 2).await;
    let seed = Progress { outgoing: vec![inbox.message(0, 1), inbox.message(1, 2)], ..Progress::new(Consumer::Order) };
    inbox.store(seed).await;
    let read = inbox.scene.arrivals(ME, 2).await;
    let progress = Progress {
        position: Some(read[1].position),
        wait: vec![inbox.waiting(0, 1, 100)],
        park: vec![inbox.dead(1, 2, 100)],
        ..Progress::new(ME)
    };
    inbox.store(progress).await;
    let mut subscription = inbox.scene.subscribe(ME).await;
    inbox.scene.expect_silence(&mut subscription).await;
    assert_eq!((inbox.count().await, inbox.dead_letters(None, 10).await.len()), (1, 1));
}

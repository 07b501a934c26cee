//! How far behind a group is: what lies between its committed offsets and the ends of its partitions.
//!
//! What was settled by this process and is not committed yet counts as settled.

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::Offsets;
use crate::log;
use crate::options::Options;

/// Between two questions about a group whose coordinator is being found.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(50);

/// A client that knows a group's name and never joins it.
pub(crate) struct Observer {
    client: BaseConsumer<Watching>,
    topic: String,
}

struct Watching;

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::line("lag", level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "the lag cannot be asked for");
    }
}

impl ConsumerContext for Watching {}

impl Observer {
    pub(crate) fn new(options: &Options, group: String) -> KafkaResult<Self> {
        let client = BaseConsumer::from_config_and_context(&options.consumer(&group), Watching)?;
        Ok(Self { client, topic: group })
    }

    /// Waits for the broker; not for a thread that has other things to do.
    pub(crate) fn lag(&self, partitions: u32, settled: &Offsets, patience: Duration) -> KafkaResult<u64> {
        let committed = self.committed(partitions, patience)?;
        let (committed, ends) = (numbers(&committed), self.ask(partitions, Offset::End, patience)?);
        // A group that never committed in a partition begins where the partition does.
        let begins = if committed.len() < ends.len() {
            self.ask(partitions, Offset::Beginning, patience)?
        } else {
            Offsets::new()
        };
        Ok(sum(&ends, &begins, &committed, settled))
    }

    /// A group's coordinator moves, and is not there yet when the group is new: the client finds the right one and says so
    /// by an error, upon which it can be asked again.
    fn committed(&self, partitions: u32, patience: Duration) -> KafkaResult<TopicPartitionList> {
        let mut left = patience;
        loop {
            match self.client.committed_offsets(self.list(partitions, Offset::Invalid)?, left) {
                Err(error) if is_about_the_coordinator(&error) && left > COORDINATOR_PAUSE => {
                    left -= COORDINATOR_PAUSE;
                    std::thread::sleep(COORDINATOR_PAUSE);
                }
                answered => return answered,
            }
        }
    }

    fn ask(&self, partitions: u32, place: Offset, patience: Duration) -> KafkaResult<Offsets> {
        let answer = self.client.offsets_for_times(self.list(partitions, place)?, patience)?;
        answer.elements().iter().try_for_each(|element| element.error())?;
        Ok(numbers(&answer))
    }

    fn list(&self, partitions: u32, offset: Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            list.add_partition_offset(&self.topic, partition, offset)?;
        }
        Ok(list)
    }
}

fn is_about_the_coordinator(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    let code = error.rdkafka_error_code();
    matches!(code, Some(NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress))
}

fn numbers(list: &TopicPartitionList) -> Offsets {
    let elements = list.elements();
    let known = elements.iter().filter_map(|element| Some((element.partition(), element.offset().to_raw()?)));
    known.filter(|(_, offset)| *offset >= 0).collect::<BTreeMap<_, _>>()
}

fn sum(ends: &Offsets, begins: &Offsets, committed: &Offsets, settled: &Offsets) -> u64 {
    let lag_of = |(partition, end): (&i32, &i64)| {
        let at = |offsets: &Offsets| offsets.get(partition).copied();
        let done = at(committed).max(at(settled)).or_else(|| at(begins)).unwrap_or(0);
        u64::try_from(end - done).unwrap_or(0)
    };
    ends.iter().map(lag_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pairs: &[(i32, i64)]) -> Offsets {
        pairs.iter().copied().collect()
    }

    #[test]
    fn lag_is_what_lies_behind_the_further_of_committed_and_settled() {
        let ends = offsets(&[(0, 100), (1, 50), (2, 30), (3, 7)]);
        let begins = offsets(&[(0, 10), (1, 10), (2, 20), (3, 0)]);
        let (committed, settled) = (offsets(&[(0, 90), (1, 50)]), offsets(&[(0, 95), (3, 9)]));
        assert_eq!(sum(&ends, &begins, &committed, &settled), 5 + 10);
    }

    #[test]
    fn a_group_that_never_committed_has_everything_before_it() {
        assert_eq!(sum(&offsets(&[(0, 100)]), &offsets(&[(0, 40)]), &Offsets::new(), &Offsets::new()), 60);
    }
}

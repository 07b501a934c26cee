//! What Kafka's errors mean to those who use the bus: was it done, was it not, or does nobody know?

use doos_ports::Error;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub(crate) const ENGINE: &str = "the message bus";

pub(crate) fn unavailable(cause: impl ToString) -> Error {
    Error::Unavailable { engine: ENGINE, cause: cause.to_string() }
}

pub(crate) fn unknown(cause: impl ToString) -> Error {
    Error::Unknown { engine: ENGINE, cause: cause.to_string() }
}

pub(crate) fn broken(cause: impl ToString) -> Error {
    Error::Broken { engine: ENGINE, cause: cause.to_string() }
}

/// A record that the client itself did not take: nothing has been sent.
pub(crate) fn not_taken(error: &KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Error::Busy { engine: ENGINE },
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => broken(error),
        _ => unavailable(error),
    }
}

/// Whether a failed delivery certainly left nothing on the broker. What timed out may have been written all the same,
/// only its acknowledgement was lost.
pub(crate) const fn left_nothing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::PurgeQueue
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::NotEnoughReplicas
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}

pub(crate) const fn is_missing_topic(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition
    )
}

/// What a consumer is told while the client mends it by itself: it reconnects and rejoins on its own.
pub(crate) fn mends_itself(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::PollExceeded
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::RebalanceInProgress
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::PartitionEOF
        )
    )
}

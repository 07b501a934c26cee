//! librdkafka's own lines, in our log.

use rdkafka::config::RDKafkaLogLevel;

/// A connection that fails is tried again for as long as it takes and says so each time; that a broker is away is said
/// once, elsewhere.
pub(crate) fn line(client: &'static str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        _ if facility == "FAIL" || facility == "ERROR" => tracing::debug!(client, facility, "{message}"),
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(client, facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(client, facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::debug!(client, facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::trace!(client, facility, "{message}"),
    }
}

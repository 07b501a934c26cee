//! A problem as a gRPC status: the same stable code, in the metadata and as `google.rpc.ErrorInfo`.

use axum::http::StatusCode;
use bytes::Bytes;
use prost::Message as _;
use std::collections::HashMap;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::problem::Problem;
use crate::proto::order_v1 as pb;

pub const PROBLEM_CODE: &str = "problem-code";
const DOMAIN: &str = "doos";

/// `google.rpc.Status`, as it stands in `grpc-status-details-bin`.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// Logs the cause and says the rest.
pub fn status(problem: &Problem) -> Status {
    problem.log();
    let code = code(problem);
    let metadata = problem.errors.iter().map(|error| (error.pointer.clone(), error.detail.clone())).collect();
    let info = ErrorInfo { reason: problem.code.to_owned(), domain: DOMAIN.to_owned(), metadata };
    let details = Details {
        code: code as i32,
        message: problem.detail.clone(),
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    let mut metadata = MetadataMap::new();
    metadata.insert(PROBLEM_CODE, MetadataValue::from_static(problem.code));
    if let Some(seconds) = problem.retry_after_s {
        metadata.insert("retry-after", MetadataValue::from(seconds));
    }
    let details = Bytes::from(details.encode_to_vec());
    Status::with_details_and_metadata(code, problem.detail.clone(), details, metadata)
}

/// The refusal of one element among others.
pub fn element(problem: &Problem) -> pb::Problem {
    problem.log();
    pb::Problem { code: problem.code.to_owned(), detail: problem.detail.clone(), retryable: problem.is_retryable() }
}

fn code(problem: &Problem) -> Code {
    match (problem.code, problem.status()) {
        ("in_progress" | "product_conflict", _) => Code::Aborted,
        ("bulk_too_large", _) => Code::InvalidArgument,
        (_, StatusCode::UNAUTHORIZED) => Code::Unauthenticated,
        (_, StatusCode::FORBIDDEN) => Code::PermissionDenied,
        (_, StatusCode::NOT_FOUND) => Code::NotFound,
        (_, StatusCode::CONFLICT) => Code::FailedPrecondition,
        (_, StatusCode::TOO_MANY_REQUESTS) => Code::ResourceExhausted,
        (_, StatusCode::REQUEST_TIMEOUT) => Code::DeadlineExceeded,
        (_, StatusCode::SERVICE_UNAVAILABLE) => Code::Unavailable,
        (_, status) if status.is_server_error() => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_app::error_codes;

    #[test]
    fn every_code_has_a_status_and_keeps_its_name() {
        for (code, http, _) in error_codes::ALL {
            let status = status(&Problem::new(code, "detail"));
            assert_ne!(status.code(), Code::Ok);
            assert_eq!(status.metadata().get(PROBLEM_CODE).unwrap(), code);
            let details = Details::decode(status.details()).unwrap();
            let info = ErrorInfo::decode(details.details[0].value.as_slice()).unwrap();
            assert_eq!((info.reason.as_str(), details.code), (*code, status.code() as i32));
            assert_eq!(*http >= 500, matches!(status.code(), Code::Unavailable | Code::Internal), "{code}");
        }
    }
}
